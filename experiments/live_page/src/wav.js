// WAV files of 16 bits, made while they grow: the browser keeps the parts.

const HEADER = 44;
const integer = (x) => Math.max(-32768, Math.min(32767, Math.round(32768 * x)));

export class Wav {
  constructor(rate) {
    this.rate = rate;
    this.parts = [];
    this.length = 0;
    this.count = 1;
  }

  add(channels) {
    const [count, length] = [channels.length, channels[0].length];
    const samples = new Int16Array(count * length);
    channels.forEach((channel, i) => {
      for (let n = 0; n < length; n++) samples[n * count + i] = integer(channel[n]);
    });
    this.parts.push(samples);
    this.length += length;
    this.count = count;
    if (this.parts.length === 256) this.parts = [new Blob(this.parts)];
    return this;
  }

  get seconds() {
    return this.length / this.rate;
  }

  blob() {
    const frame = 2 * this.count;
    const bytes = frame * this.length;
    const view = new DataView(new ArrayBuffer(HEADER));
    const text = (at, word) =>
      [...word].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
    text(0, "RIFF");
    view.setUint32(4, HEADER - 8 + bytes, true);
    text(8, "WAVEfmt ");
    view.setUint32(16, 16, true);
    view.setUint16(20, 1, true); // integers
    view.setUint16(22, this.count, true);
    view.setUint32(24, this.rate, true);
    view.setUint32(28, frame * this.rate, true);
    view.setUint16(32, frame, true);
    view.setUint16(34, 16, true);
    text(36, "data");
    view.setUint32(40, bytes, true);
    return new Blob([view, ...this.parts], { type: "audio/wav" });
  }
}
