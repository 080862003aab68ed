"""Mel filterbanks and mel power spectrograms in numpy, for pictures and metrics.

librosa's, but for its `librosa.feature`, whose first import compiles for half a minute.
"""

import functools
import warnings

import numpy as np
from jaxtyping import Float

from inr_jax.dsp import stft


@functools.cache
def mel_matrix(
    sample_rate: int, window: int, num_mels: int
) -> Float[np.ndarray, "bins {num_mels}"]:
    """Slaney mel filterbank, of window // 2 + 1 bins.

    Bands narrower than a bin may be empty.
    """
    from librosa import filters

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Empty filters")
        bank = filters.mel(sr=sample_rate, n_fft=window, n_mels=num_mels)
    return np.ascontiguousarray(bank.T, dtype=np.float32)


def mel_power(
    signal: Float[np.ndarray, " samples"],
    sample_rate: int,
    window: int,
    hop: int,
    num_mels: int,
) -> Float[np.ndarray, "{num_mels} frames"]:
    """Mel power spectrogram: frames around every `hop` samples, zeros beyond the signal.

    Args:
      signal: In any units.
      sample_rate: In Hz.
      window: Samples of the periodic Hann window and of the FFT.
      hop: Samples from frame to frame.
      num_mels: Bands up to half the sample rate.
    """
    padded = np.pad(np.asarray(signal, np.float32), window // 2)
    padded = np.pad(padded, (0, max(0, window - len(padded))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    spectrum = np.fft.rfft(frames * stft.hann(window))
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    return (power @ mel_matrix(sample_rate, window, num_mels)).T
