"""HyperGain as ONNX models: a causal one hop by hop, any one for whole signals.

Sound is (channels, samples); linked channels have one field, as everywhere.
"""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

import inr_jax
from inr_jax.io import jax_to_onnx
from inr_jax.models import hyper_gain, hyper_gain_stream
from inr_jax.models.hyper_gain import HyperGain

if TYPE_CHECKING:
    import onnx

_LICENCE = "Apache-2.0"


def stream(
    model: HyperGain, params: Any, sample_rate: int, channels: int = 1
) -> "onnx.ModelProto":
    """The step of a stream: `block` and states go in, `estimate` and new states come out.

    Both are (channels, hop); the estimate is of the block before. The state NAME comes
    out as `next_NAME`; all are zeros at first.

    Raises:
      ValueError: the network looks ahead.
      InputError: the package onnx is not installed.
    """
    config = model.config
    hop = hyper_gain.window_of(sample_rate, config) // 2
    state = hyper_gain_stream.init(config, hop, channels)
    leaves, tree = jax.tree_util.tree_flatten_with_path(state)
    states = {}  # complex ones in two parts
    for path, x in leaves:
        name = jax.tree_util.keystr(path, simple=True, separator="_")
        parts = ("_real", "_imag") if jnp.iscomplexobj(x) else ("",)
        shape = jax.ShapeDtypeStruct(x.shape, jnp.float32)
        states.update((f"{name}{part}", shape) for part in parts)

    def step(block, *given):
        given = iter(given)
        old = [
            jax.lax.complex(next(given), next(given))
            if jnp.iscomplexobj(x)
            else next(given)
            for _, x in leaves
        ]
        new, estimate = hyper_gain_stream.step(
            params, jax.tree.unflatten(tree, old), block.T, config
        )
        parts = [
            part
            for x in jax.tree.leaves(new)
            for part in ((x.real, x.imag) if jnp.iscomplexobj(x) else (x,))
        ]
        return [estimate.T, *parts]

    block = jax.ShapeDtypeStruct((channels, hop), jnp.float32)
    return jax_to_onnx.convert(
        step,
        {"block": block, **states},
        ["estimate", *(f"next_{name}" for name in states)],
        {
            **_metadata(sample_rate, channels, hop),
            "delay": hop,
            "latency_samples": 2 * hop - 1,
            "states": ",".join(states),
        },
    )


def whole(
    model: HyperGain, params: Any, sample_rate: int, channels: int, samples: int
) -> "onnx.ModelProto":
    """A whole signal at once: `noisy` and `num_samples` go in, `estimate` comes out.

    Both signals are (channels, samples), of which `num_samples` count; what is behind them
    must be zeros. The running means over the signal fix its length.

    Raises:
      InputError: the package onnx is not installed.
    """
    window = hyper_gain.window_of(sample_rate, model.config)

    def denoise(noisy, num_samples):
        return [hyper_gain.denoise(model, params, noisy.T, window, num_samples).T]

    inputs = {
        "noisy": jax.ShapeDtypeStruct((channels, samples), jnp.float32),
        "num_samples": jax.ShapeDtypeStruct((), jnp.int32),
    }
    metadata = _metadata(sample_rate, channels, window // 2)
    return jax_to_onnx.convert(denoise, inputs, ["estimate"], metadata)


def _metadata(sample_rate, channels, hop):
    return {
        "model": "hyper_gain",
        "sample_rate": sample_rate,
        "channels": channels,
        "hop": hop,
        "license": _LICENCE,
        "version": inr_jax.__version__,
    }
