"""Negative signal-to-noise ratios of the waveform, as a whole and frame by frame.

Unlike squared errors they weigh loud and faint signals alike. Values are logarithms to
base 10 of error over target energy: 0.1 times the negative ratio in dB.
"""

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

# Errors 40 dB below the target have no gradient any more.
_RATIO_FLOOR = 1e-4
_POWER_FLOOR = 1e-8

# Samples of a segment, and its floor relative to the mean power of the target: -70 dB.
SEGMENT = 512
_SEGMENT_FLOOR = 1e-7


def negative_snr(
    estimate: Float[Array, " samples"],
    target: Float[Array, " samples"],
    num_samples: Int[ArrayLike, ""],
    sample_rate: int,
) -> Float[Array, ""]:
    """Negative SNR of the first `num_samples` samples, in units of 10 dB."""
    del sample_rate
    valid = jnp.arange(target.shape[0]) < num_samples
    power = jnp.sum(target**2, where=valid) + _POWER_FLOOR * num_samples
    error = jnp.sum((estimate - target) ** 2, where=valid)
    return jnp.log10(error / power + _RATIO_FLOOR)


def negative_segmental_snr(
    estimate: Float[Array, " samples"],
    target: Float[Array, " samples"],
    num_samples: Int[ArrayLike, ""],
    sample_rate: int,
) -> Float[Array, ""]:
    """Mean over segments of their negative SNR, in units of 10 dB.

    Segments have `SEGMENT` samples and do not overlap. Pauses of the target count as
    much as speech, which penalises residual noise in them.
    """
    del sample_rate
    valid = jnp.arange(target.shape[0]) < num_samples
    padding = (0, -target.shape[0] % SEGMENT)
    power, error = (
        jnp.sum(jnp.pad(jnp.where(valid, x**2, 0), padding).reshape(-1, SEGMENT), 1)
        for x in (target, estimate - target)
    )
    floor = _SEGMENT_FLOOR * jnp.sum(power) * SEGMENT / num_samples + _POWER_FLOOR
    ratios = jnp.log10((error + floor) / (power + floor) + _RATIO_FLOOR)
    return jnp.mean(ratios, where=jnp.arange(len(ratios)) * SEGMENT < num_samples)
