// Builds dist/: the page, onnxruntime's WebAssembly, and the network beside them.
//
//   npm run build               hyper_gain_live, by `inr-jax export`
//   npm run build -- FILE.onnx  another stream of one channel at 48 kHz

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "dist");
const runtime = join(here, "node_modules", "onnxruntime-web", "dist");
const model = process.argv[2];

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
if (model) {
  cpSync(resolve(model), join(dist, "model.onnx"));
} else {
  const flags = ["--model=hyper_gain_live", `--output=${join(dist, "model.onnx")}`];
  execFileSync("inr-jax", ["export", ...flags], { stdio: "inherit" });
}
console.log(`${dist}: serve it, as by python -m http.server -d dist`);
