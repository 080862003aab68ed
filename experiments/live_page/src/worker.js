// Computes, so that neither the page nor the sound waits: a live stream or a whole clip.
import { Stream, load } from "./stream.js";

const WARM_UP = 400; // steps, in which the browser compiles what it runs
const PER_TURN = 32; // hops of a clip between looks at what else is wanted

let session;
let clip = 0; // the number of the clip that is wanted

const fail = (error) => postMessage({ type: "error", text: error.message ?? `${error}` });

function live(port, reserve) {
  clip = 0; // none is wanted any more
  const stream = new Stream(session);
  const queue = [];
  // A turn comes after the blocks that have arrived: only so can be seen how many wait.
  const turn = new MessageChannel();
  let isTaken = false;
  let before = -1; // the block that went in last

  function take() {
    if (isTaken || !queue.length) return;
    isTaken = true;
    turn.port2.postMessage(null);
  }

  async function compute() {
    // more wait than can be in time: the newest goes on, so that no delay grows
    if (queue.length > reserve + 1) queue.splice(0, queue.length - 1);
    const { index, samples } = queue.shift();
    const start = performance.now();
    const estimate = (await stream.step(samples)).slice();
    postMessage({ type: "load", index, ms: performance.now() - start });
    port.postMessage({ index: before, samples: estimate }, [estimate.buffer]);
    before = index;
    isTaken = false;
    take();
  }

  turn.port1.onmessage = () => compute().catch(fail);
  port.onmessage = ({ data }) => {
    queue.push(data);
    take();
  };
}

async function denoise(channels, number) {
  clip = number;
  const length = channels[0].length;
  const found = [];
  for (const samples of channels) {
    const stream = new Stream(session);
    const hop = stream.hop;
    const hops = Math.ceil(length / hop) + 1; // the estimates are a hop late
    const estimate = new Float32Array(length);
    for (let i = 0; i < hops; i++) {
      const block = new Float32Array(hop);
      block.set(samples.subarray(i * hop, (i + 1) * hop));
      const out = await stream.step(block);
      const at = (i - 1) * hop;
      if (i) estimate.set(out.subarray(0, Math.min(hop, length - at)), at);
      if (i % PER_TURN === 0) {
        const done = (found.length + i / hops) / channels.length;
        postMessage({ type: "progress", number, done });
        await new Promise((resolve) => setTimeout(resolve));
        if (clip !== number) return;
      }
    }
    found.push(estimate);
  }
  const buffers = found.map((each) => each.buffer);
  postMessage({ type: "clip", number, channels: found }, buffers);
}

onmessage = async ({ data }) => {
  try {
    if (data.type === "load") {
      session = await load(data.url);
      const stream = new Stream(session);
      for (let i = 0; i < WARM_UP; i++) await stream.step(new Float32Array(stream.hop));
      postMessage({ type: "ready", hop: stream.hop });
    } else if (data.type === "live") {
      live(data.port, data.reserve);
    } else {
      await denoise(data.channels, data.number);
    }
  } catch (error) {
    fail(error);
  }
};
