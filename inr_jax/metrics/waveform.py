"""Metrics of the waveform as a whole: SI-SDR, SNR, level and delay."""

import numpy as np
from scipy import signal as scipy_signal

from inr_jax.metrics.value import Undefined, metric, require_sound


@metric
def si_sdr(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Scale-invariant signal-to-distortion ratio in dB; higher is better.

    Le Roux et al., "SDR - half-baked or well done?", ICASSP 2019, equation 4. Means are
    not removed. Infinite where the estimate is the reference up to a gain.
    """
    del sample_rate
    require_sound("reference", reference)
    require_sound("estimate", estimate)
    target = reference * (np.dot(estimate, reference) / np.dot(reference, reference))
    return _ratio_db(target, estimate - target)


@metric
def snr(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Signal-to-noise ratio in dB, the noise being estimate - reference."""
    del sample_rate
    require_sound("reference", reference)
    return _ratio_db(reference, estimate - reference)


@metric
def gain(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Least-squares level of the reference inside the estimate: 1 where it is kept."""
    del sample_rate
    require_sound("reference", reference)
    return np.dot(estimate, reference) / np.dot(reference, reference)


@metric
def lag(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Delay of the estimate in samples: where the cross-correlation is largest."""
    del sample_rate
    require_sound("reference", reference)
    require_sound("estimate", estimate)
    correlation = scipy_signal.correlate(estimate, reference, method="fft")
    return float(np.argmax(np.abs(correlation)) - (reference.size - 1))


def _ratio_db(wanted: np.ndarray, unwanted: np.ndarray) -> float:
    power, noise = np.dot(wanted, wanted), np.dot(unwanted, unwanted)
    if noise == 0:
        return np.inf
    if power == 0:
        raise Undefined("estimate is orthogonal to the reference")
    return 10 * np.log10(power / noise)
