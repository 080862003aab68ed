"""Differentiable losses between an estimated and a target signal."""

from inr_jax.losses.pointwise import per_sample
from inr_jax.losses.weighted import LOSSES, terms, total

__all__ = ["LOSSES", "per_sample", "terms", "total"]
