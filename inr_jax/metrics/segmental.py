"""Segmental SNR, log-likelihood ratio, weighted spectral slope, over-attenuation.

The first three as defined by the MATLAB code of Loizou, "Speech Enhancement: Theory and
Practice" (2013), without rescaling of the signals or clipping of LLR.
"""

import numpy as np

from inr_jax.metrics.framing import frames, trimmed_mean
from inr_jax.metrics.value import Signal, Undefined, metric, require_not_silent

_EPS = np.finfo(np.float64).eps
# A frame of speech is one of at least so much of the power of the loudest tenth of them;
# it is cut where no more than this of its amplitude is left.
_SPEECH_POWER, _KEPT_AMPLITUDE = 10 ** (-20 / 10), 10 ** (-12 / 20)


@metric
def ssnr(reference: Signal, estimate: Signal, sample_rate: int) -> float:
    """Segmental SNR in dB: the mean over frames of the SNR clipped to [-10, 35].

    Depends on the level and favours silence: an estimate of zeros scores 0 dB.
    """
    target = frames(reference, sample_rate)
    error = target - frames(estimate, sample_rate)
    ratio = np.sum(target**2, axis=1) / (np.sum(error**2, axis=1) + _EPS)
    return float(np.mean(np.clip(10 * np.log10(ratio + _EPS), -10, 35)))


@metric
def over_attenuation(reference: Signal, estimate: Signal, sample_rate: int) -> float:
    """Share of the frames of speech that are attenuated by more than 12 dB; 0 is best.

    The gain of a frame is the least-squares one of the reference in the estimate, to which
    noise that is left adds little. Frames of speech are those within 20 dB of the power
    of the loudest tenth. Depends on the level.
    """
    require_not_silent("reference", reference)
    target, other = frames(reference, sample_rate), frames(estimate, sample_rate)
    power = np.sum(target**2, axis=1)
    is_speech = power > _SPEECH_POWER * np.quantile(power, 0.9)
    if not np.any(is_speech):
        raise Undefined("the reference has no whole frame that is not silent")
    kept = np.sum(target * other, axis=1)[is_speech] / power[is_speech]
    return float(np.mean(kept < _KEPT_AMPLITUDE))


@metric
def llr(reference: Signal, estimate: Signal, sample_rate: int) -> float:
    """Log-likelihood ratio of linear prediction; 0 is best, unbounded above.

    Order 16 (10 below 10 kHz), autocorrelation method, the mean of the best 95 % of
    frames.
    """
    order = 10 if sample_rate < 10_000 else 16
    clean = _autocorrelation(frames(reference, sample_rate), order)
    other = _autocorrelation(frames(estimate, sample_rate), order)
    lags = np.abs(np.subtract.outer(np.arange(order + 1), np.arange(order + 1)))
    toeplitz = clean[:, lags]
    with np.errstate(all="ignore"):
        ratio = _energy(_predictor(other), toeplitz) / _energy(
            _predictor(clean), toeplitz
        )
        ratio = np.where(np.isnan(ratio), np.inf, ratio)
        return trimmed_mean(np.log(np.where(ratio <= 0, 1000, ratio)))


def _autocorrelation(windowed: np.ndarray, order: int) -> np.ndarray:
    """(frames, samples) to lags 0..order, (frames, order + 1)."""
    length = windowed.shape[1]
    return np.stack(
        [
            np.einsum("fs,fs->f", windowed[:, : length - k], windowed[:, k:])
            for k in range(order + 1)
        ],
        axis=1,
    )


def _predictor(lags: np.ndarray) -> np.ndarray:
    """Levinson-Durbin on every frame: prediction error filters (frames, order + 1)."""
    num_frames, size = lags.shape
    filters = np.zeros((num_frames, size))
    filters[:, 0] = 1
    error = lags[:, 0].copy()
    with np.errstate(all="ignore"):
        for i in range(1, size):
            past = lags[:, i:0:-1]
            reflection = -np.sum(filters[:, :i] * past, axis=1) / error
            mirrored = filters[:, i::-1].copy()
            filters[:, : i + 1] += reflection[:, None] * mirrored
            error = error * (1 - reflection**2)
    return filters


def _energy(filters: np.ndarray, toeplitz: np.ndarray) -> np.ndarray:
    return np.einsum("fi,fij,fj->f", filters, toeplitz, filters)


# Critical bands of the weighted spectral slope (Klatt 1982): centres and widths in Hz.
# fmt: off
_CENTRES = np.array([
    50, 120, 190, 260, 330, 400, 470, 540, 617.372, 703.378, 798.717, 904.128, 1020.38,
    1148.30, 1288.72, 1442.54, 1610.70, 1794.16, 1993.93, 2211.08, 2446.71, 2701.97,
    2978.04, 3276.17, 3597.63])
_WIDTHS = np.array([
    70, 70, 70, 70, 70, 70, 70, 77.3724, 86.0056, 95.3398, 105.411, 116.256, 127.914,
    140.423, 153.823, 168.154, 183.457, 199.776, 217.153, 235.631, 255.255, 276.072,
    298.126, 321.465, 346.136])
# fmt: on


@metric
def wss(reference: Signal, estimate: Signal, sample_rate: int) -> float:
    """Weighted spectral slope distance (Klatt 1982); 0 is best.

    25 critical bands up to 3.6 kHz; the mean of the best 95 % of frames.
    """
    clean = _band_db(frames(reference, sample_rate), sample_rate)
    other = _band_db(frames(estimate, sample_rate), sample_rate)
    weights = (_slope_weights(clean) + _slope_weights(other)) / 2
    difference = np.diff(clean, axis=1) - np.diff(other, axis=1)
    distance = np.sum(weights * difference**2, axis=1) / np.sum(weights, axis=1)
    return trimmed_mean(distance)


def _band_db(windowed: np.ndarray, sample_rate: int) -> np.ndarray:
    """Energy of each critical band in dB, (frames, 25), at least -100 dB."""
    num_fft = 2 ** int(np.ceil(np.log2(2 * windowed.shape[1])))
    num_bins = num_fft // 2
    power = np.abs(np.fft.rfft(windowed, num_fft)[:, :num_bins]) ** 2
    return 10 * np.log10(np.maximum(power @ _bands(num_bins, sample_rate).T, 1e-10))


def _bands(num_bins: int, sample_rate: int) -> np.ndarray:
    """Gaussian-like filters (25, bins), zero where below -30 dB."""
    bins_per_hz = num_bins / (sample_rate / 2)
    offset = np.arange(num_bins) - np.floor(_CENTRES * bins_per_hz)[:, None]
    shape = -11 * (offset / (_WIDTHS * bins_per_hz)[:, None]) ** 2
    response = np.exp(shape + np.log(_WIDTHS[0] / _WIDTHS)[:, None])
    return np.where(response > np.exp(-30 / (2 * 2.303)), response, 0)


def _slope_weights(energy: np.ndarray) -> np.ndarray:
    """Weights (frames, 24): large near the highest peak and near the local peak."""
    slope = np.diff(energy, axis=1)
    to_highest = np.max(energy, axis=1, keepdims=True) - energy[:, :-1]
    to_local = local_peaks(energy, slope) - energy[:, :-1]
    return 20 / (20 + to_highest) / (1 + to_local)


def local_peaks(energy: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Energy of the local peak of each band, (frames, 24).

    Where the slope rises, published implementations stop one band before the peak, and
    so does this one.
    """
    num_bands = slope.shape[1]
    rising = slope > 0
    first_fall = np.full(slope.shape, num_bands)  # first band n >= i that does not rise
    last_rise = np.full(slope.shape, -1)  # last band n <= i that rises
    for i in reversed(range(num_bands)):
        later = first_fall[:, i + 1] if i + 1 < num_bands else num_bands
        first_fall[:, i] = np.where(rising[:, i], later, i)
    for i in range(num_bands):
        earlier = last_rise[:, i - 1] if i > 0 else -1
        last_rise[:, i] = np.where(rising[:, i], i, earlier)
    peak = np.where(rising, first_fall - 1, last_rise + 1)
    return np.take_along_axis(energy, peak, axis=1)
