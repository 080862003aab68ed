"""Measures the device that JAX finds: fits, denoising, training, compute settings.

  python benchmarks/accelerator.py --minutes=8

Writes accelerator.json with every repetition and accelerator.md, a table, and prints the
table and the `ComputeConfig` that suits the device. Ends in time: what does not fit any
more is listed as not measured. Every timing is of one call that compiles and of five
more, or fewer where time is short.
"""

import pathlib
import time

from absl import flags

from inr_jax.cli import app
from inr_jax.parallel import cpu

MINUTES = flags.DEFINE_float("minutes", 8.0, "In which to end.", 0.05)
OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", "results/accelerator", "Folder for table and JSON."
)
TOY = flags.DEFINE_bool("toy", False, "Small sizes, whose times mean nothing.")
MARGIN_S = 2.0  # for the start of Python, and the end


def main() -> None:
    deadline = time.perf_counter() + 60 * MINUTES.value - MARGIN_S
    import report

    found = report.Report(pathlib.Path(OUTPUT_DIR.value), deadline)
    cpu.tune()
    import compute_grid
    import device_bench
    import measuring

    bench = device_bench.Bench(TOY.value)
    todo = bench.measurements()
    found.begin(list(todo), bench.about(), measuring.machine())
    for i, (name, measurement) in enumerate(todo.items()):
        now = time.perf_counter()
        until = now + (deadline - now) / (len(todo) - i)
        try:
            result = measurement.run(measuring.Stopwatch(until))
        except (ImportError, OSError, RuntimeError) as error:  # no PyTorch, no memory
            result = error
        settings = compute_grid.as_python(bench.recommended())
        found.add(name, result, measurement.against, settings)
    found.finish()


if __name__ == "__main__":
    app.run(main)
