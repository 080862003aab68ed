"""Framing shared by the segmental metrics, and the trimmed mean over frames."""

import numpy as np

from inr_jax.metrics.value import Undefined

FRAME_S = 0.030
OVERLAP = 4  # frames that see each sample
KEPT = 0.95  # share of the frames, best first, that enter LLR and WSS


def frames(signal: np.ndarray, sample_rate: int) -> np.ndarray:
    """Hann-windowed frames (frames, samples) of 30 ms, one every quarter of it.

    The window has no zero end points, and the last full frame is left out: the count is
    int(samples / hop - 4), that of the MATLAB reference (Loizou 2013).
    """
    length = round(FRAME_S * sample_rate)
    hop = length // OVERLAP
    count = int(signal.size / hop - OVERLAP)
    if count < 1:
        raise Undefined(
            f"too short for segmental metrics: {signal.size} samples, "
            f"needs {(OVERLAP + 1) * hop}"
        )
    window = 0.5 * (1 - np.cos(2 * np.pi * np.arange(1, length + 1) / (length + 1)))
    starts = np.arange(count) * hop
    return signal[starts[:, None] + np.arange(length)] * window


def trimmed_mean(values: np.ndarray) -> float:
    """Mean of the lowest 95 % of frame distances (Hu and Loizou 2008)."""
    kept = np.sort(values)[: round(values.size * KEPT)]
    if kept.size == 0 or not np.all(np.isfinite(kept)):
        raise Undefined("more than 5 % of the frames are digital silence")
    return float(np.mean(kept))
