"""Losses on magnitude, mel and compressed complex spectra."""

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from inr_jax.dsp import magnitudes, mel
from inr_jax.dsp.stft import sqrt_hann, stft

# (window, hop) in samples, those of HyperSound.
RESOLUTIONS = ((2048, 512), (1024, 256), (512, 128), (256, 64), (128, 32))
NUM_MELS = 128

# Of `compressed_spectrum`: exponent of the magnitudes, weight of the term that compares
# magnitudes alone, window and hop in samples, and a floor of the power that keeps the
# gradient of empty bins finite.
EXPONENT = 0.3
MAGNITUDE_WEIGHT = 0.7
_WINDOW, _HOP = 512, 128
_POWER_FLOOR = 1e-8


def multi_resolution_stft(
    estimate: Float[Array, " samples"],
    target: Float[Array, " samples"],
    num_samples: Int[ArrayLike, ""],
    sample_rate: int,
) -> Float[Array, ""]:
    """Multi-resolution STFT loss: spectral convergence plus log-magnitude L1.

    Yamamoto et al. 2020 (arXiv 1910.11480); the mean over `RESOLUTIONS`.
    """
    del sample_rate
    return _mean(_stft_loss(estimate, target, num_samples, *r) for r in RESOLUTIONS)


def multi_resolution_mel(
    estimate: Float[Array, " samples"],
    target: Float[Array, " samples"],
    num_samples: Int[ArrayLike, ""],
    sample_rate: int,
) -> Float[Array, ""]:
    """Multi-resolution mel loss: L1 plus root mean square error of mel magnitudes.

    As in HyperSound's released code (Szatkowski et al. 2022, arXiv 2211.01839); the
    mean over `RESOLUTIONS`.
    """
    return _mean(
        _mel_loss(estimate, target, num_samples, sample_rate, *r) for r in RESOLUTIONS
    )


def compressed_spectrum(
    estimate: Float[Array, " samples"],
    target: Float[Array, " samples"],
    num_samples: Int[ArrayLike, ""],
    sample_rate: int,
) -> Float[Array, ""]:
    """Squared error of power-law compressed spectra, with and without phase.

    Ephrat et al. 2018 (arXiv 1804.03619), Braun and Tashev 2020 (arXiv 2009.12286); the
    mean over bins and frames.
    """
    del sample_rate
    valid = jnp.arange(target.shape[0]) < num_samples
    estimate, target = (
        _compress(stft(jnp.where(valid, x, 0), sqrt_hann(_WINDOW), _HOP))
        for x in (estimate, target)
    )
    errors = ((a - b) ** 2 for a, b in zip(estimate, target, strict=True))
    magnitude, real, imaginary = errors
    error = MAGNITUDE_WEIGHT * magnitude + (1 - MAGNITUDE_WEIGHT) * (real + imaginary)
    # over the frames that begin in the signal
    return jnp.sum(error) * _HOP / (num_samples * error.shape[1])


def _compress(spectrum):
    """Magnitudes raised to `EXPONENT`, and the two parts of the spectrum they have.

    By one logarithm of a real number: complex powers take three times as long.
    """
    real, imaginary = spectrum.real, spectrum.imag
    log_power = jnp.log(real**2 + imaginary**2 + _POWER_FLOOR)
    gain = jnp.exp((EXPONENT - 1) / 2 * log_power)
    return jnp.exp(EXPONENT / 2 * log_power), gain * real, gain * imaginary


def _stft_loss(estimate, target, num_samples, window, hop):
    estimate, valid = magnitudes.magnitudes(estimate, num_samples, window, hop)
    target, _ = magnitudes.magnitudes(target, num_samples, window, hop)
    difference = jnp.where(valid, estimate - target, 0)
    convergence = _safe_norm(difference) / _safe_norm(jnp.where(valid, target, 0))
    log_difference = jnp.abs(jnp.log(estimate) - jnp.log(target))
    return convergence + jnp.mean(log_difference, where=valid)


def _mel_loss(estimate, target, num_samples, sample_rate, window, hop):
    estimate, valid = magnitudes.magnitudes(estimate, num_samples, window, hop)
    target, _ = magnitudes.magnitudes(target, num_samples, window, hop)
    bank = mel.mel_matrix(sample_rate, window, NUM_MELS)
    difference = jnp.where(valid, (estimate - target) @ bank, 0)
    count = NUM_MELS * jnp.sum(valid)
    mean = jnp.sum(jnp.abs(difference)) / count
    return mean + _safe_norm(difference) / jnp.sqrt(count)


def _safe_norm(x):
    """Frobenius norm whose gradient at 0 is 0 rather than NaN."""
    power = jnp.sum(x**2)
    return jnp.where(power > 0, jnp.sqrt(jnp.where(power > 0, power, 1)), 0)


def _mean(values):
    values = list(values)
    return sum(values) / len(values)
