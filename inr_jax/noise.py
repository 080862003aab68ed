"""Noise at a known level, from a recorded seed; the clean signal is never touched."""

import hashlib

import numpy as np


def clip_seed(seed: int, name: str) -> int:
    """Noise seed of one clip: the same whichever clips are chosen beside it."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:4])


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
    if sigma is None:
        sigma = np.sqrt(np.mean(clean**2)) * 10 ** (-snr_db / 20)
    noise = np.random.default_rng(seed).standard_normal(clean.shape)
    return np.asarray(clean + sigma * noise, np.float32)
