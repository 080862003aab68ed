"""Standard input and output as bytes; who starts the program may have closed them."""

import sys
from typing import BinaryIO

from inr_jax.errors import InputError


def standard_input() -> BinaryIO:
    """Standard input.

    Raises:
      InputError: it is closed.
    """
    return _opened(sys.stdin, "input")


def standard_output() -> BinaryIO:
    """Standard output.

    Raises:
      InputError: it is closed.
    """
    return _opened(sys.stdout, "output")


def _opened(stream, name):
    if stream is None:
        raise InputError(f"standard {name} is closed: give a file in place of -")
    return stream.buffer
