// Spectrograms on a mel axis to 20 kHz: a column for each hop.

const SIZE = 1024;
const ROWS = 128;
const HIGHEST = 20000;
const FLOOR_DB = -95;
const RANGE_DB = 75;
// From silence to loud, dark to light: told apart without colour too.
const COLOURS = [
  [10, 12, 24],
  [38, 28, 84],
  [104, 37, 117],
  [178, 54, 105],
  [232, 98, 74],
  [249, 164, 75],
  [250, 236, 172],
];

const mel = (hz) => 2595 * Math.log10(1 + hz / 700);
const hz = (m) => 700 * (10 ** (m / 2595) - 1);
export const heightOf = (frequency) => mel(frequency) / mel(HIGHEST);

const hann = Float32Array.from({ length: SIZE }, (_, n) =>
  Math.sin((Math.PI * (n + 0.5)) / SIZE) ** 2 / (SIZE / 4),
);
const cosines = Float32Array.from({ length: SIZE / 2 }, (_, k) =>
  Math.cos((2 * Math.PI * k) / SIZE),
);
const sines = Float32Array.from({ length: SIZE / 2 }, (_, k) =>
  Math.sin((2 * Math.PI * k) / SIZE),
);
const reversed = Uint16Array.from({ length: SIZE }, (_, n) => {
  let bits = 0;
  for (let i = 1; i < SIZE; i *= 2) bits = 2 * bits + (n & i ? 1 : 0);
  return bits;
});
const palette = Uint8ClampedArray.from({ length: 4 * 256 }, (_, i) => {
  if (i % 4 === 3) return 255;
  const place = ((i >> 2) / 255) * (COLOURS.length - 1);
  const low = Math.min(Math.floor(place), COLOURS.length - 2);
  const [a, b] = [COLOURS[low][i % 4], COLOURS[low + 1][i % 4]];
  return a + (place - low) * (b - a);
});

// Powers of the bins of a frame, by the FFT of Cooley and Tukey.
const re = new Float32Array(SIZE);
const im = new Float32Array(SIZE);
function powers(frame) {
  for (let n = 0; n < SIZE; n++) {
    re[n] = frame[reversed[n]] * hann[reversed[n]];
    im[n] = 0;
  }
  for (let half = 1; half < SIZE; half *= 2) {
    const turn = SIZE / 2 / half;
    for (let start = 0; start < SIZE; start += 2 * half) {
      for (let k = 0; k < half; k++) {
        const [a, b] = [start + k, start + k + half];
        const [c, s] = [cosines[k * turn], -sines[k * turn]];
        const [x, y] = [re[b] * c - im[b] * s, re[b] * s + im[b] * c];
        re[b] = re[a] - x;
        im[b] = im[a] - y;
        re[a] += x;
        im[a] += y;
      }
    }
  }
  for (let k = 0; k < SIZE / 2; k++) re[k] = re[k] * re[k] + im[k] * im[k];
  return re;
}

export class Spectrogram {
  constructor(canvas, rate) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.frame = new Float32Array(SIZE);
    this.image = this.context.createImageData(1, ROWS);
    this.edges = Array.from({ length: ROWS + 1 }, (_, i) =>
      Math.min((hz((i / ROWS) * mel(HIGHEST)) * SIZE) / rate, SIZE / 2 - 1),
    );
    this.clear(1);
  }

  clear(columns) {
    this.canvas.width = columns;
    this.canvas.height = ROWS;
    this.column = 0;
    this.frame.fill(0);
    this.context.fillStyle = `rgb(${COLOURS[0]})`;
    this.context.fillRect(0, 0, columns, ROWS);
  }

  // The newest block goes in at the right; what is there moves on.
  push(block) {
    const kept = SIZE - block.length;
    this.frame.copyWithin(0, SIZE - kept);
    this.frame.set(block, kept);
    const { width } = this.canvas;
    this.context.drawImage(this.canvas, -1, 0);
    this.draw(this.frame, width - 1);
  }

  // The whole of a clip, its channels mixed.
  show(channels, columns) {
    this.clear(columns);
    const length = channels[0].length;
    const frame = new Float32Array(SIZE);
    for (let i = 0; i < columns; i++) {
      const centre = Math.floor(((i + 0.5) / columns) * length);
      const start = Math.max(0, Math.min(centre - SIZE / 2, length - SIZE));
      frame.fill(0);
      for (const channel of channels) {
        const part = channel.subarray(start, start + SIZE);
        for (let n = 0; n < part.length; n++) frame[n] += part[n] / channels.length;
      }
      this.draw(frame, i);
    }
  }

  draw(frame, column) {
    const power = powers(frame);
    const { data } = this.image;
    for (let row = 0; row < ROWS; row++) {
      const [low, high] = [this.edges[row], this.edges[row + 1]];
      let most = power[Math.round(low)];
      for (let k = Math.ceil(low); k < high; k++) most = Math.max(most, power[k]);
      const level = (10 * Math.log10(most + 1e-12) - FLOOR_DB) / RANGE_DB;
      const colour = 4 * Math.max(0, Math.min(255, Math.round(255 * level)));
      const at = 4 * (ROWS - 1 - row);
      for (let i = 0; i < 4; i++) data[at + i] = palette[colour + i];
    }
    this.context.putImageData(this.image, column, 0);
  }
}
