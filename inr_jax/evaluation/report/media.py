"""Sounds, spectrograms and levels of the takes of one clip in a report.

Takes are arrays (samples, channels) of one shape; spectrograms and waveforms of one clip
share their scale.
"""

import base64
import os
from collections.abc import Sequence

import matplotlib.image
import numpy as np

from inr_jax.audio import loudness
from inr_jax.dsp.mel import mel_power
from inr_jax.plots import style

_WIDTH, _NUM_MELS, _WINDOW_S = 600, 64, 0.064
_NUM_PEAKS = 300
_MATCHED_LU = 20.0


def finite(take: np.ndarray) -> np.ndarray:
    """Float32 samples, 0 where they are NaN or infinite."""
    return np.nan_to_num(np.asarray(take, np.float32), nan=0, posinf=0, neginf=0)


def peak(takes: Sequence[np.ndarray]) -> float:
    """Largest magnitude of any sample."""
    return float(max(np.max(np.abs(take), initial=0) for take in takes))


def matching_gains(takes: Sequence[np.ndarray], sample_rate: int) -> list[float]:
    """Factors of at most 1 that make takes as loud as the quietest one.

    Takes more than 20 LU below the loudest, silence among them, stay as they are.
    """
    levels = np.array([loudness.integrated(take, sample_rate) for take in takes])
    matched = np.isfinite(levels) & (levels >= np.max(levels) - _MATCHED_LU)
    target = np.min(levels, where=matched, initial=np.inf)
    return [
        float(10 ** ((target - level) / 20)) if is_matched else 1.0
        for level, is_matched in zip(levels, matched, strict=True)
    ]


def waveform(take: np.ndarray, scale: float) -> str:
    """Lowest and highest sample of even stretches: int8 pairs in base64, 127 at `scale`.

    Args:
      take: (samples, channels); the mean over channels is drawn.
      scale: Magnitude, the same for all takes of a clip.
    """
    mono = np.mean(take, axis=1)
    stretches = np.array_split(mono, max(1, min(_NUM_PEAKS, len(mono))))
    pairs = [(np.min(x, initial=0), np.max(x, initial=0)) for x in stretches]
    scaled = np.round(127 * np.array(pairs) / max(scale, 1e-10))
    return base64.b64encode(scaled.astype(np.int8).tobytes()).decode()


def spectrogram(take: np.ndarray, sample_rate: int) -> np.ndarray:
    """Mel power spectrogram (bands, frames) of the mean over channels.

    As many frames as a picture is wide, however long the take.
    """
    window = max(4, round(_WINDOW_S * sample_rate))
    hop = max(1, -(-len(take) // _WIDTH))
    return mel_power(np.mean(take, axis=1), sample_rate, window, hop, _NUM_MELS)


def write_spectrogram(
    path: str | os.PathLike, power: np.ndarray, loudest: float
) -> None:
    """Writes a picture, one pixel a band and frame, of the format that its ending names.

    Args:
      path: Where to.
      power: (bands, frames), lowest band first.
      loudest: Power at the bright end of the scale; the dark one is
        `style.TOP_DB` below.
    """
    level = 10 * np.log10(np.maximum(power / max(loudest, 1e-10), 1e-10))
    matplotlib.image.imsave(
        path,
        level,
        vmin=-style.TOP_DB,
        vmax=0,
        cmap="magma",
        origin="lower",
        pil_kwargs={"quality": 80},
    )
