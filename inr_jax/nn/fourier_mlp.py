"""NeRF-style target network: sines of fixed frequencies, then a ReLU perceptron.

As HyperSound's released code has it (Szatkowski et al. 2022, arXiv 2211.01839): features
sin(pi 2^k t), then cos(pi 2^k t), k = 0 .. 9, without t itself. Weights are plain data in
the form of `inr_jax.nn.siren`.
"""

import jax
import jax.numpy as jnp
import numpy as np

from inr_jax.nn.siren import Params

NUM_FREQUENCIES = 10
NUM_FEATURES = 2 * NUM_FREQUENCIES


def apply(params: Params, coords: jax.Array) -> jax.Array:
    """Values (samples, out) of one network at coordinates (samples, 1)."""
    angles = coords * (np.pi * 2.0 ** np.arange(NUM_FREQUENCIES))[None].astype(
        np.float32
    )
    x = jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=1)
    *hidden, last = params
    for layer in hidden:
        x = jax.nn.relu(x @ layer["kernel"] + layer["bias"][None])
    return x @ last["kernel"] + last["bias"][None]
