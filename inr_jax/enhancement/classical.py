"""The classical denoisers: decision-directed Wiener filter and log-MMSE, one signal.

Ephraim and Malah, "Speech enhancement using a minimum mean-square error log-spectral
amplitude estimator", 1985; the Wiener filter with the same prior signal-to-noise ratio is
that of Scalart and Filho 1996. Frames of 32 ms, a quarter apart, noisy phase.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Complex, Float
from scipy import special

from inr_jax.dsp import noise_psd, stft

WINDOW_S = 0.032
OVERLAP = 4  # frames over each sample
SMOOTHING = 0.98
PRIOR_FLOOR = 10**-2.5
POSTERIOR_CAP = 40.0

Bins = Float[np.ndarray, "*frames bins"]


def wiener(
    noisy: Float[np.ndarray, " samples *channels"],
    sample_rate: int,
    noise_estimator: str = "auto",
) -> Float[np.ndarray, " samples *channels"]:
    """Denoised signal, or linked channels.

    Args:
      noisy: A signal, or channels that get one gain, by their mean power.
      sample_rate: In Hz.
      noise_estimator: A name of `noise_psd.ESTIMATORS`.

    Raises:
      InputError: there is no such estimator.
    """
    return _denoise(noisy, sample_rate, noise_estimator, _wiener_gain)


def log_mmse(
    noisy: Float[np.ndarray, " samples *channels"],
    sample_rate: int,
    noise_estimator: str = "auto",
) -> Float[np.ndarray, " samples *channels"]:
    """Like `wiener`, by the estimator of log amplitudes."""
    return _denoise(noisy, sample_rate, noise_estimator, log_mmse_gain)


def decision_directed(
    posterior: Float[np.ndarray, "frames bins"],
    rule: Callable[[Bins, Bins], Bins],
    other_prior: Float[np.ndarray, "frames bins"] | None = None,
) -> Float[np.ndarray, "frames bins"]:
    """Gains from posterior SNRs, frame after frame.

    Args:
      posterior: Power over noise power.
      rule: Gain from the prior and the posterior SNR of one frame.
      other_prior: Prior SNRs found otherwise; the geometric mean of both counts.
    """
    posterior = np.minimum(posterior, POSTERIOR_CAP)
    gains, speech = np.empty_like(posterior), np.ones_like(posterior[0])
    for k, ratio in enumerate(posterior):
        instant = np.maximum(ratio - 1, 0)
        prior = np.maximum(SMOOTHING * speech + (1 - SMOOTHING) * instant, PRIOR_FLOOR)
        if other_prior is not None:
            prior = np.sqrt(prior * np.maximum(other_prior[k], PRIOR_FLOOR))
        gains[k] = rule(prior, ratio)
        speech = gains[k] ** 2 * ratio
    return gains


def window_of(sample_rate: int) -> int:
    """Samples of a frame at a rate, a multiple of 4."""
    return max(4, 4 * round(WINDOW_S * sample_rate / 4))


def _wiener_gain(prior, posterior):
    del posterior
    return prior / (1 + prior)


def log_mmse_gain(prior: Bins, posterior: Bins) -> Bins:
    """Gains in [0, 1] of the log-spectral amplitude (Ephraim and Malah 1985)."""
    wiener_gain = prior / (1 + prior)
    v = np.maximum(wiener_gain * posterior, 1e-8)
    return np.minimum(wiener_gain * np.exp(special.exp1(v) / 2), 1)


def _denoise(noisy, sample_rate, noise_estimator, rule):
    noisy = np.asarray(noisy, np.float32)
    frame = window_of(sample_rate)
    channels = spectra(noisy, frame)
    noise = mean_noise_psd(channels, noise_estimator)
    gains = decision_directed(mean_power(channels) / noise, rule)
    return with_gain(channels, gains, noisy.shape)


def spectra(
    signal: Float[np.ndarray, " samples *channels"], frame: int
) -> Complex[np.ndarray, "channels frames bins"]:
    """STFT of a signal, as one channel, or of linked channels."""
    hop, window = frame // OVERLAP, stft.sqrt_hann(frame)
    return np.stack([stft.stft(x, window, hop) for x in np.atleast_2d(signal.T)])


def mean_power(
    channels: Complex[np.ndarray, "channels frames bins"],
) -> Float[np.ndarray, "frames bins"]:
    """Mean power of the spectra of linked channels."""
    return np.mean(np.abs(channels) ** 2, axis=0)


def mean_noise_psd(
    channels: Complex[np.ndarray, "channels frames bins"], estimator: str
) -> Float[np.ndarray, "..."]:
    """Mean noise PSD of linked channels, each estimated by itself, as `noise_psd` does.

    The estimators know how the power of one channel fluctuates; a mean of several
    fluctuates less, where their noise has nothing in common.
    """
    found = [noise_psd.estimate(np.abs(x) ** 2, estimator) for x in channels]
    return sum(found) / len(found)


def with_gain(
    channels: Complex[np.ndarray, "channels frames bins"],
    gain: Float[np.ndarray, "frames bins"],
    shape: tuple[int, ...],
) -> Float[np.ndarray, " samples *channels"]:
    """The signal or linked channels of a shape, from `spectra` and one gain for all."""
    frame = 2 * (channels.shape[2] - 1)
    hop, window = frame // OVERLAP, stft.sqrt_hann(frame)
    gain = gain.astype(np.float32)
    estimates = [stft.istft(gain * x, window, hop, shape[0]) for x in channels]
    return np.reshape(np.stack(estimates, axis=-1), shape)
