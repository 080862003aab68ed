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


def add_recorded(
    clean: np.ndarray, recording: np.ndarray, seed: int, snr_db: float
) -> np.ndarray:
    """Clean speech plus an excerpt of recorded noise, not clipped, float32.

    Args:
      clean: (samples, channels).
      recording: (samples, 1) noise of the same rate; repeated where it is shorter.
      seed: Draws where the excerpt begins.
      snr_db: Power of the whole clip over that of the excerpt.
    """
    start = np.random.default_rng(seed).integers(len(recording))
    position = (start + np.arange(len(clean))) % len(recording)
    noise = recording[position].astype(np.float64)
    power = np.mean(np.square(clean, dtype=np.float64)) / 10 ** (snr_db / 10)
    scale = np.sqrt(power / max(np.mean(noise**2), 1e-20))
    return (clean + scale * noise).astype(np.float32)
