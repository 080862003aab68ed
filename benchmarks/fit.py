"""Measures a step of fits here against plain JAX and PyTorch, if that is installed.

  python benchmarks/fit.py --output_dir=results/fit

One process, interleaved, medians; shares are of a float32 matrix product of 2048 cubed.
What a device does with many clips is measured by `accelerator.py`.
"""

import dataclasses
import functools
import pathlib
import statistics

import measuring
from absl import flags
from measuring import seconds

from inr_jax.cli import app
from inr_jax.configs import fitting
from inr_jax.errors import InputError
from inr_jax.io import atomic
from inr_jax.io.markdown import table

OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for table and JSON.")
WIDTHS = flags.DEFINE_list("widths", ["64", "256"], "Units of the networks.")
CLIPS = flags.DEFINE_list("clips", ["1", "8"], "Clips fitted at once.")
SAMPLES = flags.DEFINE_integer("samples", 8192, "Samples of a clip.", 1)
ROUNDS = flags.DEFINE_integer("rounds", 3, "Interleaved repetitions.", 1)
DEPTH = 3
RIVALS = ("plain", "torch_eager", "torch_compiled")
COLUMNS = ("width", "clips", "gflops", "share_of_ceiling", "peak_mib")
COLUMNS += tuple(f"speedup_vs_{rival}" for rival in RIVALS)


def main() -> None:
    if not OUTPUT_DIR.value:
        raise InputError("--output_dir is missing")
    widths, clips = (app.parse_numbers(flag, int) for flag in (WIDTHS, CLIPS))
    rows = []
    for width in widths:
        for count in clips:
            rows.append(measure(width, count, SAMPLES.value, ROUNDS.value))
            print(" ".join(f"{name}={rows[-1][name]}" for name in COLUMNS), flush=True)
    result = {"machine": measuring.machine(), "samples": SAMPLES.value, "rows": rows}
    result["time_to_quality"] = time_to_quality(ROUNDS.value)
    folder = pathlib.Path(OUTPUT_DIR.value)
    atomic.write_json(folder / "fit.json", result)
    atomic.write_text(folder / "fit.md", markdown(result))
    print(markdown(result))


def measure(width: int, count: int, num_samples: int, rounds: int) -> dict:
    """One row: a step of `count` fits, ours, in plain JAX and in PyTorch."""
    work = 6e-9 * DEPTH * width**2 * num_samples * count  # GFLOP of products
    ours = functools.partial(
        our_step, width, list(tones(count, num_samples)), max(1, 10 // count)
    )
    before = measuring.reset_peak()
    ours()
    peak = measuring.peak_mib()
    others = rivals(width, count, num_samples)
    product, product_work = measuring.matrix_product()
    product()
    found = []
    for _ in range(rounds):
        ceiling = product_work / min(seconds(product) for _ in range(3))
        found.append({name: seconds(step) for name, step in others.items()})
        found[-1] |= {"ours": ours(), "ceiling": ceiling}
    step = statistics.median(one["ours"] for one in found)
    share = statistics.median(work / one["ours"] / one["ceiling"] for one in found)
    row = {
        "width": width,
        "clips": count,
        "gflops": round(work / step, 1),
        "share_of_ceiling": round(share, 3),
        "peak_mib": round(peak - before),
    }
    for name in RIVALS:
        ratios = [one[name] / one["ours"] for one in found if name in one]
        row[f"speedup_vs_{name}"] = (
            round(statistics.median(ratios), 2) if ratios else None
        )
    return row


def tones(count: int, num_samples: int):
    import numpy as np

    pitch = np.linspace(0.02, 0.3, count)[:, None]
    return np.sin(pitch * np.arange(num_samples)).astype(np.float32)


def our_step(width: int, clips: list, steps_per_call: int) -> float:
    """Seconds of a step of all clips, within a fit."""
    import workloads

    from inr_jax.parallel.compute import default_compute

    config, once = fitting.SirenConfig(width, DEPTH), measuring.Stopwatch(until=0)
    compute = dataclasses.replace(default_compute(), steps_per_call=steps_per_call)
    return len(clips) / workloads.fit(clips, config, compute, once).per_s


def rivals(width: int, count: int, num_samples: int) -> dict:
    """Functions that make one step of all clips; only those that can run here."""
    import jax
    import reference_steps

    from inr_jax.nn import siren

    config = fitting.SirenConfig(width, DEPTH)
    found = {}
    if width * count * num_samples <= 2**26:  # 256 MiB for every array of activations
        keys = jax.random.split(jax.random.key(0), count)
        params = jax.vmap(lambda key: siren.init(key, config))(keys)
        found["plain"] = reference_steps.plain_jax(
            params, tones(count, num_samples), config
        )
    for name in RIVALS[1:]:
        if step := torch_step(width, num_samples, name == "torch_compiled"):
            found[name] = lambda step=step: [step() for _ in range(count)]
    return found


@functools.cache
def torch_step(width: int, num_samples: int, compiled: bool):
    """A step of one clip in PyTorch, warmed up; None where that does not run."""
    import jax
    import reference_steps

    from inr_jax.nn import siren

    config = fitting.SirenConfig(width, DEPTH)
    params = siren.init(jax.random.key(0), config)
    try:
        step = reference_steps.pytorch(params, tones(1, num_samples), config, compiled)
        step()
    except (ImportError, RuntimeError):  # not installed, or no C++ compiler
        return None
    return step


def time_to_quality(rounds: int) -> dict:
    """siren_fast.flags on a shipped clip, against 1,000 steps of the published fit."""
    import jax

    from inr_jax import audio, metrics
    from inr_jax.fitting.batch import fit_batch

    clips = pathlib.Path(__file__).parent.parent / "experiments" / "clips"
    recording = audio.read(clips / "letter.flac")
    signal, rate = recording.samples[:, 0], recording.sample_rate
    fits = []

    def fast():
        fits[:] = fit_batch([jax.random.key(0)], [signal], [rate], fitting.FAST)

    reference = functools.partial(our_step, 256, [signal], 2)
    torch = torch_step(256, len(signal), compiled=False)
    fast()
    reference()
    found = [
        (seconds(fast), reference(), seconds(torch) if torch else 0.0)
        for _ in range(rounds)
    ]
    fast_s, reference_s, torch_s = (
        statistics.median(times) for times in zip(*found, strict=True)
    )
    return {
        "seconds": round(fast_s, 2),
        "snr_db": round(float(metrics.snr(signal, fits[0][1].estimate, rate)), 2),
        "reference_seconds": round(1000 * reference_s, 1),
        "speedup_vs_reference": round(1000 * reference_s / fast_s),
        "speedup_vs_torch_eager": round(1000 * torch_s / fast_s) if torch else None,
    }


def markdown(result: dict) -> str:
    """The result as text: one table, and one line on time to quality."""
    text = table(
        COLUMNS,
        (
            ["-" if row[name] is None else row[name] for name in COLUMNS]
            for row in result["rows"]
        ),
    )
    for name in ("time_to_quality", "machine"):
        values = ", ".join(f"{key} {value}" for key, value in result[name].items())
        text += f"\n{name}: {values}\n"
    return text


if __name__ == "__main__":
    app.run(main)
