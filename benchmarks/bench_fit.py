"""Measures how fast SIRENs are fitted here, against plain JAX and PyTorch if installed.

  python benchmarks/bench_fit.py --output_dir=results/bench --quick

One process, interleaved, medians; shares are of a float32 matrix product of 2048 cubed.
"""

import dataclasses
import functools
import pathlib
import statistics
import time

from absl import flags

from inr_jax.cli import app
from inr_jax.configs import fitting
from inr_jax.errors import InputError
from inr_jax.io import atomic, measuring
from inr_jax.io.measuring import seconds

OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for table and JSON.")
QUICK = flags.DEFINE_bool(
    "quick", False, "Defaults of --widths=64,256 --clips=1,8 --rounds=3: two minutes."
)
WIDTHS = flags.DEFINE_list("widths", None, "Units of the networks: 64,128,256.")
CLIPS = flags.DEFINE_list("clips", None, "Clips fitted at once: 1,8,64,256.")
SAMPLES = flags.DEFINE_integer("samples", 8192, "Samples of a clip.", 1)
ROUNDS = flags.DEFINE_integer("rounds", None, "Interleaved repetitions: 7.", 1)
DEPTH = 3
RIVALS = ("plain", "torch_eager", "torch_compiled")
COLUMNS = (
    *("width", "clips", "gflops", "share_of_ceiling"),
    *(f"speedup_vs_{rival}" for rival in RIVALS),
    *("peak_mib", "compile_s", "clips_per_s"),
)


def main() -> None:
    if not OUTPUT_DIR.value:
        raise InputError("--output_dir is missing")
    widths, clips = [64, 128, 256], [1, 8, 64, 256]
    if QUICK.value:
        widths, clips = [64, 256], [1, 8]
    if WIDTHS.value is not None:
        widths = app.parse_numbers(WIDTHS, int)
    if CLIPS.value is not None:
        clips = app.parse_numbers(CLIPS, int)
    rounds = ROUNDS.value or (3 if QUICK.value else 7)
    rows = []  # no compilation cache: it would hide what compiling costs
    for width in widths:
        for count in clips:
            rows.append(measure(width, count, SAMPLES.value, rounds))
            print(" ".join(f"{name}={rows[-1][name]}" for name in COLUMNS), flush=True)
    result = {"machine": measuring.machine(), "samples": SAMPLES.value, "rows": rows}
    result["time_to_quality"] = time_to_quality(rounds)
    folder = pathlib.Path(OUTPUT_DIR.value)
    atomic.write_json(folder / "bench_fit.json", result)
    atomic.write_text(folder / "bench_fit.md", markdown(result))
    print(markdown(result))


def measure(width: int, count: int, num_samples: int, rounds: int) -> dict:
    """One row: a step of `count` fits, ours beside the same in plain JAX and PyTorch."""
    work = 2 * 3 * DEPTH * width**2 * num_samples * count / 1e9  # GFLOP of products
    steps = min(10, max(1, 16 // count))  # of one call; 10 in use
    ours = our_fits(width, count, num_samples, steps)
    before = measuring.reset_peak()
    first = seconds(ours)
    peak = measuring.peak_mib()
    compile_s = first - seconds(ours)
    others = rivals(width, count, num_samples)
    matmul = measuring.matmul_gflops()
    found = []
    for _ in range(rounds):
        ceiling = max(matmul() for _ in range(3))
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
        "compile_s": round(compile_s, 2),
        "clips_per_s": round(count / step / fitting.FitConfig().num_steps, 4),
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


def our_fits(width: int, count: int, num_samples: int, steps: int):
    """Gives a function that fits by `fit_batch` and tells its seconds for a step.

    The clock stands between two reports of progress: as in a long fit, whose first
    weights and final evaluation weigh nothing.
    """
    import jax

    from inr_jax.fitting.batch import fit_batch
    from inr_jax.parallel.compute import default_compute

    config = fitting.FitConfig(fitting.SirenConfig(width, DEPTH), num_steps=2 * steps)
    compute = dataclasses.replace(default_compute(), steps_per_call=steps)
    signals = list(tones(count, num_samples))

    def run() -> float:
        keys = list(jax.random.split(jax.random.key(0), count))
        reports = [time.perf_counter()]
        fits = fit_batch(
            keys,
            signals,
            [16_000] * count,
            config,
            on_steps=lambda _: reports.append(time.perf_counter()),
            compute=compute,
        )
        list(fits)
        num_batches = (len(reports) - 1) // 2
        halves = [reports[2 * i + 2] - reports[2 * i + 1] for i in range(num_batches)]
        return sum(halves) / steps

    return run


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

    reference = our_fits(256, 1, len(signal), steps=3)
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
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    for row in result["rows"]:
        cells = ("-" if row[name] is None else str(row[name]) for name in COLUMNS)
        lines.append("| " + " | ".join(cells) + " |")
    for name in ("time_to_quality", "machine"):
        values = ", ".join(f"{key} {value}" for key, value in result[name].items())
        lines.append(f"\n{name}: {values}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    app.run(main)
