"""Flags that say which clips, in which noise and at which levels."""

import itertools
import pathlib
from typing import TYPE_CHECKING

from absl import flags

from inr_jax.cli import app
from inr_jax.errors import InputError

if TYPE_CHECKING:  # --help answers before anything heavy loads
    from inr_jax.data.noise import Condition
    from inr_jax.evaluation.source import Source

CLEAN_DIR = flags.DEFINE_string("clean_dir", None, "Folder of clean speech.")
PAIRS_DIR = flags.DEFINE_string("pairs_dir", None, "Folder with clean/ and noisy/.")
LIBRISPEECH = flags.DEFINE_enum(
    "librispeech", None, ["dev-clean", "test-clean"], "Subset to fetch and use."
)
MANIFEST = flags.DEFINE_string(
    "manifest",
    None,
    "manifest.json of an evaluation: its clips, checked, in its folder or in that which "
    "another flag names.",
)
NOISE = flags.DEFINE_string("noise", "white", "`white`, or a folder of recorded noise.")
SNR_DB = flags.DEFINE_list("snr_db", ["0"], "Levels of the noise that is added, dB.")
SIGMA = flags.DEFINE_float(
    "sigma",
    None,
    "Standard deviation of white noise, full scale 1, instead of --snr_db.",
    lower_bound=0,
    upper_bound=1000,
)
SEEDS = flags.DEFINE_list(
    "seeds", ["0"], "Seeds of the noise, and of methods that use random numbers."
)
MAX_CLIPS = flags.DEFINE_integer("max_clips", None, "Clips to draw; all by default.", 1)
MAX_SECONDS = flags.DEFINE_float(
    "max_seconds", None, "Only the beginning of each clip.", 0.01
)
_FOLDERS = (CLEAN_DIR, PAIRS_DIR, LIBRISPEECH)


def resolved(flag: flags.FlagHolder) -> str | None:
    """The path that a flag names, the same from any folder; None where it names none."""
    return flag.value and str(pathlib.Path(flag.value).resolve())


def settings() -> dict:
    """All that rows depend on besides condition and method."""
    paths = {flag.name: resolved(flag) for flag in (CLEAN_DIR, PAIRS_DIR, MANIFEST)}
    noise = NOISE.value if _is_white() else resolved(NOISE)
    others = (LIBRISPEECH, SIGMA, MAX_CLIPS, MAX_SECONDS)
    return {**paths, "noise": noise, **{flag.name: flag.value for flag in others}}


def conditions() -> "list[Condition]":
    """Those that the flags name, in their order.

    Raises:
      InputError: a level or a seed is not a number, or levels are given twice.
    """
    from inr_jax.data.noise import Condition

    seeds = app.parse_numbers(SEEDS, int, 0)
    has_level = flags.FLAGS[SNR_DB.name].present
    if PAIRS_DIR.value and (has_level or SIGMA.value is not None):
        raise InputError("--snr_db and --sigma make no sense with --pairs_dir")
    if PAIRS_DIR.value and not _is_white():
        raise InputError("--noise makes no sense with --pairs_dir, which has its own")
    if not NOISE.value:
        raise InputError("--noise names nothing; leave it out for white noise")
    if PAIRS_DIR.value:
        return [Condition("as recorded", None, seed) for seed in seeds]
    if SIGMA.value is not None:
        if has_level:
            raise InputError("give --snr_db or --sigma, not both")
        if not _is_white():
            raise InputError("--sigma is of white noise; recorded noise takes --snr_db")
        noise = f"white of deviation {SIGMA.value:g}"
        return [Condition(noise, None, seed) for seed in seeds]
    noise = NOISE.value if _is_white() else pathlib.Path(NOISE.value).resolve().name
    levels = app.parse_numbers(SNR_DB, float, -100.0)
    return [Condition(noise, *each) for each in itertools.product(levels, seeds)]


def condition_is_given() -> bool:
    """Whether a flag names a level or a seed; otherwise they are the usual ones."""
    return any(flags.FLAGS[flag.name].present for flag in (SNR_DB, SIGMA, SEEDS))


def condition() -> "Condition":
    """The one that the flags name, for commands that take one.

    Raises:
      InputError: they name several, or make no sense.
    """
    named = conditions()
    if len(named) > 1:
        raise InputError("--snr_db and --seed take one value here")
    return named[0]


def source(seed: int = 0) -> "Source":
    """The clips and the noise that the flags name.

    Args:
      seed: Of the choice where --max_clips is given.

    Raises:
      InputError: none or several sources are named, or one cannot be used.
    """
    from inr_jax.data import datasets
    from inr_jax.evaluation import manifest
    from inr_jax.evaluation.source import Source

    given = [flag for flag in _FOLDERS if flag.value]
    if len(given) > 1 or not (given or MANIFEST.value):
        raise InputError(
            "give one of --clean_dir, --pairs_dir and --librispeech, or --manifest"
        )
    root = _root(given[0]) if given else None
    listed = None
    if MANIFEST.value:
        listed = manifest.read(MANIFEST.value, root)
        root = listed.root
        if listed.of_pairs and not PAIRS_DIR.value:
            raise InputError(f"{MANIFEST.value}: lists pairs; give --pairs_dir too")
    find = datasets.find_pairs if PAIRS_DIR.value else datasets.find
    clips, problems, hidden = find(root)
    app.print_hidden(hidden)
    if listed:
        clips, problems = listed.choose(clips), []
    recordings = []
    if not (PAIRS_DIR.value or _is_white()):
        recordings, of_noise, hidden = datasets.find(NOISE.value)
        problems += of_noise
        app.print_hidden(hidden)
    return Source(
        datasets.choose(clips, MAX_CLIPS.value, seed),
        recordings,
        MAX_SECONDS.value,
        SIGMA.value,
        root,
        problems,
    )


def _root(flag) -> str:
    if flag is not LIBRISPEECH:
        return resolved(flag)
    from inr_jax.data import librispeech

    return str(librispeech.fetch(flag.value))


def _is_white() -> bool:
    return NOISE.value == "white"
