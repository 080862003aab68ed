// A stream: blocks of one hop go in, the estimate of the block before comes out.
// Where it has two channels, they follow one another in a block.
import * as ort from "./ort/ort.wasm.min.mjs";

ort.env.wasm.numThreads = 1; // more need headers that not every server sends

export const load = (url) => ort.InferenceSession.create(url);

export class Stream {
  constructor(session) {
    this.session = session;
    this.feeds = {};
    for (const { name, shape } of session.inputMetadata) {
      const zeros = new Float32Array(shape.reduce((a, b) => a * b, 1));
      this.feeds[name] = new ort.Tensor("float32", zeros, shape);
    }
    this.hop = this.feeds.block.dims[1];
  }

  async step(samples) {
    this.feeds.block = new ort.Tensor("float32", samples, this.feeds.block.dims);
    const found = await this.session.run(this.feeds);
    for (const name of Object.keys(this.feeds)) {
      if (name !== "block") this.feeds[name] = found[`next_${name}`];
    }
    return found.estimate.data;
  }
}
