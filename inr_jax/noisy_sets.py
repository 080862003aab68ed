"""Flags of the scripts that evaluate: which clips, in which noise, at which levels."""

import itertools
import json
import os
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from absl import flags

from inr_jax import cli
from inr_jax.errors import InputError
from inr_jax.files import sha256

if TYPE_CHECKING:  # --help answers before anything heavy loads
    from inr_jax.datasets import Clip
    from inr_jax.evaluation import Condition

CLEAN_DIR = flags.DEFINE_string("clean_dir", None, "Folder of clean speech.")
PAIRS_DIR = flags.DEFINE_string("pairs_dir", None, "Folder with clean/ and noisy/.")
MANIFEST = flags.DEFINE_string(
    "manifest",
    None,
    "manifest.json of an evaluation: its clips, checked, in its folder or in --clean_dir.",
)
NOISE = flags.DEFINE_string("noise", "white", "White, or a folder of recorded noise.")
SNR_DB = flags.DEFINE_list("snr_db", ["0"], "Levels of the noise that is added, dB.")
SEEDS = flags.DEFINE_list("seeds", ["0"], "Of noise and of methods that draw.")
MAX_CLIPS = flags.DEFINE_integer("max_clips", None, "Clips to draw by the seed 0.", 1)
MAX_SECONDS = flags.DEFINE_float("max_seconds", None, "Beginning of each clip.", 0.01)


def settings() -> dict:
    """What rows depend on beside their condition."""
    given = (CLEAN_DIR, PAIRS_DIR, MANIFEST, NOISE, MAX_CLIPS, MAX_SECONDS)
    return {flag.name: flag.value for flag in given}


def conditions() -> "list[Condition]":
    """Those that the flags name, in their order.

    Raises:
      InputError: a level or a seed is no number.
    """
    from inr_jax.evaluation import Condition

    seeds = cli.numbers(SEEDS, int, 0)
    if PAIRS_DIR.value:
        return [Condition("as recorded", None, seed) for seed in seeds]
    noise = NOISE.value if NOISE.value == "white" else pathlib.Path(NOISE.value).name
    levels = cli.numbers(SNR_DB, float, -100.0)
    return [Condition(noise, *each) for each in itertools.product(levels, seeds)]


def clips() -> "list[Clip]":
    """The clips that the flags name.

    Raises:
      InputError: none or several sources are named, or one cannot be used.
    """
    from inr_jax import datasets

    if bool(PAIRS_DIR.value) == bool(CLEAN_DIR.value or MANIFEST.value):
        raise InputError("give --clean_dir, --manifest or --pairs_dir")
    if PAIRS_DIR.value:
        found, problems = datasets.find_pairs(PAIRS_DIR.value)
        for problem in problems:
            cli.complain(problem)
    elif MANIFEST.value:
        found = list(_listed(MANIFEST.value))
    else:
        found = datasets.find_clips(CLEAN_DIR.value)
    return datasets.choose(found, MAX_CLIPS.value, 0)


def root() -> str:
    """The folder of the clips, as given by a flag or by --manifest.

    Raises:
      InputError: the manifest cannot be used.
    """
    return (
        _manifest(MANIFEST.value)[0]
        if MANIFEST.value
        else PAIRS_DIR.value or CLEAN_DIR.value
    )


def recordings() -> "list[Clip]":
    """Recordings of noise; none where it is white or the clips have theirs."""
    from inr_jax import datasets

    if PAIRS_DIR.value or NOISE.value == "white":
        return []
    return datasets.find_clips(NOISE.value)


def _manifest(path: str) -> tuple[str, dict[str, str]]:
    """The folder of the clips, --clean_dir if given, and by their names the digests."""
    try:
        value = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        digests = {line["clip"]: line["sha256"] for line in value["clips"]}
        return CLEAN_DIR.value or os.fspath(value["root"]), digests
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{path}: no manifest.json of an evaluation") from None


def _listed(path: str) -> "Iterator[Clip]":
    from inr_jax import datasets

    folder, digests = _manifest(path)
    known = {clip.name: clip for clip in datasets.find_clips(folder)}
    for name, digest in digests.items():
        if name not in known:
            raise InputError(f"{folder}: has no clip {name}, which {path} lists")
        if sha256(known[name].path) != digest:
            raise InputError(f"{known[name].path}: not the file that {path} lists")
        yield known[name]
