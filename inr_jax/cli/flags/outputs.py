"""The flag that says where results go."""

import pathlib

from absl import flags

from inr_jax.errors import InputError

OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for all results.")


def folder() -> pathlib.Path:
    """The folder for results.

    Raises:
      InputError: none is given.
    """
    if not OUTPUT_DIR.value:
        raise InputError("--output_dir is missing")
    return pathlib.Path(OUTPUT_DIR.value)
