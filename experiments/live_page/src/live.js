// The microphone, denoised while it is on.

// Blocks wait until they are full, and for the next one, which overlaps.
const FIXED = 2;
const PATIENCE_MS = 5000; // without a sound card some browsers wait for ever

// Hops that a block may take to be computed: browsers let a worker wait for five at times,
// whatever it has to do; and those that the sound card asks for at once, as no estimate can
// arrive meanwhile.
const reserveOf = (context, hop) =>
  6 + Math.ceil(((context.baseLatency ?? 0) * context.sampleRate) / hop);

export async function start({ rate, hop, worker, onBlock }) {
  const media = await navigator.mediaDevices.getUserMedia({
    // what the browser does to speech by itself would come first
    audio: {
      channelCount: 1,
      echoCancellation: false,
      noiseSuppression: false,
      autoGainControl: false,
    },
  });
  const context = new AudioContext({ sampleRate: rate, latencyHint: "interactive" });
  const stop = async () => {
    for (const track of media.getTracks()) track.stop();
    if (context.state !== "closed") await context.close();
  };
  const reserve = reserveOf(context, hop);
  const delay = (FIXED + reserve) * hop;
  try {
    await context.audioWorklet.addModule("./worklet.js");
    const ring = new AudioWorkletNode(context, "ring", {
      numberOfInputs: 1,
      outputChannelCount: [1],
      channelCount: 1,
      channelCountMode: "explicit",
      processorOptions: { hop, delay },
    });
    ring.port.onmessage = ({ data }) => onBlock(data);
    const { port1, port2 } = new MessageChannel();
    worker.postMessage({ type: "live", port: port1, reserve }, [port1]);
    ring.port.postMessage({ worker: port2 }, [port2]);
    const speaker = new GainNode(context, { gain: 0 });
    context.createMediaStreamSource(media).connect(ring).connect(speaker);
    speaker.connect(context.destination);
    const patience = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
    await Promise.race([context.resume(), patience]);
    if (context.state !== "running") throw new Error("there is no sound output");
    const to = (parameter, value) =>
      parameter.setTargetAtTime(value, context.currentTime, 0.004);
    return {
      stop,
      setDry: (value) => to(ring.parameters.get("dry"), value),
      setHeard: (on) => to(speaker.gain, on ? 1 : 0),
      latency: () =>
        delay / rate + (context.baseLatency ?? 0) + (context.outputLatency ?? 0),
      ended: new Promise((resolve) => {
        media.getAudioTracks()[0].addEventListener("ended", resolve);
      }),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
