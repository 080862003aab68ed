"""Scores the gain field beside the classical filters, on the same noise estimates.

  python experiments/compare_gain_field.py --clean_dir=DIR --output_dir=results/gain_field

--ablate adds a row for each setting of the gain field that is changed alone. Started
again with the same flags, levels that are done are not done again.
"""

import dataclasses
import pathlib

from absl import flags

from inr_jax import cli, configs, files
from inr_jax.errors import InputError

flags.adopt_module_key_flags(cli)
CLEAN_DIR = flags.DEFINE_string("clean_dir", None, "Folder of clean speech.")
PAIRS_DIR = flags.DEFINE_string("pairs_dir", None, "Folder with clean/ and noisy/.")
NOISE_DIR = flags.DEFINE_string("noise_dir", None, "Recorded noise; white by default.")
OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for scores and tables.")
MAX_CLIPS = flags.DEFINE_integer("max_clips", None, "Clips to draw with --seed.", 1)
MAX_SECONDS = flags.DEFINE_float("max_seconds", None, "Beginning of each clip.", 0.01)
SNR_DB = flags.DEFINE_list("snr_db", ["0"], "Levels of the noise that is added, dB.")
SEED = flags.DEFINE_integer("seed", 0, "Of noise, weights and choice of clips.", 0)
ESTIMATE = flags.DEFINE_enum(
    "estimate", "white", ["white", "stationary", "tracked"], "Of the noise power."
)
ABLATE = flags.DEFINE_bool("ablate", False, "Also the gain field with one change each.")
METHODS = ("noisy", "wiener", "log_mmse", "gain_field")
CHANGES = {
    "1 field": {"num_fields": 1},
    "4 fields": {"num_fields": 4},
    "32 wide": {"siren": configs.SirenConfig(32, 1, 1.0, 10.0)},
    "2 hidden": {"siren": configs.SirenConfig(64, 2, 1.0, 10.0)},
    "omega 5": {"siren": configs.SirenConfig(64, 1, 1.0, 5.0)},
    "omega 20": {"siren": configs.SirenConfig(64, 1, 1.0, 20.0)},
    "100 steps": {"num_steps": 100},
    "1000 steps": {"num_steps": 1000},
    "no context": {"context_scale": 1e-6},
    "context alone": {"time_scale": 1e-6, "frequency_scale": 1e-6},
    "exponent 1": {"exponent": 1.0},
    "floor .1": {"floor": 0.1},
}


def main() -> None:
    from inr_jax import runs, scoring, tables

    if not OUTPUT_DIR.value or bool(CLEAN_DIR.value) == bool(PAIRS_DIR.value):
        raise InputError("give --output_dir, and --clean_dir or --pairs_dir")
    folder = pathlib.Path(OUTPUT_DIR.value)
    levels = ["as recorded"] if PAIRS_DIR.value else SNR_DB.value
    examples = {level: load(level) for level in levels}
    runs.keep_settings(folder, {name: flags.FLAGS[name].value for name in SETTINGS})
    cli.use_compilation_cache()
    methods = [*METHODS, *(CHANGES if ABLATE.value else ())]
    with scoring.ScorePool() as pool:
        for level in levels:
            path = folder / f"scores_{level.replace(' ', '_')}.csv"
            if not path.exists():
                rows = score(examples[level], methods, pool)
                files.write_csv(path, scoring.COLUMNS, rows)
            rows = files.read_csv(path)
            text = f"## SNR {level} dB\n\n" + "\n".join(
                tables.markdown(rows, methods, against)
                for against in ("wiener", "log_mmse", "gain_field")
            )
            files.write_text(path.with_suffix(".md"), text)
            print(text)


SETTINGS = ("clean_dir", "pairs_dir", "noise_dir", "max_clips", "max_seconds", "seed")
SETTINGS += ("estimate", "ablate")


def load(level: str):
    """Examples at one level of noise."""
    from inr_jax import audio, datasets, noise

    if PAIRS_DIR.value:
        clips, _ = datasets.find_pairs(PAIRS_DIR.value)
    else:
        clips = datasets.find_clips(CLEAN_DIR.value)
    clips = datasets.choose(clips, MAX_CLIPS.value, SEED.value)
    try:
        snr_db = 0.0 if PAIRS_DIR.value else float(level)
    except ValueError:
        raise InputError(f"--snr_db must be numbers: {SNR_DB.value}") from None
    examples = [
        datasets.load(clip, SEED.value, snr_db, max_seconds=MAX_SECONDS.value)
        for clip in clips
    ]
    if not NOISE_DIR.value:
        return examples
    recordings = [audio.read(c.path) for c in datasets.find_clips(NOISE_DIR.value)]
    return [
        dataclasses.replace(
            example,
            noisy=noise.add_recorded(
                example.clean,
                audio.resample(
                    recordings[i % len(recordings)].samples[:, :1],
                    recordings[i % len(recordings)].sample_rate,
                    example.sample_rate,
                ),
                noise.clip_seed(SEED.value, example.name),
                snr_db,
            ),
        )
        for i, example in enumerate(examples)
    ]


def score(examples, methods, pool) -> list[dict]:
    """Rows of every clip and method."""
    from inr_jax import scoring

    pending = []
    for method in methods:
        for example, estimate in zip(examples, denoise(examples, method), strict=True):
            job = scoring.Job(
                example.name,
                method,
                SEED.value,
                example.clean[:, :1],
                estimate[:, None],
                example.sample_rate,
            )
            pending.append(pool.submit(job))
    return [row.result() for row in pending]


def denoise(examples, method: str):
    """Estimates (samples,) of the first channels, in order."""
    import jax

    from inr_jax import classical, gain_denoiser, noise

    signals = [example.noisy[:, 0] for example in examples]
    rates = [example.sample_rate for example in examples]
    if method == "noisy":
        return signals
    if method in ("wiener", "log_mmse"):
        classic = getattr(classical, method)
        return [
            classic(x, rate, ESTIMATE.value)
            for x, rate in zip(signals, rates, strict=True)
        ]
    seeds = [noise.clip_seed(SEED.value, example.name) for example in examples]
    config = configs.GainFieldConfig()
    if ESTIMATE.value != "white":
        config = configs.GAIN_FIELD_RECORDED
    config = dataclasses.replace(config, **CHANGES.get(method, {}))
    with cli.progress("fitting", len(examples), "clips") as on_clips:
        found = dict(
            gain_denoiser.denoise_many(
                [jax.random.key(seed) for seed in seeds],
                signals,
                rates,
                config,
                ESTIMATE.value,
                on_clips,
            )
        )
    return [found[i] for i in range(len(examples))]


if __name__ == "__main__":
    cli.run(main)
