"""Scores methods on noisy clips: every metric, paired 95 % intervals, figures, a page.

  inr-jax evaluate --clean_dir=DIR --snr_db=0,5,10 \
      --methods=noisy,wiener,log_mmse,gain_field,local_hypersound \
      --output_dir=results/evaluation

Killed and started again with the same flags, it goes on behind the last row. Of a large
set each machine does a share with --num_shards and --shard_index, or with --distributed,
into shard_0, shard_1 and so on of --output_dir; --merge joins them.
"""

import dataclasses
import pathlib

from absl import flags

from inr_jax.cli import app
from inr_jax.cli.flags import datasets
from inr_jax.cli.flags import devices as device_flags
from inr_jax.cli.flags import methods as method_flags
from inr_jax.errors import InputError

flags.adopt_module_key_flags(app)
flags.adopt_module_key_flags(device_flags)
flags.adopt_module_key_flags(method_flags)
flags.adopt_module_key_flags(datasets)
METHODS = flags.DEFINE_list(
    "methods",
    ["noisy", "silence", "lowpass", "wiener", "log_mmse", "gain_field"],
    "In the order of the table.",
)
OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for all results.")
ESTIMATE = flags.DEFINE_enum(
    "estimate",
    "white",
    ["white", "stationary", "tracked"],
    "How untrained methods tell the power of the noise.",
)
AUDIO = flags.DEFINE_bool(
    "audio", True, "Keeps estimates; the page and --rescore need them."
)
REPORT = flags.DEFINE_bool("report", True, "Draws figures, writes a page to listen to.")
RESCORE = flags.DEFINE_bool(
    "rescore", False, "Scores the kept estimates anew, without denoising."
)
NUM_SHARDS = flags.DEFINE_integer("num_shards", 1, "Shares of the clips.", 1)
SHARD_INDEX = flags.DEFINE_integer("shard_index", 0, "Which of them to do, from 0.", 0)
MERGE = flags.DEFINE_list("merge", [], "Folders of all shards, to join instead.")


def main() -> None:
    from inr_jax.evaluation import results, runner, runs, store
    from inr_jax.metrics import pool as scoring
    from inr_jax.parallel import distributed

    if not OUTPUT_DIR.value:
        raise InputError("--output_dir is missing")
    folder, index, count = shard()
    conditions = datasets.conditions()
    denoisers = {} if MERGE.value or RESCORE.value else made()
    source = store.Source(
        datasets.clips(), datasets.recordings(), datasets.MAX_SECONDS.value
    )
    if MERGE.value:
        results.merge([pathlib.Path(path) for path in MERGE.value], folder)
    else:
        source = source.share(index, count)
    runs.keep_settings(folder, settings(index, count))
    found = store.Evaluation(folder)
    if RESCORE.value:
        with (
            scoring.ScorePool() as pool,
            app.progress("scoring", len(found.rows), "rows") as on_rows,
        ):
            runner.rescore(found, source, pool, on_rows)
    elif not MERGE.value:
        denoise(found, source, denoisers, conditions)
    finish(found, source, conditions, settings(index, count))
    distributed.wait_for_all("rows")


def shard() -> tuple[pathlib.Path, int, int]:
    """The folder of this share of the clips, which it is, and how many there are."""
    folder = pathlib.Path(OUTPUT_DIR.value)
    if SHARD_INDEX.value >= NUM_SHARDS.value:
        raise InputError("--shard_index must be below --num_shards")
    process, num_processes = device_flags.start()
    if num_processes == 1:
        return folder, SHARD_INDEX.value, NUM_SHARDS.value
    if MERGE.value or NUM_SHARDS.value > 1:
        raise InputError("--distributed goes without --merge and --num_shards")
    return folder / f"shard_{process}", process, num_processes


def methods() -> list:
    """What --methods names, with settings."""
    return [
        method_flags.parse(text, noise_estimator=ESTIMATE.value)
        for text in METHODS.value
    ]


def made() -> dict:
    """The denoisers of --methods, by what they are called there."""
    from inr_jax.enhancement import registry

    return {m.label: registry.make(m.name, m.config) for m in methods()}


def settings(index: int, count: int) -> dict:
    """All that rows of a share depend on beside method and condition."""
    own = {"num_shards": count, "shard_index": index}
    own["methods"] = {m.label: dataclasses.asdict(m.config) for m in methods()}
    return datasets.settings() | own


def denoise(found, source, denoisers: dict, conditions) -> None:
    """Every method in every condition, what is missing of it."""
    from inr_jax.evaluation import runner
    from inr_jax.metrics import pool as scoring

    app.use_compilation_cache()
    total = len(source.clips) * len(denoisers) * len(conditions)
    with (
        scoring.ScorePool() as pool,
        app.progress("evaluating", total, "rows") as on_rows,
    ):
        for condition in conditions:
            runner.run(found, source, denoisers, condition, pool, on_rows, AUDIO.value)


def finish(found, source, conditions, settings: dict) -> None:
    """Tables and manifest of the rows that are there; figures and page but of a shard."""
    from inr_jax.evaluation import plots, results
    from inr_jax.evaluation.report import from_store

    methods = METHODS.value
    against = "noisy" if "noisy" in methods else methods[0]
    summaries = results.summarise(found, methods, conditions, against)
    print(results.write(found, summaries, against))
    results.write_manifest(found.folder, source, datasets.root(), settings)
    if not REPORT.value or settings["num_shards"] > 1:
        return
    plots.write_scores(found, methods, conditions, against)
    if AUDIO.value:
        plots.write_clip(found, source, methods, conditions[0], against)
        page = from_store.write(found, source, summaries)
        print(f"Listen: {page}")
