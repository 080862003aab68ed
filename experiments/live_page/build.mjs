// Builds dist/: the page, onnxruntime's WebAssembly, and the network beside them.
//
//   npm run build                            hyper_gain_live, by `inr-jax export`
//   npm run build -- MONO.onnx STEREO.onnx   other streams at 48 kHz

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "dist");
const runtime = join(here, "node_modules", "onnxruntime-web", "dist");
const given = process.argv.slice(2);
if (given.length !== 0 && given.length !== 2) {
  console.error("give no network, or two: npm run build -- MONO.onnx STEREO.onnx");
  process.exit(2);
}

rmSync(dist, { recursive: true, force: true });
cpSync(join(here, "src"), dist, { recursive: true });
mkdirSync(join(dist, "ort"));
for (const name of [
  "ort.wasm.min.mjs",
  "ort-wasm-simd-threaded.mjs",
  "ort-wasm-simd-threaded.wasm",
]) {
  cpSync(join(runtime, name), join(dist, "ort", name));
}
["mono", "stereo"].forEach((name, i) => {
  const file = join(dist, `${name}.onnx`);
  if (given.length) {
    cpSync(resolve(given[i]), file);
  } else {
    const flags = [`--channels=${i + 1}`, `--output=${file}`];
    execFileSync("inr-jax", ["export", ...flags], { stdio: "inherit" });
  }
});
console.log(`${dist}: serve it, as by python -m http.server -d dist`);
