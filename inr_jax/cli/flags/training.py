"""Flags that the commands that train share: folders, intervals, where to begin."""

import pathlib
import sys
from collections.abc import Callable

from absl import flags

from inr_jax.cli import app
from inr_jax.cli.flags import outputs
from inr_jax.errors import InputError

flags.adopt_module_key_flags(outputs)
SPEECH_DIRS = flags.DEFINE_list("speech_dirs", [], "Folders of clean speech.")
SPEECH_WEIGHTS = flags.DEFINE_list(
    "speech_weights", [], "How often each folder is drawn; equally by default."
)
NOISE_DIR = flags.DEFINE_string("noise_dir", None, "Folder of recorded noise.")
VALID_DIR = flags.DEFINE_string("valid_dir", None, "Speech of other speakers.")
VALID_NOISE_DIR = flags.DEFINE_string("valid_noise_dir", None, "Other recorded noise.")
CACHE_DIR = flags.DEFINE_string(
    "cache_dir", None, "Folder for decoded sound; in --output_dir by default."
)
START_FROM = flags.DEFINE_string(
    "start_from", None, "Folder of trained weights of the same network to begin with."
)
SEED = flags.DEFINE_integer("seed", 0, "Of weights, crops, noise and rooms.", 0)
LOG_EVERY = flags.DEFINE_integer("log_every", 50, "Steps between lines of the log.", 1)
SAVE_EVERY = flags.DEFINE_integer("save_every", 250, "Steps between checkpoints.", 1)
VALIDATE_EVERY = flags.DEFINE_integer(
    "validate_every", 1500, "Steps between validations.", 1
)


def output_dir() -> pathlib.Path:
    """The folder for log and checkpoints, where all that a training needs is given.

    Raises:
      InputError: a folder is missing; names its flag.
    """
    for flag in (NOISE_DIR, VALID_DIR):
        if not flag.value:
            raise InputError(f"--{flag.name} is missing")
    return outputs.folder()


def intervals():
    """The `training.loop.Intervals` that the flags give."""
    from inr_jax.training.loop import Intervals

    return Intervals(LOG_EVERY.value, SAVE_EVERY.value, VALIDATE_EVERY.value)


def speech_weights(num_folders: int) -> list[float]:
    """How often each folder of speech is drawn.

    Raises:
      InputError: not a number for each folder.
    """
    if not SPEECH_WEIGHTS.value:
        return [1.0] * num_folders
    weights = app.parse_numbers(SPEECH_WEIGHTS)
    if len(weights) != num_folders:
        raise InputError("--speech_weights: give a number for each folder, or none")
    return weights


def print_decoded(folder: str) -> Callable[[int, int], None]:
    """A function that prints now and then how many files of a folder are decoded."""

    def on_file(done: int, total: int) -> None:
        if done % 500 == 0 or done == total:
            print(f"decoded {done}/{total} files of {folder}", file=sys.stderr)

    return on_file
