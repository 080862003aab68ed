"""The last samples of a signal, by their position in it."""

import numpy as np
from jaxtyping import Float

from inr_jax.audio.stream import LOUDEST


def sound(
    samples: Float[np.ndarray, "samples channels"],
) -> Float[np.ndarray, "samples channels"]:
    """Silence for samples that are NaN, infinite or absurdly loud."""
    # false of NaN as well
    return np.where(np.abs(samples) < LOUDEST, samples, 0).astype(np.float32)


class Ring:
    """Keeps the last samples; one thread appends, others read what is still there.

    Attributes:
      size: Samples that are kept.
      position: Samples that were appended in all, where the next ones go.
    """

    def __init__(self, size: int, channels: int):
        """Of silence, at position 0."""
        self.size, self.position = size, 0
        self._samples = np.zeros((size, channels), np.float32)

    def append(self, block: Float[np.ndarray, "samples channels"]) -> None:
        """Adds at most `size` samples."""
        stop = self.position + len(block)
        self._samples[np.arange(self.position, stop) % self.size] = block
        self.position = stop  # readers see it when the samples are there

    def read(self, start: int, stop: int) -> Float[np.ndarray, "samples channels"]:
        """A copy; silence before position 0."""
        return self._samples[np.arange(start, stop) % self.size]
