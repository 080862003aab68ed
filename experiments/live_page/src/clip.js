// A file: both sides play together, and what is heard changes at once.

const RAMP = 0.004;

export async function decode(file, rate) {
  const context = new OfflineAudioContext(1, 1, rate); // resamples what has another rate
  const buffer = await context.decodeAudioData(await file.arrayBuffer());
  const count = Math.min(2, buffer.numberOfChannels);
  return Array.from({ length: count }, (_, i) => buffer.getChannelData(i).slice());
}

export class Player {
  constructor(before, after, rate, onTime) {
    this.sides = [before, after];
    this.rate = rate;
    this.onTime = onTime;
    this.duration = before[0].length / rate;
    this.at = 0; // seconds, while paused
    this.dry = 0;
    this.playing = false;
  }

  async play() {
    this.context ??= new AudioContext({ sampleRate: this.rate });
    const context = this.context;
    await context.resume();
    if (this.at >= this.duration) this.at = 0;
    this.gains = [this.dry, 1 - this.dry].map((gain) => new GainNode(context, { gain }));
    this.sources = this.sides.map((channels, i) => {
      const buffer = context.createBuffer(channels.length, channels[0].length, this.rate);
      channels.forEach((samples, j) => buffer.copyToChannel(samples, j));
      const source = new AudioBufferSourceNode(context, { buffer });
      source.connect(this.gains[i]).connect(context.destination);
      return source;
    });
    this.started = context.currentTime + 0.02 - this.at;
    for (const source of this.sources) source.start(context.currentTime + 0.02, this.at);
    this.playing = true;
    this.follow();
  }

  follow() {
    if (!this.playing) return;
    this.at = Math.max(0, this.context.currentTime - this.started);
    if (this.at >= this.duration) {
      this.pause();
      this.at = this.duration;
    }
    this.onTime(this.at, this.playing);
    requestAnimationFrame(() => this.follow());
  }

  pause() {
    if (!this.playing) return;
    this.at = this.context.currentTime - this.started;
    this.playing = false;
    for (const source of this.sources) source.stop();
    this.onTime(this.at, false);
  }

  async seek(seconds) {
    const playing = this.playing;
    this.pause();
    this.at = Math.min(Math.max(0, seconds), this.duration);
    this.onTime(this.at, playing);
    if (playing) await this.play();
  }

  setDry(dry) {
    this.dry = dry;
    [dry, 1 - dry].forEach((gain, i) =>
      this.gains?.[i].gain.setTargetAtTime(gain, this.context.currentTime, RAMP),
    );
  }

  close() {
    this.pause();
    this.context?.close();
  }
}
