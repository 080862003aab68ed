"""SIREN: a multilayer perceptron with sine activations, as two pure functions.

Sitzmann et al., "Implicit Neural Representations with Periodic Activation Functions",
NeurIPS 2020 (arXiv 2006.09661). The weights are plain data: a list with one
`{"kernel": (in, out), "bias": (out,)}` for each layer, float32.
"""

import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key

from inr_jax.configs.fitting import SirenConfig
from inr_jax.nn.sine import fast_sin
from inr_jax.parallel.compute import STANDARD, ComputeConfig

_SINES = {"polynomial": fast_sin, "jnp": jnp.sin}
Params = list[dict[str, ArrayLike]]


def init(
    key: Key[Array, ""], config: SirenConfig, in_dim: int = 1, out_dim: int = 1
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
        shapes = (kernel_key, (fan_in, fan_out)), (bias_key, (fan_out,))
        kernel, bias = (
            jax.random.uniform(*of, jnp.float32, minval=-1, maxval=1) for of in shapes
        )
        layers.append({"kernel": kernel * bound, "bias": bias * fan_in**-0.5})
    return layers


def apply(
    params: Params,
    coords: Float[ArrayLike, "samples in_dim"],
    config: SirenConfig,
    compute: ComputeConfig = STANDARD,
) -> Float[Array, "samples out_dim"]:
    """Values of one SIREN at coordinates; vmap over networks.

    Each sine layer is sin(omega (W x + b)); the last layer is linear, so values are
    unbounded. The first product is always in full float32: its phases reach thousands
    of radians, where the rounding error of TF32 or bfloat16 exceeds a period.

    Args:
      params: As from `init`, with the same `config`.
      coords: Where to evaluate the network.
      config: Frequencies.
      compute: Sine and precision.
    """
    first, *hidden, last = params
    activation = _activation(compute.sine)
    x = activation(
        config.first_omega * _linear(first, jnp.asarray(coords).T, "float32")
    )
    for layer in hidden:
        x = activation(
            config.hidden_omega * _linear(layer, x, compute.hidden_precision)
        )
    return _linear(last, x, "float32").T


def _activation(name):
    # The cosine of the backward pass is cheaper to recompute than to store.
    return jax.checkpoint(_SINES[name], prevent_cse=False)


def _linear(layer, x, precision: str) -> jax.Array:
    return _affine(layer["kernel"], layer["bias"], x, precision)


@functools.partial(jax.custom_jvp, nondiff_argnums=(3,))
def _affine(kernel, bias, x, precision):
    """kernel.T @ x + bias on (features, samples), in the form fastest on a CPU.

    No product of the forward and the backward pass has a transposed first factor:
    forward the small kernel is transposed in memory, and the tangent below transposes
    into kernel @ gradient. The bias is a product with ones there, since its gradient,
    a sum over samples, runs faster as one.
    """
    return _dot(jax.lax.optimization_barrier(kernel.T), x, precision) + bias[:, None]


@_affine.defjvp
def _affine_jvp(precision, primals, tangents):
    kernel, bias, x = primals
    kernel_dot, bias_dot, x_dot = tangents
    ones = jnp.ones((1, x.shape[1]), jnp.float32)
    return _affine(kernel, bias, x, precision), (
        _dot(kernel_dot.T, x, precision)
        + _dot(kernel.T, x_dot, precision)
        + _dot(bias_dot[:, None], ones, "float32")
    )


def _dot(a: jax.Array, b: jax.Array, precision: str) -> jax.Array:
    if precision == "bfloat16":
        a, b = a.astype(jnp.bfloat16), b.astype(jnp.bfloat16)
        return jnp.dot(a, b, preferred_element_type=jnp.float32)
    return jnp.dot(a, b, precision=precision)


def num_params(params: Any) -> int:
    """Number of weights and biases in a pytree of arrays or of their shapes."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))
