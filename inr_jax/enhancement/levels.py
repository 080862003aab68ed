"""Noise level of a recording before and after denoising, from its quietest frames."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

_FRAME_S = 0.032
# The share of the frames, the quietest ones, that are taken for noise alone.
_NOISE_SHARE = 0.1
_DIGITAL_SILENCE = 1e-14  # mean power; a gap in the recording rather than its noise


class Levels(NamedTuple):
    """Estimated energies of speech and noise of recordings.

    Attributes:
      speech: Energy of the input beyond its noise.
      before: Energy of the noise in the input.
      after: Energy of the noise in the output, extrapolated from the quietest frames.
    """

    speech: float = 0.0
    before: float = 0.0
    after: float = 0.0

    def __add__(self, other: "Levels") -> "Levels":
        """Levels of the recordings of both."""
        return Levels(*(x + y for x, y in zip(self, other, strict=True)))

    @property
    def snr_db(self) -> float | None:
        """SNR of the input in dB; None where there is no noise."""
        return _decibels(self.speech, self.before)

    @property
    def noise_reduction_db(self) -> float | None:
        """How far the noise went down, in dB; None where there was or is none."""
        return _decibels(self.before, self.after)


def _decibels(power, reference):
    if power <= 0 or reference <= 0:
        return None
    return 10 * float(np.log10(power / reference))


class LevelMeter:
    """Estimates levels of a recording, given part by part with the output.

    Noise is what the quietest tenth of the frames of 32 ms has: of speech with pauses, that
    is the noise in them. Where there are no pauses it is taken for louder than it is,
    where it fluctuates for less. Frames of digital silence do not count.
    """

    def __init__(self, sample_rate: int):
        """Begins with no frames.

        Args:
          sample_rate: Of the recording, in Hz.
        """
        self._frame = max(1, round(_FRAME_S * sample_rate))
        self._before: list[np.ndarray] = []
        self._after: list[np.ndarray] = []

    def add(
        self,
        noisy: Float[np.ndarray, "samples channels"],
        output: Float[np.ndarray, "outputs channels"],
    ) -> None:
        """Takes a part and its output, which may have another rate."""
        count = max(1, len(noisy) // self._frame)
        for powers, samples in ((self._before, noisy), (self._after, output)):
            if len(samples) >= count:
                powers.append(_powers(samples, count))

    @property
    def levels(self) -> Levels:
        """Of all parts so far."""
        if not self._before:
            return Levels()
        before, after = np.concatenate(self._before), np.concatenate(self._after)
        sounding = before > _DIGITAL_SILENCE
        before, after = before[sounding], after[sounding]
        if not len(before):
            return Levels()
        count = max(1, round(_NOISE_SHARE * len(before)))
        quietest = np.argpartition(before, count - 1)[:count]
        seconds = len(before) * _FRAME_S
        noise, left = np.mean(before[quietest]), np.mean(after[quietest])
        speech = max(0.0, np.mean(before) - noise)
        return Levels(*(float(seconds * power) for power in (speech, noise, left)))


def _powers(samples, count):
    """Mean power of each of `count` frames."""
    size = len(samples) // count
    frames = samples[: count * size].reshape(count, -1)
    return np.einsum("ij,ij->i", frames, frames, dtype=np.float64) / frames.shape[1]
