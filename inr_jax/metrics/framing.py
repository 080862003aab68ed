"""Framing shared by the segmental metrics, and the trimmed mean over frames."""

import numpy as np
from jaxtyping import Float

from inr_jax.metrics.value import Signal, Undefined

FRAME_S = 0.030
OVERLAP = 4  # frames over each sample
KEPT = 0.95  # share of the frames, best first, in the mean of LLR and WSS


def frames(signal: Signal, sample_rate: int) -> Float[np.ndarray, "frames samples"]:
    """Hann-windowed frames of 30 ms with 75 % overlap.

    The window has no zeros at its ends. The last full frame is left out: the number of
    frames is int(samples / hop - 4), that of the MATLAB reference (Loizou 2013).
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


def trimmed_mean(values: Float[np.ndarray, " frames"]) -> float:
    """Mean of the lowest 95 % of frame distances (Hu and Loizou 2008)."""
    kept = np.sort(values)[: round(values.size * KEPT)]
    if kept.size == 0 or not np.all(np.isfinite(kept)):
        raise Undefined("more than 5 % of the frames are digital silence")
    return float(np.mean(kept))
