"""Noise power of a clip, from the clip itself: white, stationary or moving noise.

Every estimator takes the power (frames, bins) of a spectrum of `inr_jax.dsp.stft` and gives
the noise power in the same units, in a shape that broadcasts against it: for white noise
its variance. Powers of Gaussian noise are exponential, so that a quantile q of them lies
at -log(1 - q) times their mean; low quantiles see the pauses of speech.
"""

from collections.abc import Callable

import numpy as np

# Chosen on 20 clips of LibriSpeech in white noise at 0 dB: speech rarely fills the lower
# quartile of a bin, and at least a third of the bins hold next to none.
_TIME_QUANTILE = 0.25
_BIN_QUANTILE = 0.35
# What `tracked` finds too little in noise without speech: the loudest frames of noise
# count as speech. Measured on white noise.
_TRACKING_BIAS = 10**0.104
# Smallest power there is: silence divides nothing by zero.
SMALLEST = 1e-12


def white(power: np.ndarray) -> np.ndarray:
    """One number, (1, 1): a low quantile over bins of low quantiles over time."""
    bins = _quartiles(power[:, 1:-1])
    return np.maximum(np.quantile(bins, _BIN_QUANTILE), SMALLEST).reshape(1, 1)


def stationary(power: np.ndarray) -> np.ndarray:
    """One number for each bin, (1, bins), smoothed over five neighbours."""
    bins = np.pad(_quartiles(power), 2, mode="edge")
    smooth = np.convolve(bins, np.full(5, 0.2), mode="valid")
    return np.maximum(smooth, SMALLEST)[None, :]


def tracked(power: np.ndarray) -> np.ndarray:
    """Noise that moves, (frames, bins): minimum mean square error with speech presence.

    Gerkmann and Hendriks, "Unbiased MMSE-based noise power estimation with low
    complexity and low tracking delay", 2012: the power of a frame counts as noise by the
    probability that it holds no speech (15 dB where it does), and is smoothed by .8.
    Starts from `stationary` rather than from the first frames, which may hold speech.
    """
    speech_snr, noise = 10**1.5, stationary(power)[0]
    presence = np.full_like(noise, 0.5)
    found = np.empty_like(power)
    for k, frame in enumerate(power):
        likelihood = np.exp(-frame / noise * speech_snr / (1 + speech_snr))
        speech = 1 / (1 + (1 + speech_snr) * likelihood)
        presence = 0.9 * presence + 0.1 * speech
        speech = np.where(presence > 0.99, np.minimum(speech, 0.99), speech)
        periodogram = speech * noise + (1 - speech) * frame
        noise = np.maximum(0.8 * noise + 0.2 * periodogram, SMALLEST)
        found[k] = noise
    return found * _TRACKING_BIAS


def _quartiles(power):
    """Mean power of each bin (bins,), told from its quietest frames."""
    # zeros beside the signal are no pauses
    inner = power[3:-3] if len(power) > 6 else power
    return np.quantile(inner, _TIME_QUANTILE, axis=0) / -np.log(1 - _TIME_QUANTILE)


ESTIMATORS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "white": white,
    "stationary": stationary,
    "tracked": tracked,
}
