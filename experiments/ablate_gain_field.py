"""The gain field with one setting changed at a time, in white noise.

  python experiments/ablate_gain_field.py --clean_dir=DIR --output_dir=results/ablation

Killed and started again with the same flags, it goes on behind the last row.
"""

import functools
import pathlib

from absl import flags

from inr_jax.cli import app
from inr_jax.configs.fitting import GainFieldConfig, SirenConfig
from inr_jax.errors import InputError

flags.adopt_module_key_flags(app)
CLEAN_DIR = flags.DEFINE_string("clean_dir", None, "Folder of clean speech.")
OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for scores and tables.")
MAX_CLIPS = flags.DEFINE_integer("max_clips", 10, "Clips to draw.", 1)
MAX_SECONDS = flags.DEFINE_float("max_seconds", 4.0, "Beginning of each clip.", 0.01)
SNR_DB = flags.DEFINE_float("snr_db", 0.0, "Level of the noise.")
ROWS = flags.DEFINE_list("rows", None, "Some of the rows; all by default.")
CHANGES = {
    "as it is": {},
    "1 field": {"num_fields": 1},
    "4 fields": {"num_fields": 4},
    "32 wide": {"siren": SirenConfig(32, 1, 1.0, 10.0)},
    "2 hidden": {"siren": SirenConfig(64, 2, 1.0, 10.0)},
    "omega 5": {"siren": SirenConfig(64, 1, 1.0, 5.0)},
    "omega 20": {"siren": SirenConfig(64, 1, 1.0, 20.0)},
    "100 steps": {"num_steps": 100},
    "1000 steps": {"num_steps": 1000},
    "no divergence term": {"divergence": False},
    "no context": {"context_scale": 1e-6},
    "context alone": {"time_scale": 1e-6, "frequency_scale": 1e-6},
    "exponent 1": {"exponent": 1.0},
    "floor .1": {"floor": 0.1},
}
ESTIMATORS = {"stationary estimate": "stationary", "tracked estimate": "mmse_spp"}


def main() -> None:
    from inr_jax.data import datasets
    from inr_jax.evaluation import results, runner, runs, store
    from inr_jax.metrics import pool as scoring

    if not (CLEAN_DIR.value and OUTPUT_DIR.value):
        raise InputError("give --clean_dir and --output_dir")
    rows = ROWS.value or [*CHANGES, *ESTIMATORS]
    if unknown := set(rows) - {*CHANGES, *ESTIMATORS}:
        raise InputError(f"--rows: unknown {', '.join(sorted(unknown))}")
    folder = pathlib.Path(OUTPUT_DIR.value)
    clips = datasets.choose(datasets.find_clips(CLEAN_DIR.value), MAX_CLIPS.value, 0)
    settings = ("clean_dir", "max_clips", "max_seconds", "snr_db")
    runs.keep_settings(folder, {name: flags.FLAGS[name].value for name in settings})
    app.use_compilation_cache()
    condition = store.Condition("white", SNR_DB.value, 0)
    source = store.Source(clips, max_seconds=MAX_SECONDS.value)
    found = store.Evaluation(folder)
    with (
        scoring.ScorePool() as pool,
        app.progress("evaluating", len(clips) * len(rows), "rows") as on_rows,
    ):
        methods = {row: functools.partial(denoise, row=row) for row in rows}
        runner.run(found, source, methods, condition, pool, on_rows, keep_audio=False)
    summaries = results.summarise(found, rows, [condition], rows[0])
    print(results.write(found, summaries, rows[0]))


def denoise(signals, sample_rates, keys, on_clips, row: str):
    """The denoiser of one row."""
    from inr_jax.enhancement import gain_denoiser

    config = GainFieldConfig(**CHANGES.get(row, {}))
    estimator = ESTIMATORS.get(row, "white")
    return gain_denoiser.denoise_many(
        keys, signals, sample_rates, config, estimator, on_clips
    )


if __name__ == "__main__":
    app.run(main)
