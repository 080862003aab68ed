"""Losses of single samples: squared, absolute and smooth absolute error."""

from collections.abc import Callable

import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from inr_jax.configs.fitting import LossWeights

# Loss of each sample. The corner of smooth L1 lies at 1: on samples in [-1, 1] it is
# half the squared error.
PER_SAMPLE: dict[str, Callable] = {
    "mse": lambda estimate, target: (estimate - target) ** 2,
    "l1": lambda estimate, target: jnp.abs(estimate - target),
    "smooth_l1": optax.huber_loss,
}


def per_sample(
    estimate: Float[Array, " samples"],
    target: Float[Array, " samples"],
    weights: LossWeights,
) -> Float[Array, " samples"]:
    """Weighted sum of the pointwise losses at each sample."""
    loss = jnp.zeros_like(target)
    for name, function in PER_SAMPLE.items():
        if weight := getattr(weights, name):
            loss += weight * function(estimate, target)
    return loss


def mse(
    estimate: Float[Array, " samples"],
    target: Float[Array, " samples"],
    num_samples: Int[ArrayLike, ""],
    sample_rate: int,
) -> Float[Array, ""]:
    """Mean squared error of the first `num_samples` samples."""
    del sample_rate
    return _mean(PER_SAMPLE["mse"](estimate, target), num_samples)


def l1(
    estimate: Float[Array, " samples"],
    target: Float[Array, " samples"],
    num_samples: Int[ArrayLike, ""],
    sample_rate: int,
) -> Float[Array, ""]:
    """Mean absolute error of the first `num_samples` samples."""
    del sample_rate
    return _mean(PER_SAMPLE["l1"](estimate, target), num_samples)


def smooth_l1(
    estimate: Float[Array, " samples"],
    target: Float[Array, " samples"],
    num_samples: Int[ArrayLike, ""],
    sample_rate: int,
) -> Float[Array, ""]:
    """Mean smooth L1 (Huber) loss of the first `num_samples` samples."""
    del sample_rate
    return _mean(PER_SAMPLE["smooth_l1"](estimate, target), num_samples)


def _mean(loss, num_samples):
    return jnp.sum(loss, where=jnp.arange(len(loss)) < num_samples) / num_samples
