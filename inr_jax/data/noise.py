"""Adds noise at a known level, from a recorded seed; the clean signal is unchanged."""

import hashlib
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np


class Condition(NamedTuple):
    """The noise that clips are in.

    Attributes:
      noise: "white", the name of a folder of recordings, or "as recorded" for pairs.
      snr_db: Level, or None for pairs and for noise of a given deviation.
      seed: Of the noise and of methods that draw.
    """

    noise: str
    snr_db: float | None
    seed: int

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> "Condition":
        """The condition of a row of scores."""
        return cls(row["noise"], row["snr_db"], row["seed"])

    @property
    def title(self) -> str:
        """For headings and names of folders."""
        level = "" if self.snr_db is None else f", {self.snr_db:g} dB"
        return f"{self.noise}{level}, seed {self.seed}"


def clip_seed(seed: int, name: str) -> int:
    """Noise seed of one clip: independent of the other clips that are chosen."""
    # names of files need not be UTF-8
    text = os.fsencode(f"{seed}/{name}")
    return int.from_bytes(hashlib.sha256(text).digest()[:4])


def mix_at_snr(
    clean: np.ndarray,
    noise: np.ndarray,
    snr_db: float,
    noise_power: float | None = None,
) -> np.ndarray:
    """Clean speech plus noise scaled to a ratio of mean powers, not clipped, float32.

    Args:
      clean: Any shape; one level for all of it.
      noise: Of the same shape.
      snr_db: Power of `clean` over that of the scaled noise, in dB.
      noise_power: Power of `noise` where it is known; by default its mean.
    """
    if noise_power is None:
        noise_power = np.mean(np.square(noise, dtype=np.float64))
    power = np.mean(np.square(clean, dtype=np.float64))
    scale = np.sqrt(power / max(noise_power, 1e-20)) * 10 ** (-snr_db / 20)
    return (clean + scale * noise).astype(np.float32)


def add_white(
    clean: np.ndarray,
    seed: int,
    snr_db: float | None = 0.0,
    sigma: float | None = None,
) -> np.ndarray:
    """Clean speech plus white Gaussian noise, not clipped, float32.

    Args:
      clean: Any shape; one level for all of it.
      seed: Of `numpy.random.default_rng`.
      snr_db: Ratio of the clip's mean power to that of the noise, in dB.
      sigma: Standard deviation of the noise where full scale is 1; goes before
        `snr_db`.
    """
    clean = np.asarray(clean, np.float64)
    noise = np.random.default_rng(seed).standard_normal(clean.shape)
    if sigma is None:
        return mix_at_snr(clean, noise, snr_db, noise_power=1.0)
    return (clean + sigma * noise).astype(np.float32)


def add_recorded(
    clean: np.ndarray, recording: np.ndarray, seed: int, snr_db: float
) -> np.ndarray:
    """Clean speech plus an excerpt of recorded noise, not clipped, float32.

    Args:
      clean: (samples, channels).
      recording: (samples, 1) noise of the same rate, not silent; repeated where it is
        shorter.
      seed: Draws where the excerpt begins; it begins at the first sound of the recording
        where it would be silent.
      snr_db: Power of the whole clip over that of the excerpt.
    """
    start = np.random.default_rng(seed).integers(len(recording))
    position = (start + np.arange(len(clean))) % len(recording)
    if not np.any(recording[position]):
        position = (position - start + np.argmax(recording != 0)) % len(recording)
    return mix_at_snr(clean, recording[position].astype(np.float64), snr_db)
