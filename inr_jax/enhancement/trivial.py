"""Trivial baselines: their scores show what a metric rewards."""

import numpy as np
from jaxtyping import Float

LOWPASS_HZ = 4000

Signal = Float[np.ndarray, " samples *channels"]


def noisy(samples: Signal, sample_rate: int) -> Signal:
    """The input as it is, a copy."""
    del sample_rate
    return samples.copy()


def silence(samples: Signal, sample_rate: int) -> Signal:
    """The input 60 dB down: all but silent, which SSNR and CBAK reward."""
    del sample_rate
    return samples * 1e-3


def lowpass(samples: Signal, sample_rate: int) -> Signal:
    """Zero-phase low-pass at 4 kHz (Butterworth of order 6), along the first axis."""
    from scipy import signal as scipy_signal  # takes half a second to import

    if sample_rate <= 2 * LOWPASS_HZ:
        return samples.copy()
    sections = scipy_signal.butter(6, LOWPASS_HZ, fs=sample_rate, output="sos")
    padding = min(3 * 7, samples.shape[0] - 1)
    return scipy_signal.sosfiltfilt(sections, samples, axis=0, padlen=padding)


BASELINES = {"noisy": noisy, "silence": silence, "lowpass": lowpass}
