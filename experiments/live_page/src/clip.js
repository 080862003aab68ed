// A file: both sides play together, and what is heard changes at once.

const RAMP = 0.004;

export async function decode(file, rate) {
  const context = new OfflineAudioContext(1, 1, rate); // resamples what has another rate
  const buffer = await context.decodeAudioData(await file.arrayBuffer());
  return Array.from({ length: buffer.numberOfChannels }, (_, i) =>
    buffer.getChannelData(i).slice(),
  );
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
    this.turn = 0; // rises with each start and stop
    this.sources = [];
  }

  async play() {
    const turn = ++this.turn;
    this.playing = true;
    this.context ??= new AudioContext({ sampleRate: this.rate });
    const context = this.context;
    await context.resume();
    if (turn !== this.turn) return; // stopped meanwhile
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
    this.follow(turn);
  }

  follow(turn) {
    if (turn !== this.turn) return;
    this.at = Math.max(0, this.context.currentTime - this.started);
    if (this.at >= this.duration) {
      this.at = this.duration;
      this.pause();
      return;
    }
    this.onTime(this.at, true);
    requestAnimationFrame(() => this.follow(turn));
  }

  pause() {
    this.turn++;
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
