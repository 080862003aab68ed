"""SIREN: the multilayer perceptron with sine activations, as two pure functions.

Sitzmann et al., "Implicit Neural Representations with Periodic Activation Functions",
NeurIPS 2020 (arXiv 2006.09661). The weights are plain data: a list with one
`{"kernel": (in, out), "bias": (out,)}` for each layer, float32.
"""

import itertools

import jax
import jax.numpy as jnp

from inr_jax.configs import SirenConfig
from inr_jax.sine import sine

Params = list[dict[str, jax.Array]]


def init(
    key: jax.Array, config: SirenConfig, in_dim: int = 1, out_dim: int = 1
) -> Params:
    """Weights of one SIREN, drawn as in the released code of the paper.

    The first kernel is uniform within 1/fan_in, the others within
    sqrt(6/fan_in)/hidden_omega (section 3.2); biases are uniform within
    1/sqrt(fan_in), so that the first layer starts with random phases.
    """
    dims = (in_dim, *[config.width] * (config.depth + 1), out_dim)
    layers = []
    for i, (fan_in, fan_out) in enumerate(itertools.pairwise(dims)):
        kernel_key, bias_key = jax.random.split(jax.random.fold_in(key, i))
        bound = 1 / fan_in if i == 0 else (6 / fan_in) ** 0.5 / config.hidden_omega
        kernel = jax.random.uniform(kernel_key, (fan_in, fan_out), minval=-1, maxval=1)
        bias = jax.random.uniform(bias_key, (fan_out,), minval=-1, maxval=1)
        layers.append({"kernel": kernel * bound, "bias": bias * fan_in**-0.5})
    return layers


def apply(params: Params, coords: jax.Array, config: SirenConfig) -> jax.Array:
    """Values of one SIREN at coordinates; vmap over fits.

    Each sine layer is sin(omega (W x + b)); the last layer is linear, so values are
    unbounded. Products run in full float32: the phase of the first layer reaches
    thousands of radians, where TF32 or bfloat16 would lose it altogether.

    Args:
      params: As from `init`, with the same `config`.
      coords: (samples, in_dim).

    Returns:
      (samples, out_dim).
    """
    *sine_layers, last = params
    x = coords.T
    omega = config.first_omega
    for layer in sine_layers:
        x = _activation(omega * _linear(layer, x))
        omega = config.hidden_omega
    return _linear(last, x).T


def _linear(layer: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    return _product(layer["kernel"], x) + layer["bias"][:, None]


@jax.custom_jvp
def _product(kernel: jax.Array, x: jax.Array) -> jax.Array:
    """kernel.T @ x, on (features, samples), in the forms that run fastest on a CPU.

    Neither product of the forward and the backward pass has a transposed first factor:
    forward the small kernel is transposed in memory, and the tangent below transposes
    into kernel @ gradient.
    """
    return _dot(jax.lax.optimization_barrier(kernel.T), x)


@_product.defjvp
def _product_jvp(primals, tangents):
    kernel, x = primals
    kernel_dot, x_dot = tangents
    return _product(kernel, x), _dot(kernel_dot.T, x) + _dot(kernel.T, x_dot)


def _dot(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.dot(a, b, precision=jax.lax.Precision.HIGHEST)


# The cosine of the backward pass is cheaper to compute again than to keep.
_activation = jax.checkpoint(sine, prevent_cse=False)


def num_params(params: Params) -> int:
    """How many numbers the weights hold."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))
