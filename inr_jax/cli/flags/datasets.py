"""Flags of the scripts that evaluate: which clips, in which noise, at which levels."""

import itertools
import json
import os
import pathlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from absl import flags

from inr_jax.cli import app
from inr_jax.errors import InputError
from inr_jax.io.atomic import sha256

if TYPE_CHECKING:  # --help answers before anything heavy loads
    from inr_jax.data.datasets import Clip
    from inr_jax.evaluation.store import Condition

CLEAN_DIR = flags.DEFINE_string("clean_dir", None, "Folder of clean speech.")
PAIRS_DIR = flags.DEFINE_string("pairs_dir", None, "Folder with clean/ and noisy/.")
MANIFEST = flags.DEFINE_string(
    "manifest",
    None,
    "manifest.json of an evaluation: its clips, checked, in its folder or in --clean_dir "
    "or --pairs_dir.",
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
    from inr_jax.evaluation.store import Condition

    seeds = app.parse_numbers(SEEDS, int, 0)
    if PAIRS_DIR.value:
        return [Condition("as recorded", None, seed) for seed in seeds]
    noise = NOISE.value if NOISE.value == "white" else pathlib.Path(NOISE.value).name
    levels = app.parse_numbers(SNR_DB, float, -100.0)
    return [Condition(noise, *each) for each in itertools.product(levels, seeds)]


def clips() -> "list[Clip]":
    """The clips that the flags name.

    Raises:
      InputError: none or several sources are named, or one cannot be used.
    """
    from inr_jax.data import datasets

    given = sum(bool(flag.value) for flag in (PAIRS_DIR, CLEAN_DIR))
    if given > 1 or not (given or MANIFEST.value):
        raise InputError("give --clean_dir, --manifest or --pairs_dir")
    if PAIRS_DIR.value:
        found, problems = datasets.find_pairs(PAIRS_DIR.value)
        for problem in problems:
            app.print_error(problem)
    else:
        found = datasets.find_clips(root())
    if MANIFEST.value:
        found = list(_listed(MANIFEST.value, found))
    return datasets.choose(found, MAX_CLIPS.value, 0)


def root() -> str:
    """The folder of the clips, as given by a flag or by --manifest.

    Raises:
      InputError: the manifest cannot be used.
    """
    given = PAIRS_DIR.value or CLEAN_DIR.value
    return given or _manifest(MANIFEST.value)["root"]


def recordings() -> "list[Clip]":
    """Recordings of noise; none where it is white or the clips have theirs."""
    from inr_jax.data import datasets

    if PAIRS_DIR.value or NOISE.value == "white":
        return []
    return datasets.find_clips(NOISE.value)


def _manifest(path: str) -> dict:
    try:
        value = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        of_pairs = value["flags"]["pairs_dir"]
        os.fspath(value["root"])
        for line in value["clips"]:
            os.fspath(line["clip"]), os.fspath(line["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{path}: no manifest.json of an evaluation") from None
    if of_pairs and not PAIRS_DIR.value:
        raise InputError(f"{path}: lists pairs; give --pairs_dir too")
    return value


def _listed(path: str, found: "Iterable[Clip]") -> "Iterator[Clip]":
    """Those of `found` that a manifest lists, if they are all there and the same."""
    known = {clip.name: clip for clip in found}
    for line in _manifest(path)["clips"]:
        clip = known.get(line["clip"])
        if clip is None:
            raise InputError(
                f"{root()}: has no clip {line['clip']}, which {path} lists"
            )
        for file, told in ((clip.path, "sha256"), (clip.noisy_path, "noisy_sha256")):
            if file and sha256(file) != line.get(told):
                raise InputError(f"{file}: not the file that {path} lists")
        yield clip
