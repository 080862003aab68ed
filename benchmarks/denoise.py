"""Measures the start-up time of denoising, and the time for a second of sound.

  python benchmarks/denoise.py noisy.wav --output_dir=results/denoise

On one core, where the system can keep a process on one. Each run is a process of its own,
so that the first output takes imports and weights, too; compiled programs come from the
cache, which an uncounted run fills.
"""

import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from absl import flags

from inr_jax.cli import app
from inr_jax.errors import InputError

flags.adopt_module_key_flags(app)
OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for the JSON file.")
METHOD = flags.DEFINE_string("method", "hyper_gain", "How; see the README.")
SECONDS = flags.DEFINE_list("seconds", ["4", "124"], "Of the short and the long file.")
ROUNDS = flags.DEFINE_integer("rounds", 5, "Runs of each that count.", 1)


def main(inputs: list[str]) -> None:
    import measuring
    import numpy as np

    from inr_jax import audio
    from inr_jax.io import atomic

    if len(inputs) != 1 or not OUTPUT_DIR.value:
        raise InputError("name one file, and a folder with --output_dir")
    lengths = app.parse_numbers(SECONDS)
    if len(lengths) != 2 or lengths[0] >= lengths[1]:
        raise InputError("--seconds must be two numbers, the second larger")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    samples, rate, *_ = audio.read(inputs[0])
    with tempfile.TemporaryDirectory() as folder:
        paths = [pathlib.Path(folder) / f"{length:g}.wav" for length in lengths]
        for path, length in zip(paths, lengths, strict=True):
            repeated = np.resize(samples[:, :1], (round(length * rate), 1))
            audio.write(path, repeated, rate)
        rounds = [[run(path) for path in paths] for _ in range(ROUNDS.value + 1)][1:]
    short, long = zip(*rounds, strict=True)
    of_sound = lengths[1] - lengths[0]
    more_s = statistics.median(b[1] - a[1] for a, b in zip(short, long, strict=True))
    if more_s <= 0:
        raise InputError("the long file took no longer; make it longer by --seconds")
    result = {
        "method": METHOD.value,
        "processor": measuring.processor(),
        "first_output_s": statistics.median(wall for wall, _ in short),
        "cpu_s_per_s": more_s / of_sound,
        "rounds": ROUNDS.value,
    }
    atomic.write_json(pathlib.Path(OUTPUT_DIR.value) / "denoise.json", result)
    print(
        f"{METHOD.value}: first output after {result['first_output_s']:.1f} s, "
        f"{result['cpu_s_per_s']:.4f} s of one core for a second of sound"
    )


def run(path: pathlib.Path) -> tuple[float, float]:
    """Seconds, and those of the processor, of `inr-jax denoise` on one file."""
    cache = app.COMPILATION_CACHE.value
    command = [sys.executable, "-m", "inr_jax", "denoise", path]
    command += [f"--output={path.with_suffix('.flac')}"]
    command += [f"--method={METHOD.value}"]
    command += [] if cache is None else [f"--compilation_cache={cache}"]
    path.with_suffix(".flac").unlink(missing_ok=True)
    before, start = children_s(), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(done.stderr.strip().removeprefix("error: "))
    return time.perf_counter() - start, children_s() - before


def children_s() -> float:
    """Seconds of the processor that ended processes took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    app.run(main, takes_arguments=True)
