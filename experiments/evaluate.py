"""Scores methods on noisy clips: every metric, paired 95 % intervals.

  python experiments/evaluate.py --clean_dir=DIR --snr_db=0,5,10 \
      --methods=noisy,wiener,log_mmse,gain_field,local_hypersound \
      --output_dir=results/evaluation

Killed and started again with the same flags, it goes on behind the last row.
"""

import itertools
import pathlib

from absl import flags

from inr_jax import cli
from inr_jax.errors import InputError

flags.adopt_module_key_flags(cli)
METHODS = flags.DEFINE_list(
    "methods",
    ["noisy", "silence", "lowpass", "wiener", "log_mmse", "gain_field"],
    "In the order of the table.",
)
CLEAN_DIR = flags.DEFINE_string("clean_dir", None, "Folder of clean speech.")
PAIRS_DIR = flags.DEFINE_string("pairs_dir", None, "Folder with clean/ and noisy/.")
NOISE = flags.DEFINE_string("noise", "white", "White, or a folder of recorded noise.")
SNR_DB = flags.DEFINE_list("snr_db", ["0"], "Levels of the noise that is added, dB.")
SEEDS = flags.DEFINE_list("seeds", ["0"], "Of noise and of methods that draw.")
OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for scores and tables.")
MAX_CLIPS = flags.DEFINE_integer("max_clips", None, "Clips to draw by the seed 0.", 1)
MAX_SECONDS = flags.DEFINE_float("max_seconds", None, "Beginning of each clip.", 0.01)
ESTIMATE = flags.DEFINE_enum(
    "estimate",
    "white",
    ["white", "stationary", "tracked"],
    "How untrained methods tell the power of the noise.",
)
CHECKPOINT = flags.DEFINE_string(
    "checkpoint", None, "Folder of a trained model instead of the shipped one."
)
SEPFORMER_DIR = flags.DEFINE_string(
    "sepformer_dir",
    None,
    "Folder with the weights of sepformer; see fetch_sepformer.py.",
)
SETTINGS = ("clean_dir", "pairs_dir", "noise", "max_clips", "max_seconds", "estimate")
SETTINGS += ("checkpoint", "sepformer_dir")


def main() -> None:
    from inr_jax import denoisers, evaluation, runs, scoring

    if not OUTPUT_DIR.value or bool(CLEAN_DIR.value) == bool(PAIRS_DIR.value):
        raise InputError("give --output_dir, and --clean_dir or --pairs_dir")
    folder = pathlib.Path(OUTPUT_DIR.value)
    conditions = list(described())
    options = denoisers.Options(
        noise=ESTIMATE.value,
        trained_dir=CHECKPOINT.value,
        sepformer_dir=SEPFORMER_DIR.value,
    )
    methods = {name: denoisers.make(name, options) for name in METHODS.value}
    clips, recordings = sources()
    settings = {name: flags.FLAGS[name].value for name in SETTINGS}
    runs.keep_settings(folder, settings)
    cli.use_compilation_cache()
    scores = evaluation.Scores(folder)
    total = len(clips) * len(methods) * len(conditions)
    with (
        scoring.ScorePool() as pool,
        cli.progress("evaluating", total, "rows") as on_rows,
    ):
        for condition in conditions:
            loaded = evaluation.examples(
                clips, condition, recordings, MAX_SECONDS.value
            )
            for name, denoiser in methods.items():
                evaluation.run(scores, loaded, name, denoiser, condition, pool, on_rows)
    against = "noisy" if "noisy" in methods else METHODS.value[0]
    print(scores.write(METHODS.value, conditions, against))


def described():
    """The conditions that the flags name."""
    from inr_jax.evaluation import Condition

    seeds = cli.numbers(SEEDS, int, 0)
    if PAIRS_DIR.value:
        yield from (Condition("as recorded", None, seed) for seed in seeds)
        return
    noise = NOISE.value if NOISE.value == "white" else pathlib.Path(NOISE.value).name
    levels = cli.numbers(SNR_DB, float, -100.0)
    for level, seed in itertools.product(levels, seeds):
        yield Condition(noise, level, seed)


def sources():
    """Clips, and recordings of noise where they are asked for."""
    from inr_jax import datasets

    if PAIRS_DIR.value:
        clips, problems = datasets.find_pairs(PAIRS_DIR.value)
        for problem in problems:
            cli.complain(problem)
    else:
        clips = datasets.find_clips(CLEAN_DIR.value)
    clips = datasets.choose(clips, MAX_CLIPS.value, 0)
    if PAIRS_DIR.value or NOISE.value == "white":
        return clips, []
    return clips, datasets.find_clips(NOISE.value)


if __name__ == "__main__":
    cli.run(main)
