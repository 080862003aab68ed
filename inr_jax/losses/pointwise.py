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


def _mean_of(function: Callable) -> Callable:
    """The mean of a loss of each sample over the first `num_samples`."""

    def loss(
        estimate: Float[Array, " samples"],
        target: Float[Array, " samples"],
        num_samples: Int[ArrayLike, ""],
        sample_rate: int,
    ) -> Float[Array, ""]:
        del sample_rate
        valid = jnp.arange(len(target)) < num_samples
        return jnp.sum(function(estimate, target), where=valid) / num_samples

    return loss


# Mean squared error, mean absolute error, mean smooth L1 (Huber) loss.
mse, l1, smooth_l1 = (_mean_of(PER_SAMPLE[name]) for name in ("mse", "l1", "smooth_l1"))
