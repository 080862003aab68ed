"""Metrics of the whole waveform: SI-SDR, SNR, SDR of the highs, gain and lag."""

import numpy as np
from scipy import signal as scipy_signal

from inr_jax.metrics.value import Signal, Undefined, metric, require_not_silent

HIGH_HZ = (8000, 20_000)


@metric
def si_sdr(reference: Signal, estimate: Signal, sample_rate: int) -> float:
    """Scale-invariant signal-to-distortion ratio in dB; higher is better.

    Le Roux et al., "SDR - half-baked or well done?", ICASSP 2019, equation 4, without
    removal of the means. Infinite where the estimate is a scaled reference.
    """
    del sample_rate
    require_not_silent("reference", reference)
    require_not_silent("estimate", estimate)
    target = reference * (np.dot(estimate, reference) / np.dot(reference, reference))
    return _ratio_db(target, estimate - target)


@metric
def snr(reference: Signal, estimate: Signal, sample_rate: int) -> float:
    """Signal-to-noise ratio in dB, the noise being estimate minus reference."""
    del sample_rate
    require_not_silent("reference", reference)
    return _ratio_db(reference, estimate - reference)


@metric
def high_sdr(reference: Signal, estimate: Signal, sample_rate: int) -> float:
    """Signal-to-distortion ratio in dB from 8 to 20 kHz, the band beyond wideband speech.

    0 where the estimate has nothing there.
    """
    if sample_rate <= 2 * HIGH_HZ[0]:
        raise Undefined(f"{sample_rate} Hz has nothing above {HIGH_HZ[0]} Hz")
    reference, estimate = (highs(x, sample_rate) for x in (reference, estimate))
    require_not_silent("reference", reference)
    return _ratio_db(reference, estimate - reference)


def highs(signal: Signal, sample_rate: int) -> Signal:
    """The band of a signal from 8 to 20 kHz."""
    spectrum = np.fft.rfft(signal)
    frequency = np.fft.rfftfreq(len(signal), 1 / sample_rate)
    low, high = HIGH_HZ
    return np.fft.irfft(spectrum * (frequency >= low) * (frequency < high), len(signal))


@metric
def gain(reference: Signal, estimate: Signal, sample_rate: int) -> float:
    """Least-squares gain of the reference in the estimate; 1 is best."""
    del sample_rate
    require_not_silent("reference", reference)
    return np.dot(estimate, reference) / np.dot(reference, reference)


@metric
def lag(reference: Signal, estimate: Signal, sample_rate: int) -> float:
    """Delay of the estimate in samples, at the maximum of the cross-correlation."""
    del sample_rate
    require_not_silent("reference", reference)
    require_not_silent("estimate", estimate)
    correlation = scipy_signal.correlate(estimate, reference, method="fft")
    return float(np.argmax(np.abs(correlation)) - (reference.size - 1))


def _ratio_db(target: Signal, error: Signal) -> float:
    power, error_power = np.dot(target, target), np.dot(error, error)
    if error_power == 0:
        return np.inf
    if power == 0:
        raise Undefined("estimate is orthogonal to the reference")
    return 10 * np.log10(power / error_power)
