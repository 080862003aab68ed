"""Fits DNP to noisy clips and scores both of its masks.

  inr-jax fit-dnp --pairs_dir=DIR --output_dir=results/dnp

A step of one second of sound takes about half a second on two cores, and 5,000 are
published. Interrupted and started again with the same flags, it goes on mid-fit.
"""

import pathlib

from absl import flags

from inr_jax.cli import app
from inr_jax.cli.flags import datasets
from inr_jax.configs import fitting
from inr_jax.errors import InputError

flags.adopt_module_key_flags(app)
flags.adopt_module_key_flags(datasets)
OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for all results.")
NUM_STEPS = flags.DEFINE_integer(
    "num_steps", 5000, "Full-batch steps; as published.", 1
)
MASKS = ("wiener", "lsa")


def main() -> None:
    from inr_jax.evaluation import results, runs, store
    from inr_jax.metrics import pool as scoring

    if not OUTPUT_DIR.value:
        raise InputError("--output_dir is missing")
    folder = pathlib.Path(OUTPUT_DIR.value)
    config = fitting.DnpConfig(num_steps=NUM_STEPS.value)
    conditions = datasets.conditions()
    source = store.Source(
        datasets.clips(), datasets.recordings(), datasets.MAX_SECONDS.value
    )
    runs.keep_settings(folder, {**datasets.settings(), "num_steps": NUM_STEPS.value})
    app.use_compilation_cache()
    found = store.Evaluation(folder)
    total = len(source.clips) * len(conditions)
    with (
        scoring.ScorePool() as pool,
        app.progress("fitting", total, "clips", config.num_steps) as on_clips,
    ):
        for condition in conditions:
            fit(found, source, condition, config, pool, on_clips)
    methods = ("noisy", *(f"dnp_{mask}" for mask in MASKS))
    summaries = results.summarise(found, methods, conditions)
    print(results.write(found, summaries))


def fit(found, source, condition, config, pool, on_clips) -> None:
    """Fits the clips of one condition that are left, and keeps rows of both masks."""
    import jax
    import numpy as np

    from inr_jax.data import noise
    from inr_jax.enhancement import dnp
    from inr_jax.evaluation import runner

    last = f"dnp_{MASKS[-1]}"  # the row that is written last
    known = found.done(last, condition)
    left = [i for i, clip in enumerate(source.clips) if clip.name not in known]
    on_clips(len(source.clips) - len(left))
    examples = [source.load(i, condition) for i in left]
    for example in examples:
        if example.clean.shape[1] > 1:
            raise InputError(f"{example.name}: DNP is fitted to one channel")
    seeds = [noise.clip_seed(condition.seed, example.name) for example in examples]
    fits = dnp.fit_batch(
        [jax.random.key(seed) for seed in seeds],
        [example.noisy[:, 0] for example in examples],
        config,
        on_clips,
        found.folder / "unfinished" / condition.title,
    )
    for i, result in fits:
        example, noisy = examples[i], examples[i].noisy
        sounds = {"noisy": noisy[:, 0]}
        for mask in MASKS:
            sounds[f"dnp_{mask}"] = dnp.apply_mask(noisy[:, 0], result.score, mask)
        runner.score(
            found,
            example,
            {name: np.float32(x)[:, None] for name, x in sounds.items()},
            condition,
            pool,
        )
