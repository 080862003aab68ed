"""Standard input and output, which whoever starts the program may have closed."""

import sys
from typing import TextIO

from inr_jax.errors import InputError


def standard_input() -> TextIO:
    """Standard input.

    Raises:
      InputError: it is closed.
    """
    return _opened(sys.stdin, "input")


def standard_output() -> TextIO:
    """Standard output.

    Raises:
      InputError: it is closed.
    """
    return _opened(sys.stdout, "output")


def _opened(stream, name):
    if stream is None:
        raise InputError(f"standard {name} is closed: give a file in place of -")
    return stream
