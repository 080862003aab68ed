"""Time coordinates of samples: where a SIREN is evaluated."""

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int


def time_coords(
    index: Float[ArrayLike, "*shape"],
    num_samples: Int[ArrayLike, ""],
    rule: str,
    sample_rate: int,
) -> Float[Array, "*shape"]:
    """Coordinates of sample positions of one clip.

    Args:
      index: Sample positions; fractions lie between samples.
      num_samples: Length of the clip.
      rule: "unit": the first sample is at -1 and the last at 1, both included
        (Sitzmann et al. 2020). "seconds": seconds from the middle of the clip.
      sample_rate: In Hz; only "seconds" uses it.

    Returns:
      float32 coordinates. The one sample of a clip of length 1 lies half a sample before 0
      in seconds and at -1 in "unit".
    """
    last = jnp.maximum(jnp.asarray(num_samples, jnp.float32) - 1, 1)
    if rule == "unit":
        return 2 * index / last - 1
    if rule == "seconds":
        return (index - last / 2) / sample_rate
    raise ValueError(f"unknown coordinate rule {rule!r}")
