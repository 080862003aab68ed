"""Flags of a training: folders, intervals, where to begin."""

import contextlib
import pathlib
import sys
from typing import TYPE_CHECKING

from absl import flags

from inr_jax.cli import app
from inr_jax.cli.flags import outputs
from inr_jax.errors import InputError

if TYPE_CHECKING:  # --help answers before anything heavy loads
    from inr_jax.data import datasets, decoded_cache

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
ALLOW_BAD_FILES = flags.DEFINE_bool(
    "allow_bad_files",
    False,
    "Leaves out files that cannot be used even where they are more than a tenth, and "
    "ends with exit code 0.",
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


def look_into_folders() -> None:
    """Finds what the flags name, before any of it is decoded; prints what is hidden.

    Raises:
      InputError: there is no such folder, or no sound in it.
    """
    from inr_jax.data import datasets

    named = *SPEECH_DIRS.value, NOISE_DIR.value, VALID_DIR.value, VALID_NOISE_DIR.value
    for folder in filter(None, named):
        app.print_hidden(datasets.find(folder).hidden)


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


class Sound:
    """Decodes what the flags name, and keeps count of files that cannot be used.

    Attributes:
      cache: Folder of decoded sound.
    """

    def __init__(self, cache: pathlib.Path, sample_rate: int):
        """Names the cache.

        Args:
          cache: Where decoded sound is kept, if --cache_dir does not say.
          sample_rate: Hz to decode at.
        """
        self.cache = pathlib.Path(CACHE_DIR.value or cache)
        self._sample_rate = sample_rate
        self._num_problems = 0

    @property
    def exit_code(self) -> int:
        """Of a training that ends well: bad input where a file was left out unasked."""
        bad = self._num_problems and not ALLOW_BAD_FILES.value
        return app.EXIT_USAGE if bad else 0

    def decoded(self, folder: str) -> "decoded_cache.Decoded":
        """All sound of a folder; prints what was left out.

        Raises:
          InputError: too little can be used.
        """
        from inr_jax.data import decoded_cache

        def on_file(done: int, total: int) -> None:
            if done % 500 == 0 or done == total:
                print(f"decoded {done}/{total} files of {folder}", file=sys.stderr)

        with _telling_of_the_flag():
            found = decoded_cache.load(
                *(folder, self.cache, self._sample_rate, on_file),
                ALLOW_BAD_FILES.value,
            )
        self._tell(found.problems)
        return found

    def validation_examples(self) -> "list[datasets.Example]":
        """The noisy clips of the validation; prints what was left out.

        Raises:
          InputError: too little can be used.
        """
        from inr_jax.training import validation

        with _telling_of_the_flag():
            examples, problems = validation.examples(
                *(VALID_DIR.value, VALID_NOISE_DIR.value, self._sample_rate),
                allow_bad=ALLOW_BAD_FILES.value,
            )
        self._tell(problems)
        return examples

    def _tell(self, problems):
        self._num_problems += len(problems)
        app.print_problems(problems)


@contextlib.contextmanager
def _telling_of_the_flag():
    from inr_jax.data import bad_files

    try:
        yield
    except bad_files.TooManyBadFiles as error:
        flag = f"--{ALLOW_BAD_FILES.name}"
        raise InputError(f"{error}; {flag} trains with the others") from None
