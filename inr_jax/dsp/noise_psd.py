"""Noise PSD estimation: white, stationary and non-stationary noise, found blindly.

Every estimator takes the power spectrogram (frames, bins) of a noisy signal, as from
`inr_jax.dsp.stft`, and returns the noise PSD in the same units, in a shape that broadcasts
against it; for white noise its variance. The power of Gaussian noise has an exponential
distribution, whose quantile q is -log(1 - q) times its mean. Low quantiles over time are
the noise floor: they see the pauses of speech. Frames of digital silence do not count.
"""

import functools
from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from inr_jax.errors import InputError

# Chosen on 20 clips of LibriSpeech in white noise at 0 dB: speech rarely fills the lower
# quartile of a bin, and at least a third of the bins hold next to none.
_TIME_QUANTILE = 0.25
_BIN_QUANTILE = 0.35
# What MMSE-SPP finds too little in noise without speech: the loudest frames of noise
# count as speech. Measured on white noise.
_SPP_BIAS = 10**0.104
# Power ten times that around it is a click, thus noise. "Around" is over 15 bins and, as
# frames are a quarter of a window apart, one to two windows before and after.
_CLICK_RATIO, _CLICK_BINS = 10.0, 15
_CLICK_DISTANCE, _CLICK_FRAMES = 6, 5
# Smallest power there is: silence divides nothing by zero.
SMALLEST = 1e-12

# When noise counts as white. Speech adds power, and never takes any away: the floors of
# white noise in bands of equal width agree but for the bands that speech fills.
_NUM_BANDS = 16
# Bins of an offset and its leakage.
_OFFSET_BINS = 2
# Low enough for the pauses of one second of speech; with 16 bands of such a clip, white
# noise alone is seldom 2 dB below its level in any of them.
_FLOOR_QUANTILE = 0.1
_BELOW_DB = 2.5
# Speech at 20 dB SNR without a pause lifts a band as much. Noise whose low bands rise
# further is also where `mmse_spp` begins to denoise better than `white`.
_ABOVE_DB = 9.0
# Between stretches of 2 s, or thirds of a shorter clip.
_STRETCH_FRAMES = 250
_OVER_TIME_DB = 3.5


def estimate(
    power: Float[np.ndarray, "frames bins"], estimator: str = "auto"
) -> Float[np.ndarray, "..."]:
    """Noise PSD by the estimator of this name.

    Args:
      power: Power spectrogram (frames, bins).
      estimator: A name of `ESTIMATORS`.

    Returns:
      (1, 1), (1, bins) or (frames, bins), all positive.

    Raises:
      InputError: there is no such estimator.
    """
    if estimator not in ESTIMATORS:
        known = ", ".join(ESTIMATORS)
        raise InputError(f"noise estimator must be one of {known}, got {estimator!r}")
    return ESTIMATORS[estimator](power)


def _of_sound(estimator):
    """An estimator without the frames of digital silence, in gaps and gates.

    There the PSD is that of the frame before: noise goes on behind a gap as it was.
    """

    @functools.wraps(estimator)
    def of_sound(power):
        there = _has_sound(power)
        if not np.any(there):
            return np.full((1, 1), SMALLEST)
        found = estimator(power[there])
        return found if len(found) == 1 else found[np.maximum(np.cumsum(there) - 1, 0)]

    return of_sound


@_of_sound
def auto(power: Float[np.ndarray, "frames bins"]) -> Float[np.ndarray, "..."]:
    """`white` (1, 1) where the noise is white by `is_white`, else `two_sided`."""
    return white(power) if is_white(power) else two_sided(power)


def is_white(power: Float[np.ndarray, "frames bins"]) -> bool | None:
    """Whether noise is flat over frequency and constant over time, speech or not.

    The noise floors, low quantiles of power, of 16 bands are compared. White noise has
    one floor, below which no band lies; bands that speech fills lie above it, by a few dB
    since speech has pauses. The floor must also be the same all the time. Digital silence
    is left out. None where the signal is too short to tell.
    """
    frames = _trim_ends(power[_has_sound(power)])
    if len(frames) < 3 or power.shape[1] < 2 * _NUM_BANDS:
        return None
    bands = _band_floors_db(frames)
    level = np.quantile(bands, _BIN_QUANTILE)
    stretches = np.array_split(frames, max(3, round(len(frames) / _STRETCH_FRAMES)))
    levels = [np.quantile(_band_floors_db(x), _BIN_QUANTILE) for x in stretches]
    return bool(
        level - bands.min() < _BELOW_DB
        and bands.max() - level < _ABOVE_DB
        and np.ptp(levels) < _OVER_TIME_DB
    )


@_of_sound
def white(power: Float[np.ndarray, "frames bins"]) -> Float[np.ndarray, "1 1"]:
    """White noise, (1, 1): a low quantile over bins of low quantiles over time."""
    bins = _mean_from_quantile(power[:, 1:-1])
    return np.maximum(np.quantile(bins, _BIN_QUANTILE), SMALLEST).reshape(1, 1)


@_of_sound
def stationary(power: Float[np.ndarray, "frames bins"]) -> Float[np.ndarray, "1 bins"]:
    """Stationary noise, (1, bins): quantiles over time, smoothed over five bins."""
    bins = np.pad(_mean_from_quantile(power), 2, mode="edge")
    smooth = np.convolve(bins, np.full(5, 0.2), mode="valid")
    return np.maximum(smooth, SMALLEST)[None, :]


@_of_sound
def mmse_spp(
    power: Float[np.ndarray, "frames bins"],
) -> Float[np.ndarray, "frames bins"]:
    """Non-stationary noise, (frames, bins): MMSE with speech presence probability.

    Gerkmann and Hendriks, "Unbiased MMSE-based noise power estimation with low
    complexity and low tracking delay", 2012: the power of a frame counts as noise by the
    probability that it holds no speech (15 dB where it does), and is smoothed by 0.8.
    Starts from `stationary` rather than from the first frames, which may hold speech.
    """
    speech_snr, noise = 10**1.5, stationary(power)[0]
    presence = np.full_like(noise, 0.5)
    psd = np.empty_like(power)
    for k, frame in enumerate(power):
        likelihood = np.exp(-frame / noise * speech_snr / (1 + speech_snr))
        speech = 1 / (1 + (1 + speech_snr) * likelihood)
        presence = 0.9 * presence + 0.1 * speech
        speech = np.where(presence > 0.99, np.minimum(speech, 0.99), speech)
        periodogram = speech * noise + (1 - speech) * frame
        noise = np.maximum(0.8 * noise + 0.2 * periodogram, SMALLEST)
        psd[k] = noise
    return psd * _SPP_BIAS


@_of_sound
def two_sided(
    power: Float[np.ndarray, "frames bins"],
) -> Float[np.ndarray, "frames bins"]:
    """Non-stationary noise, (frames, bins), from what comes before and after.

    The geometric mean of `mmse_spp` forwards and backwards in time, which sees noise that
    sets in as soon as it does, and clicks, which neither sees: power beyond ten times that
    one or two windows before and after. Speech lasts longer than that, before or after.
    """
    noise = np.sqrt(mmse_spp(power) * mmse_spp(power[::-1])[::-1])
    power = ndimage.uniform_filter1d(power, _CLICK_BINS, axis=1, mode="nearest")
    around = ndimage.uniform_filter1d(power, _CLICK_FRAMES, axis=0, mode="nearest")
    frames, last = np.arange(len(power)), len(power) - 1
    before = around[np.maximum(frames - _CLICK_DISTANCE, 0)]
    after = around[np.minimum(frames + _CLICK_DISTANCE, last)]
    return np.maximum(noise, power - _CLICK_RATIO * np.maximum(before, after))


def _mean_from_quantile(power):
    """Mean noise power of each bin (bins,), from a low quantile over time."""
    quantile = np.quantile(_trim_ends(power), _TIME_QUANTILE, axis=0)
    return quantile / -np.log(1 - _TIME_QUANTILE)


def _band_floors_db(power):
    """Low quantile of the power of each band (bands,), in dB."""
    bands = np.array_split(power[:, _OFFSET_BINS:-1], _NUM_BANDS, axis=1)
    floors = [np.quantile(band, _FLOOR_QUANTILE) for band in bands]
    return 10 * np.log10(np.maximum(floors, SMALLEST))


def _trim_ends(power):
    """Without the frames that reach over an end: zeros around the signal are no pauses."""
    return power[3:-3] if len(power) > 6 else power


def _has_sound(power):
    """Which frames hold more than digital zeros."""
    return power.mean(axis=1) > SMALLEST


ESTIMATORS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "auto": auto,
    "white": white,
    "stationary": stationary,
    "mmse_spp": mmse_spp,
    "two_sided": two_sided,
}
