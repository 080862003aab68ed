// Computes, so that neither the page nor the sound waits: a live stream or a whole clip.
import { Stream, load } from "./stream.js";

const WARM_UP = 400; // steps, in which the browser compiles what it runs
const PER_TURN = 32; // hops of a clip between looks at what else is wanted

const NETWORKS = { 1: "./mono.onnx", 2: "./stereo.onnx" }; // by channels

const sessions = {};
let clip = 0; // the number of the clip that is wanted

const fail = (error) => postMessage({ type: "error", text: error.message ?? `${error}` });

function session(channels) {
  sessions[channels] ??= load(NETWORKS[channels]).catch((error) => {
    delete sessions[channels]; // another try may succeed
    throw error;
  });
  return sessions[channels];
}

async function live(port, reserve) {
  clip = 0; // none is wanted any more
  const stream = new Stream(await session(1));
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
  // one gain for both sides of a stereo file, so that nothing moves from side to side
  const groups = channels.length === 2 ? [channels] : channels.map((each) => [each]);
  const found = [];
  for (const group of groups) {
    const report = (share) =>
      postMessage({ type: "progress", number, done: (found.length + share) / groups.length });
    const estimates = await denoiseLinked(group, report, () => clip === number);
    if (!estimates) return;
    found.push(estimates);
  }
  const all = found.flat();
  const buffers = all.map((each) => each.buffer);
  postMessage({ type: "clip", number, channels: all }, buffers);
}

// The estimates of channels that are linked; nothing once they are not wanted any more.
async function denoiseLinked(channels, report, isWanted) {
  const stream = new Stream(await session(channels.length));
  const hop = stream.hop;
  const length = channels[0].length;
  const hops = Math.ceil(length / hop) + 1; // the estimates are a hop late
  const estimates = channels.map(() => new Float32Array(length));
  for (let i = 0; i < hops; i++) {
    const block = new Float32Array(channels.length * hop);
    channels.forEach((samples, j) => block.set(samples.subarray(i * hop, (i + 1) * hop), j * hop));
    const out = await stream.step(block);
    const at = (i - 1) * hop;
    const count = Math.min(hop, length - at);
    if (i) estimates.forEach((each, j) => each.set(out.subarray(j * hop, j * hop + count), at));
    if (i % PER_TURN === 0) {
      report(i / hops);
      await new Promise((resolve) => setTimeout(resolve));
      if (!isWanted()) return undefined;
    }
  }
  return estimates;
}

onmessage = async ({ data }) => {
  try {
    if (data.type === "load") {
      const stream = new Stream(await session(1));
      for (let i = 0; i < WARM_UP; i++) await stream.step(new Float32Array(stream.hop));
      postMessage({ type: "ready", hop: stream.hop });
    } else if (data.type === "live") {
      await live(data.port, data.reserve);
    } else {
      await denoise(data.channels, data.number);
    }
  } catch (error) {
    fail(error);
  }
};
