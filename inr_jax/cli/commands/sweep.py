"""Sweeps omega, rate, steps, width and depth of SIRENs: quality against clean speech.

  inr-jax sweep --flagfile=experiments/configs/sweep.flags

Every clip is fitted clean and in noise. All fits of one width and depth run as one
batch; interrupted and started again, finished widths and depths are not done again.
"""

import itertools
import pathlib

from absl import flags

from inr_jax.cli import app
from inr_jax.configs import fitting as configs
from inr_jax.errors import InputError
from inr_jax.io import atomic

flags.adopt_module_key_flags(app)
CLEAN_DIR = flags.DEFINE_string("clean_dir", None, "Folder of clean speech, one rate.")
OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for CSV, table, figure.")
MAX_CLIPS = flags.DEFINE_integer("max_clips", None, "Clips to draw with --seed.", 1)
MAX_SECONDS = flags.DEFINE_float("max_seconds", 2.0, "Beginning of each clip.", 0.01)
SNR_DB = flags.DEFINE_float("snr_db", 0.0, "Level of the white noise, dB.")
SEED = flags.DEFINE_integer("seed", 0, "Of noise, weights and choice of clips.", 0)
WIDTHS = flags.DEFINE_list("widths", ["32", "64"], "Units of each sine layer.")
DEPTHS = flags.DEFINE_list("depths", ["1", "3"], "Hidden sine layers after the first.")
FIRST_OMEGAS = flags.DEFINE_list(
    "first_omegas", ["300", "1000", "3000"], "Factors in the first sine."
)
LEARNING_RATES = flags.DEFINE_list("learning_rates", ["1e-4", "1e-3"], "Of Adam.")
NUM_STEPS = flags.DEFINE_integer("num_steps", 500, "Full-batch steps of Adam.", 1)
EVERY = flags.DEFINE_integer("every", 50, "Steps from one score to the next.", 1)
COORDINATES = flags.DEFINE_enum(
    "coordinates", "unit", configs.COORDINATES, "As in inr-jax fit."
)
SCORES = ("snr", "si_sdr", "ssnr", "stoi", "pesq")
GRID = ("width", "depth", "first_omega", "learning_rate")
COLUMNS = ("clip", "fit", *GRID, "step", *SCORES)


def main() -> None:
    from inr_jax.evaluation import runs
    from inr_jax.metrics import pool as scoring

    if not (OUTPUT_DIR.value and CLEAN_DIR.value):
        raise InputError("--output_dir and --clean_dir are needed")
    if NUM_STEPS.value % EVERY.value:
        raise InputError("--num_steps must be a multiple of --every")
    shapes = list(
        itertools.product(
            app.parse_numbers(WIDTHS, int), app.parse_numbers(DEPTHS, int, 0)
        )
    )
    values = list(
        itertools.product(
            app.parse_numbers(FIRST_OMEGAS), app.parse_numbers(LEARNING_RATES)
        )
    )
    examples = load()
    folder = pathlib.Path(OUTPUT_DIR.value)
    own = flags.FLAGS.flags_by_module_dict()[
        flags.FLAGS.find_module_defining_flag("every")
    ]
    settings = {f.name: f.value for f in own if f.name != "output_dir"}
    runs.keep_settings(folder, settings)
    path = folder / "sweep.csv"
    rows = atomic.read_csv(path) if path.exists() else []
    done = {(row["width"], row["depth"]) for row in rows}
    app.use_compilation_cache()
    with scoring.ScorePool() as pool:
        if not rows:
            rows = untouched(examples, pool)
        for width, depth in shapes:
            if (str(width), str(depth)) not in done:
                rows += sweep(examples, width, depth, values, pool)
                atomic.write_csv(path, COLUMNS, rows)
    report(folder, rows)


def load():
    """Examples of one sample rate, their first channels."""
    from inr_jax.data import datasets

    clips = datasets.find_clips(CLEAN_DIR.value)
    examples = [
        datasets.load(
            clip, SEED.value, snr_db=SNR_DB.value, max_seconds=MAX_SECONDS.value
        )
        for clip in datasets.choose(clips, MAX_CLIPS.value, SEED.value)
    ]
    for example in examples:
        if example.sample_rate != examples[0].sample_rate:
            raise InputError(
                f"{example.name}: {example.sample_rate} Hz, but {examples[0].name} "
                f"has {examples[0].sample_rate} Hz; a sweep takes one rate"
            )
    return examples


def score(pool, example, name: str, estimate):
    """Scores of one estimate (samples,), to be had later."""
    from inr_jax.metrics import pool as scoring

    job = scoring.Job(
        example.name,
        name,
        SEED.value,
        example.clean[:, :1],
        estimate[: len(example.clean), None],
        example.sample_rate,
        SCORES,
    )
    return pool.submit(job)


def untouched(examples, pool) -> list[dict]:
    """Rows of the noisy clips themselves."""
    scores = [score(pool, e, "input", e.noisy[:, 0]).result() for e in examples]
    return [
        {"clip": example.name, "fit": "input"} | {name: row[name] for name in SCORES}
        for example, row in zip(examples, scores, strict=True)
    ]


def sweep(examples, width: int, depth: int, values, pool) -> list[dict]:
    """Rows of all fits of one shape: clips, clean or noisy, and `values`."""
    import numpy as np

    from inr_jax.fitting import sweep as sweeping

    config = configs.FitConfig(
        configs.SirenConfig(width, depth),
        coordinates=COORDINATES.value,
        num_steps=NUM_STEPS.value,
    )
    kinds = list(itertools.product(examples, ("noisy", "clean"), values))
    fits, scales = stacked(kinds)
    rows, pending = [], []
    with app.progress("fitting", len(kinds), "fits", NUM_STEPS.value) as on_fits:
        for step, found in sweeping.trajectories(
            fits, examples[0].sample_rate, config, EVERY.value
        ):
            estimates = np.asarray(found) * scales[:, None]
            for (example, fit, value), estimate in zip(kinds, estimates, strict=True):
                place = dict(zip(GRID, (width, depth, *value), strict=True))
                rows.append({"clip": example.name, "fit": fit, **place, "step": step})
                pending.append(score(pool, example, fit, estimate))
            on_fits(len(kinds) * EVERY.value / NUM_STEPS.value)
    for row, scores in zip(rows, pending, strict=True):
        row |= {name: scores.result()[name] for name in SCORES}
    return rows


def stacked(kinds):
    """All fits of a sweep as arrays, signals scaled to a peak of 1, and the scales."""
    import jax
    import numpy as np

    from inr_jax.data import noise
    from inr_jax.fitting import siren
    from inr_jax.fitting import sweep as sweeping
    from inr_jax.parallel import bucketing

    signals = [getattr(example, fit)[:, 0] for example, fit, _ in kinds]
    scales = np.array([np.max(np.abs(x)) or 1 for x in signals], np.float32)
    size = bucketing.bucket_size(max(map(len, signals)))
    samples = bucketing.pad([x / s for x, s in zip(signals, scales, strict=True)], size)
    seeds = [noise.clip_seed(SEED.value, example.name) for example, _, _ in kinds]
    values = np.array([value for _, _, value in kinds], np.float32)
    fits = sweeping.Fits(
        jax.vmap(jax.random.key)(np.array(seeds, np.uint32)),
        siren.Signal(samples, np.array([len(x) for x in signals])),
        values[:, 0],
        values[:, 1],
    )
    return fits, scales


def report(folder: pathlib.Path, rows: list[dict]) -> None:
    """Table of the best fits, and the curves of all, means over clips."""
    from inr_jax.plots import style
    from inr_jax.plots import sweep as sweep_curves

    curves = sweep_curves.mean_over_clips(rows)
    text = sweep_curves.best(curves)
    atomic.write_text(folder / "sweep.md", text)
    for ending in ("png", "svg"):
        style.save(sweep_curves.draw(curves), folder / f"sweep.{ending}")
    print(text + f"\nAll scores: {folder / 'sweep.csv'}; curves: {folder}/sweep.png")
