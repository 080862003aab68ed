"""The flag of the output folder."""

import pathlib

from absl import flags

from inr_jax.errors import InputError, one_line
from inr_jax.io import atomic

OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for all results.")


def folder() -> pathlib.Path:
    """The folder for results.

    Raises:
      InputError: none is given, or nothing can be written there.
    """
    if not OUTPUT_DIR.value:
        raise InputError("--output_dir is missing")
    # a day of work must not end with it
    try:
        atomic.check_writable(OUTPUT_DIR.value)
    except NotADirectoryError as error:
        raise InputError(
            f"--output_dir: {error.filename}: is a file; name a folder"
        ) from None
    except OSError as error:
        raise InputError(f"--output_dir: cannot write: {one_line(error)}") from None
    return pathlib.Path(OUTPUT_DIR.value)
