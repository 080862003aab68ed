"""PMSQE: a differentiable loss after the disturbances of PESQ.

The symmetric and asymmetric disturbance of ITU-T P.862 (Rix et al. 2001) as a loss
(Martin-Donas et al. 2018, doi 10.1109/LSP.2018.2871419): Bark-band powers become
loudness; differences beyond the masking threshold count, and count again where the
estimate adds to the target rather than removes from it. Built from formulas instead of
the tables of the recommendation and without time alignment: it correlates with PESQ but
does not equal it.
"""

import functools

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from inr_jax.dsp import magnitudes

WINDOW = 512  # samples, with 50 % overlap
NUM_BANDS = 42

# Mean square to which speech is scaled, and the factor from its power to band power.
_SPEECH_POWER = 1e7
_CALIBRATION = 6.9e-4

# Loudness of a band: factor and exponent of its power (Zwicker's law).
_LOUDNESS = 0.187
_ZWICKER_POWER = 0.23

# Equalisation of spectrum and gain: limits of the ratios, floors of the power.
_SPECTRUM_LIMITS, _SPECTRUM_FLOOR = (0.01, 100.0), 1e3
_GAIN_LIMITS, _GAIN_FLOOR = (3e-4, 5.0), 5e3

# Masking threshold of a difference, relative to the smaller of the two loudnesses.
_MASKING = 0.25

# Asymmetry factor of a band: the power ratio to this exponent, 0 below the smallest
# factor and clipped at the largest, with a floor of the powers.
_ASYMMETRY_EXPONENT, _ASYMMETRY_FLOOR = 1.2, 50.0
_MIN_ASYMMETRY, _MAX_ASYMMETRY = 3.0, 12.0

# Weights of the two disturbances in the score, the limit of a frame's disturbance, and
# the frames of a syllable; syllables overlap by half.
_SYMMETRIC_WEIGHT, _ASYMMETRIC_WEIGHT = 0.1, 0.0309
_MAX_DISTURBANCE = 45.0
_SYLLABLE = 20


def pmsqe(
    estimate: Float[Array, " samples"],
    target: Float[Array, " samples"],
    num_samples: Int[ArrayLike, ""],
    sample_rate: int,
) -> Float[Array, ""]:
    """Disturbance of the first `num_samples` samples: roughly 4.5 minus PESQ."""
    valid = jnp.arange(target.shape[0]) < num_samples
    power = jnp.sum(target**2, where=valid) / num_samples
    scale = jnp.sqrt(_SPEECH_POWER / (power + 1e-8))
    bands = _bands(sample_rate)[0]
    estimate, target = (
        magnitudes.magnitudes(scale * x, num_samples, WINDOW, WINDOW // 2)[0] ** 2
        @ bands
        for x in (estimate, target)
    )
    valid = jnp.arange(len(target)) < 1 + num_samples // (WINDOW // 2)
    disturbances = _frame_disturbances(*_equalize(estimate, target, valid), sample_rate)
    return sum(_aggregate(x, valid) for x in disturbances)


def _equalize(estimate, target, valid):
    """Band powers (frames, bands) with differences of spectrum and gain compensated."""
    means = (jnp.mean(x, 0, where=valid[:, None]) for x in (estimate, target))
    ratio = jnp.divide(*(x + _SPECTRUM_FLOOR for x in means))
    target *= jnp.clip(ratio, *_SPECTRUM_LIMITS)[None]
    sums = (jnp.sum(x, 1, keepdims=True) for x in (target, estimate))
    ratio = jnp.divide(*(x + _GAIN_FLOOR for x in sums))
    return estimate * jnp.clip(ratio, *_GAIN_LIMITS), target


def _frame_disturbances(estimate, target, sample_rate):
    """Symmetric and asymmetric disturbance (frames,) of band powers (frames, bands)."""
    loudness, target_loudness = (_loudness(x, sample_rate) for x in (estimate, target))
    threshold = _MASKING * jnp.minimum(loudness, target_loudness)
    audible = jnp.maximum(jnp.abs(loudness - target_loudness) - threshold, 0)
    ratio = (estimate + _ASYMMETRY_FLOOR) / (target + _ASYMMETRY_FLOOR)
    factor = ratio**_ASYMMETRY_EXPONENT
    factor = jnp.where(factor < _MIN_ASYMMETRY, 0, jnp.minimum(factor, _MAX_ASYMMETRY))
    width = _bands(sample_rate)[3]
    symmetric = jnp.sqrt(NUM_BANDS * width**3 * jnp.sum(audible**2, 1) + 1e-6)
    asymmetric = width * jnp.sum(audible * factor, 1)
    # faint frames weigh a little more
    weight = ((jnp.sum(target, 1) + 1e5) / 1e7) ** -0.04
    return (
        _SYMMETRIC_WEIGHT * jnp.minimum(weight * symmetric, _MAX_DISTURBANCE),
        _ASYMMETRIC_WEIGHT * jnp.minimum(weight * asymmetric, _MAX_DISTURBANCE),
    )


def _loudness(power, sample_rate):
    """Loudness in sone of band powers (frames, bands), 0 below the threshold."""
    _, threshold, exponent, _ = _bands(sample_rate)
    sone = (0.5 + 0.5 * power / threshold) ** exponent - 1
    scale = _LOUDNESS * (threshold / 0.5) ** exponent
    return jnp.where(power > threshold, scale * sone, 0)


def _aggregate(disturbance, valid):
    """L6 norm of (frames,) over each syllable, then the root mean square of these."""
    half = _SYLLABLE // 2
    padding = (0, half + -len(disturbance) % half)
    powers = jnp.pad(jnp.where(valid, disturbance, 0) ** 6, padding)
    sums, counts = (
        x.reshape(-1, half).sum(1) for x in (powers, jnp.pad(valid, padding))
    )
    # a syllable without a second half counts only if it is the first
    whole = (counts[1:] > 0) | (jnp.arange(len(sums) - 1) == 0)
    means = (sums[:-1] + sums[1:]) / jnp.maximum(counts[:-1] + counts[1:], 1)
    return jnp.sqrt(jnp.mean((means + 1e-9) ** (1 / 3), where=whole))


@functools.cache
def _bands(sample_rate):
    """Bark bands (Schroeder 1977) at a sample rate.

    Returns:
      Matrix from bins to bands (bins, bands), hearing threshold as a power (Terhardt
      1979) and loudness exponent of each band, (1, bands) each, and the width in Bark.
    """
    frequencies = np.arange(WINDOW // 2 + 1) * sample_rate / WINDOW
    bark = 7 * np.arcsinh(frequencies / 650)
    edges = np.linspace(bark[1] / 2, bark[-1] + 1e-6, NUM_BANDS + 1)
    member = (bark[:, None] >= edges[:-1]) & (bark[:, None] < edges[1:])
    bands = _CALIBRATION * member / np.maximum(member.sum(0), 1)
    centres = (edges[None, 1:] + edges[None, :-1]) / 2
    khz = 0.65 * np.sinh(centres / 7)
    threshold_db = (
        3.64 * khz**-0.8 - 6.5 * np.exp(-0.6 * (khz - 3.3) ** 2) + 1e-3 * khz**4
    )
    # loudness of low bands grows faster
    exponent = _ZWICKER_POWER * np.clip(6 / (centres + 2), 1, 2) ** 0.15
    arrays = (bands, 10 ** (threshold_db / 10), exponent)
    return *(x.astype(np.float32) for x in arrays), edges[1] - edges[0]
