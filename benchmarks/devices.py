"""Measures how fits scale over devices: as many clips on each, more and more devices.

  python benchmarks/devices.py --output_dir=results/devices

A machine without accelerators has as many devices as are asked for, which share its
cores: there the processor time for a clip shows what the program adds, as a clip
takes the same time on every number of devices only if it adds nothing.
"""

import dataclasses
import functools
import os
import pathlib
import statistics
import time

import measuring
from absl import flags

from inr_jax.cli import app
from inr_jax.configs import fitting
from inr_jax.errors import InputError
from inr_jax.io import atomic

OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for table and JSON.")
DEVICES = flags.DEFINE_list("devices", ["1", "2", "4", "8"], "Numbers of devices.")
CLIPS = flags.DEFINE_integer("clips", 4, "On each device.", 1)
SAMPLES = flags.DEFINE_integer("samples", 8192, "Of each clip.", 1)
STEPS = flags.DEFINE_integer("num_steps", 100, "Of each fit.", 1)
ROUNDS = flags.DEFINE_integer("rounds", 5, "Interleaved repetitions.", 1)
RATE = 16_000
COLUMNS = ("devices", "clips", "clips_per_s", "cpu_s_per_clip", "efficiency")
COLUMNS += ("instructions", "compile_s")


def main() -> None:
    if not OUTPUT_DIR.value:
        raise InputError("--output_dir is missing")
    counts = app.parse_numbers(DEVICES, int, 1)
    # only the processor's devices come from a flag
    forced = f"--xla_force_host_platform_device_count={max(counts)}"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {forced}"
    import jax

    config = fitting.FitConfig(fitting.SirenConfig(64, 3), num_steps=STEPS.value)
    runs = {count: functools.partial(fit, count, config) for count in counts}
    compiled = {count: measuring.seconds(run) for count, run in runs.items()}
    found = {count: [] for count in counts}
    for _ in range(ROUNDS.value):
        for count, run in runs.items():
            cpu = time.process_time()
            wall = measuring.seconds(run)
            found[count].append((wall, time.process_time() - cpu))
    rows = []
    for count in counts:
        wall, cpu = (
            statistics.median(each) for each in zip(*found[count], strict=True)
        )
        clips = count * CLIPS.value
        row = {"devices": count, "clips": clips, "clips_per_s": clips / wall}
        row |= {"cpu_s_per_clip": cpu / clips, "compile_s": compiled[count] - wall}
        rows.append(row | {"instructions": instructions(count, config)})
    add_efficiency(rows, jax.default_backend())
    folder = pathlib.Path(OUTPUT_DIR.value)
    atomic.write_json(
        folder / "devices.json", {"machine": measuring.machine(), "rows": rows}
    )
    atomic.write_csv(folder / "devices.csv", COLUMNS, rows)
    for row in rows:
        print(", ".join(f"{name} {row[name]:.4g}" for name in COLUMNS))


def add_efficiency(rows, backend: str) -> None:
    """Of the first row's clips a second and device; on CPUs, of its work for a clip."""
    first = rows[0]
    for row in rows:
        if backend == "cpu":
            row["efficiency"] = first["cpu_s_per_clip"] / row["cpu_s_per_clip"]
        else:
            speed = row["clips_per_s"] / first["clips_per_s"]
            row["efficiency"] = speed * first["devices"] / row["devices"]


def compute_on(count: int):
    """The compute settings of this machine, on so many devices."""
    from inr_jax.parallel.compute import default_compute

    return dataclasses.replace(default_compute(), num_devices=count)


def fit(count: int, config) -> None:
    """Fits noise, as many clips a device."""
    import jax
    import numpy as np

    from inr_jax.fitting import batch

    clips = count * CLIPS.value
    noise = np.random.default_rng(0).uniform(-1, 1, (clips, SAMPLES.value))
    keys = list(jax.random.split(jax.random.key(0), clips))
    signals = list(noise.astype(np.float32))
    for _ in batch.fit_batch(
        keys, signals, [RATE] * clips, config, compute=compute_on(count)
    ):
        pass


def instructions(count: int, config) -> int:
    """Of the compiled program, which every device runs."""
    from inr_jax.fitting import batch
    from inr_jax.parallel import bucketing

    size = bucketing.bucket_size(SAMPLES.value)
    text = batch.program(count * CLIPS.value, size, RATE, config, compute_on(count))
    return text.count(" = ")


if __name__ == "__main__":
    app.run(main)
