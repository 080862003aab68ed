"""Standard input and output as samples: 16 bits, little-endian, without a header."""

import os
import select
import threading
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from inr_jax import audio
from inr_jax.io import standard_streams

_BYTES = 2**16
_WAIT_S = 0.1
_FULL = 2**15
_AT_ONCE = getattr(select, "PIPE_BUF", 2**16)  # bytes that a ready pipe takes at once
_IS_WINDOWS = os.name == "nt"  # whose pipes cannot be waited for


def blocks(
    channels: int, stop: threading.Event
) -> Iterator[Float[np.ndarray, "samples channels"]]:
    """Blocks of standard input as they arrive, until it ends or `stop` is set."""
    pipe, left = standard_streams.standard_input().fileno(), b""
    width = 2 * channels
    while not stop.is_set():
        if not _IS_WINDOWS and not select.select([pipe], [], [], _WAIT_S)[0]:
            continue
        data = os.read(pipe, _BYTES)
        if not data:
            return
        left += data
        whole = len(left) - len(left) % width
        samples = np.frombuffer(left[:whole], "<i2").reshape(-1, channels)
        left = left[whole:]
        yield audio.as_array(samples)


def write(
    samples: Float[np.ndarray, "samples channels"], stop: threading.Event
) -> None:
    """Writes to standard output at once; once `stop` is set, only what it takes."""
    integers = np.rint(samples * _FULL).clip(-_FULL, _FULL - 1).astype("<i2")
    pipe = standard_streams.standard_output().fileno()
    left = memoryview(integers.tobytes())
    while left:
        if _IS_WINDOWS or select.select([], [pipe], [], _WAIT_S)[1]:
            # a pipe that is ready takes so much without waiting
            left = left[os.write(pipe, left[:_AT_ONCE]) :]
        elif stop.is_set():
            return
