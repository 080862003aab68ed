"""Weighted sums of losses, each chosen by its field of `LossWeights`.

A loss takes `(estimate, target, num_samples, sample_rate)` of one signal, samples in
[-1, 1] with padding behind the first `num_samples`. All have finite values and
gradients on silence and where both signals are equal.
"""

import dataclasses
from collections.abc import Callable

from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from inr_jax.configs.fitting import LossWeights
from inr_jax.losses import pointwise, snr, spectral
from inr_jax.losses.pmsqe import pmsqe
from inr_jax.losses.stoi import negative_stoi

LOSSES: dict[str, Callable] = {
    "mse": pointwise.mse,
    "l1": pointwise.l1,
    "smooth_l1": pointwise.smooth_l1,
    "stft": spectral.multi_resolution_stft,
    "mel": spectral.multi_resolution_mel,
    "compressed": spectral.compressed_spectrum,
    "snr": snr.negative_snr,
    "segmental": snr.negative_segmental_snr,
    "disturbance": pmsqe,
    "stoi": negative_stoi,
}


def terms(
    estimate: Float[Array, " samples"],
    target: Float[Array, " samples"],
    num_samples: Int[ArrayLike, ""],
    sample_rate: int,
    weights: LossWeights,
) -> dict[str, Float[Array, ""]]:
    """Weighted losses by name; those of weight 0 are left out.

    Args:
      estimate: (samples,).
      target: (samples,).
      num_samples: Valid samples; what follows is padding.
      sample_rate: In Hz.
      weights: Of each loss.
    """
    return {
        name: weight * LOSSES[name](estimate, target, num_samples, sample_rate)
        for name, weight in dataclasses.asdict(weights).items()
        if weight
    }


def total(
    estimate: Float[Array, " samples"],
    target: Float[Array, " samples"],
    num_samples: Int[ArrayLike, ""],
    sample_rate: int,
    weights: LossWeights,
) -> Float[Array, ""]:
    """Sum of `terms`."""
    return sum(terms(estimate, target, num_samples, sample_rate, weights).values())
