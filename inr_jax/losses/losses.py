"""Losses of one signal, (estimate, target) in this order, on samples in [-1, 1].

Pointwise terms are means over samples. Spectral terms see the whole signal: `stft` is
spectral convergence plus log-magnitude L1 (Yamamoto et al. 2020, arXiv 1910.11480),
`mel` is the mel-magnitude L1 plus root mean square of HyperSound's released code
(Szatkowski et al. 2022, arXiv 2211.01839); both are means over `RESOLUTIONS`.
`compressed` compares spectra whose magnitudes are raised to .3, with and without phase
(Ephrat et al. 2018, arXiv 1804.03619; Braun and Tashev 2020, arXiv 2009.12286); `snr` is
the logarithm of the relative error, which weighs every clip alike, `segmental` the same
frame by frame, which asks for quiet pauses; `disturbance` is
what PESQ listens to (module `disturbance`).
All have finite values and gradients on silence and at equality.
"""

import jax
import jax.numpy as jnp
import optax

from inr_jax.configs.fitting import LossWeights
from inr_jax.dsp import mel as spectral
from inr_jax.dsp import stft as fourier
from inr_jax.losses.pmsqe import disturbance

# (window, hop) in samples, those of HyperSound.
RESOLUTIONS = ((2048, 512), (1024, 256), (512, 128), (256, 64), (128, 32))
NUM_MELS = 128

# Of `compressed`: exponent, share of the term that sees magnitudes alone, window in
# samples, and the power that keeps the gradient of empty bins finite.
EXPONENT = 0.3
MAGNITUDE_SHARE = 0.7
COMPRESSED_WINDOW = 512
_POWER_FLOOR = 1e-8

# Of `snr`: errors below 40 dB under the target gain nothing any more.
_RELATIVE_FLOOR = 1e-4

# Of `segmental`: samples of a frame, and how far below the mean power of the target
# nothing counts, 70 dB.
SEGMENT = 512
_SEGMENT_FLOOR = 1e-7


def pointwise(
    estimate: jax.Array, target: jax.Array, weights: LossWeights
) -> jax.Array:
    """Weighted pointwise loss of each sample, same shape as the arguments.

    Smooth L1 has its corner at 1, so that on audio it is half the squared error.
    """
    loss = jnp.zeros_like(target)
    if weights.mse:
        loss += weights.mse * (estimate - target) ** 2
    if weights.l1:
        loss += weights.l1 * jnp.abs(estimate - target)
    if weights.smooth_l1:
        loss += weights.smooth_l1 * optax.huber_loss(estimate, target)
    return loss


def stft(estimate: jax.Array, target: jax.Array, num_samples: jax.Array) -> jax.Array:
    """Multi-resolution STFT loss of the first `num_samples` of two (samples,) arrays."""
    return _mean(_stft_one(estimate, target, num_samples, *r) for r in RESOLUTIONS)


def mel(
    estimate: jax.Array, target: jax.Array, num_samples: jax.Array, sample_rate: int
) -> jax.Array:
    """Multi-resolution mel loss of the first `num_samples` of two (samples,) arrays."""
    return _mean(
        _mel_one(estimate, target, num_samples, sample_rate, *r) for r in RESOLUTIONS
    )


def compressed(
    estimate: jax.Array, target: jax.Array, num_samples: jax.Array
) -> jax.Array:
    """Squared error of compressed spectra of the first `num_samples` samples."""
    valid = jnp.arange(target.shape[0]) < num_samples
    spectra = [
        fourier.analyse(jnp.where(valid, x, 0), COMPRESSED_WINDOW)
        for x in (estimate, target)
    ]
    (found, found_size), (wanted, wanted_size) = map(_compress, spectra)
    difference = found - wanted
    error = MAGNITUDE_SHARE * (found_size - wanted_size) ** 2
    error += (1 - MAGNITUDE_SHARE) * (difference.real**2 + difference.imag**2)
    # the mean over the bins of the frames that begin in the signal
    hop = COMPRESSED_WINDOW // fourier.OVERLAP
    return jnp.sum(error) * hop / (num_samples * error.shape[1])


def snr(estimate: jax.Array, target: jax.Array, num_samples: jax.Array) -> jax.Array:
    """Minus the signal-to-noise ratio of the first `num_samples` samples, in bel."""
    valid = jnp.arange(target.shape[0]) < num_samples
    power = jnp.sum(target**2, where=valid) + _POWER_FLOOR * num_samples
    error = jnp.sum((estimate - target) ** 2, where=valid)
    return jnp.log10(error / power + _RELATIVE_FLOOR)


def segmental(
    estimate: jax.Array, target: jax.Array, num_samples: jax.Array
) -> jax.Array:
    """Mean over frames of minus the signal-to-noise ratio in bel; see `snr`."""
    valid = jnp.arange(target.shape[0]) < num_samples
    padding = (0, -target.shape[0] % SEGMENT)
    power, error = (
        jnp.sum(jnp.pad(jnp.where(valid, x**2, 0), padding).reshape(-1, SEGMENT), 1)
        for x in (target, estimate - target)
    )
    floor = _SEGMENT_FLOOR * jnp.sum(power) * SEGMENT / num_samples + _POWER_FLOOR
    ratios = jnp.log10((error + floor) / (power + floor) + _RELATIVE_FLOOR)
    return jnp.mean(ratios, where=jnp.arange(len(ratios)) * SEGMENT < num_samples)


def terms(
    estimate: jax.Array,
    target: jax.Array,
    num_samples: jax.Array,
    sample_rate: int,
    weights: LossWeights,
) -> dict[str, jax.Array]:
    """Weighted terms by name over the first `num_samples` of (samples,) arrays.

    Terms whose weight is 0 are not computed; the pointwise ones are one term.
    """
    valid = jnp.arange(target.shape[0]) < num_samples
    found = {}
    if weights.mse or weights.l1 or weights.smooth_l1:
        each = pointwise(estimate, target, weights)
        found["pointwise"] = jnp.sum(each, where=valid) / num_samples
    if weights.stft:
        found["stft"] = weights.stft * stft(estimate, target, num_samples)
    if weights.mel:
        found["mel"] = weights.mel * mel(estimate, target, num_samples, sample_rate)
    if weights.compressed:
        error = compressed(estimate, target, num_samples)
        found["compressed"] = weights.compressed * error
    if weights.snr:
        found["snr"] = weights.snr * snr(estimate, target, num_samples)
    if weights.segmental:
        ratio = segmental(estimate, target, num_samples)
        found["segmental"] = weights.segmental * ratio
    if weights.disturbance:
        error = disturbance(estimate, target, num_samples, sample_rate)
        found["disturbance"] = weights.disturbance * error
    return found


def total(
    estimate: jax.Array,
    target: jax.Array,
    num_samples: jax.Array,
    sample_rate: int,
    weights: LossWeights,
) -> jax.Array:
    """Sum of `terms`."""
    return sum(terms(estimate, target, num_samples, sample_rate, weights).values())


def _mean(terms):
    terms = list(terms)
    return sum(terms) / len(terms)


def _safe_norm(x: jax.Array) -> jax.Array:
    """Frobenius norm whose gradient at 0 is 0 rather than NaN."""
    power = jnp.sum(x**2)
    return jnp.where(power > 0, jnp.sqrt(jnp.where(power > 0, power, 1)), 0)


def _compress(spectrum):
    """A spectrum with its magnitudes raised to `EXPONENT`, and these alone."""
    power = spectrum.real**2 + spectrum.imag**2 + _POWER_FLOOR
    return spectrum * power ** ((EXPONENT - 1) / 2), power ** (EXPONENT / 2)


def _stft_one(estimate, target, num_samples, window, hop):
    found, valid = spectral.magnitudes(estimate, num_samples, window, hop)
    wanted, _ = spectral.magnitudes(target, num_samples, window, hop)
    difference = jnp.where(valid, found - wanted, 0)
    convergence = _safe_norm(difference) / _safe_norm(jnp.where(valid, wanted, 0))
    log_difference = jnp.abs(jnp.log(found) - jnp.log(wanted))
    return convergence + jnp.mean(log_difference, where=valid)


def _mel_one(estimate, target, num_samples, sample_rate, window, hop):
    found, valid = spectral.magnitudes(estimate, num_samples, window, hop)
    wanted, _ = spectral.magnitudes(target, num_samples, window, hop)
    bank = spectral.mel_matrix(sample_rate, window, NUM_MELS)
    difference = jnp.where(valid, (found - wanted) @ bank, 0)
    count = NUM_MELS * jnp.sum(valid)
    return jnp.sum(jnp.abs(difference)) / count + _safe_norm(difference) / jnp.sqrt(
        count
    )
