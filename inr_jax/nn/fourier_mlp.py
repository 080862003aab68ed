"""Fourier-feature MLP: sinusoidal positional encoding, then ReLU layers.

The NeRF-style target network of HyperSound's released code (Szatkowski et al. 2022,
arXiv 2211.01839). The encoding is sin(pi 2^k t), then cos(pi 2^k t), k = 0 .. 9,
without t itself. The weights are plain data as those of `inr_jax.nn.siren`.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key

from inr_jax.nn.siren import Params

NUM_FREQUENCIES = 10
NUM_FEATURES = 2 * NUM_FREQUENCIES


def init(
    key: Key[Array, ""], width: int = 90, num_layers: int = 5, out_dim: int = 1
) -> Params:
    """Weights of one network, uniform within 1/sqrt(fan_in), biases alike.

    Args:
      key: Random key.
      width: Units of each hidden layer.
      num_layers: Hidden layers; a linear layer follows.
      out_dim: Values at each coordinate.
    """
    dims = (NUM_FEATURES, *[width] * num_layers, out_dim)
    layers = []
    for i, (fan_in, fan_out) in enumerate(itertools.pairwise(dims)):
        keys = jax.random.split(jax.random.fold_in(key, i))
        bound = fan_in**-0.5
        kernel, bias = (
            jax.random.uniform(key, shape, jnp.float32, -bound, bound)
            for key, shape in zip(keys, ((fan_in, fan_out), (fan_out,)), strict=True)
        )
        layers.append({"kernel": kernel, "bias": bias})
    return layers


def apply(
    params: Params, coords: Float[ArrayLike, "samples 1"]
) -> Float[Array, "samples out"]:
    """Values of one network at coordinates; vmap over networks."""
    frequencies = (np.pi * 2.0 ** np.arange(NUM_FREQUENCIES))[None].astype(np.float32)
    angles = coords * frequencies
    x = jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=1)
    *hidden, last = params
    for layer in hidden:
        x = jax.nn.relu(x @ layer["kernel"] + layer["bias"][None])
    return x @ last["kernel"] + last["bias"][None]
