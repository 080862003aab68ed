// Moves sound between the microphone, the worker and the speaker; computes nothing.
//
// A sample comes out `delay` samples after it went in, always: its estimate if it has
// arrived by then, else as it was recorded.

class Ring extends AudioWorkletProcessor {
  static parameterDescriptors = [
    { name: "dry", defaultValue: 0, minValue: 0, maxValue: 1, automationRate: "a-rate" },
  ];

  constructor({ processorOptions: { hop, delay } }) {
    super();
    this.hop = hop;
    this.delay = delay; // whole hops
    this.blocks = delay / hop + 2;
    this.recorded = new Float32Array(this.blocks * hop);
    this.estimates = new Float32Array(this.blocks * hop);
    this.arrived = new Int32Array(this.blocks).fill(-1); // index of the block in each slot
    this.time = 0; // samples since the start
    this.incoming = new Float32Array(hop);
    this.before = new Float32Array(hop);
    this.after = new Float32Array(hop);
    this.late = 0;
    this.isThere = false;
    this.port.onmessage = ({ data }) => {
      this.worker = data.worker;
      this.worker.onmessage = (message) => this.receive(message.data);
    };
  }

  receive({ index, samples }) {
    if (index < 0) return;
    this.estimates.set(samples, (index % this.blocks) * this.hop);
    this.arrived[index % this.blocks] = index;
  }

  process([[input]], [[output]], { dry }) {
    if (!this.worker) return true;
    for (let i = 0; i < output.length; i++) {
      this.put(input ? input[i] : 0);
      output[i] = this.take(dry.length > 1 ? dry[i] : dry[0]);
      this.time++;
    }
    return true;
  }

  put(sample) {
    const at = this.time % this.hop;
    this.recorded[this.time % this.recorded.length] = sample;
    this.incoming[at] = sample;
    if (at === this.hop - 1) {
      const index = (this.time - at) / this.hop;
      this.worker.postMessage({ index, samples: this.incoming }, [this.incoming.buffer]);
      this.incoming = new Float32Array(this.hop);
    }
  }

  take(dry) {
    const from = this.time - this.delay;
    if (from < 0) return 0;
    const at = from % this.hop;
    const place = from % this.recorded.length;
    if (at === 0) this.begin((from - at) / this.hop);
    const recorded = this.recorded[place];
    const wet = this.isThere ? this.estimates[place] : recorded;
    const out = dry * recorded + (1 - dry) * wet;
    this.before[at] = recorded;
    this.after[at] = out;
    if (at === this.hop - 1) this.report();
    return out;
  }

  begin(index) {
    this.isThere = this.arrived[index % this.blocks] === index;
    if (!this.isThere) this.late++;
  }

  report() {
    const { before, after, late } = this;
    this.port.postMessage({ before, after, late }, [before.buffer, after.buffer]);
    this.before = new Float32Array(this.hop);
    this.after = new Float32Array(this.hop);
  }
}

registerProcessor("ring", Ring);
