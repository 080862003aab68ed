"""A causal HyperGain hop by hop: a pure step over pytrees, for `jit` and `vmap`.

The estimate of a stream is that of the whole signal, by `hyper_gain.denoise`, one hop
later: a sample is complete when the second of the two frames that it lies in is there.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from inr_jax.audio.stream import LOUDEST
from inr_jax.configs.hyper_gain import FILTER_TAPS, HyperGainConfig
from inr_jax.dsp.stft import sine_window
from inr_jax.models import hyper_gain
from inr_jax.models.hyper_gain import HyperGain


class State(NamedTuple):
    """State of a stream between hops.

    Attributes:
      samples: The last hop of its input.
      spectra: The last frames of its STFT, for the deep filter.
      history: Of the network.
      overlap: The second half of the last frame of its estimate.
    """

    samples: Float[Array, "hop channels"]
    spectra: Complex[Array, "frames bins channels"]
    history: Any
    overlap: Float[Array, "hop channels"]


def init(config: HyperGainConfig, hop: int, channels: int = 1) -> State:
    """The state before the first hop.

    Args:
      config: Of a causal network.
      hop: Samples, half of `hyper_gain.window_of`.
      channels: Linked, by one field.

    Raises:
      ValueError: the network looks ahead.
    """
    if not config.causal:
        raise ValueError("a stream needs a causal network")
    power = jax.ShapeDtypeStruct((1, _num_bins(config, hop)), jnp.float32)
    model = HyperGain(config, streaming=True)
    shapes = jax.eval_shape(model.init, jax.random.key(0), power)["history"]
    zeros = jnp.zeros((hop, channels))
    return State(
        zeros,
        jnp.zeros((FILTER_TAPS - 1, hop + 1, channels), jnp.complex64),
        jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes),
        zeros,
    )


def step(
    params: Any,
    state: State,
    block: Float[Array, "hop channels"],
    config: HyperGainConfig,
) -> tuple[State, Float[Array, "hop channels"]]:
    """The next hop of a stream.

    Args:
      params: Weights of the network.
      state: After the hop before.
      block: Noisy samples of any level below `LOUDEST`; what is above, infinite or NaN
        counts as silence.
      config: Of the network.

    Returns:
      The state, and the estimate of the block before.
    """
    hop = len(block)
    window = sine_window(2 * hop)[:, None]
    # false of NaN as well
    block = jnp.where(jnp.abs(block) < LOUDEST, block, 0)
    frame = jnp.concatenate([state.samples, block]) * window
    spectra = jnp.concatenate([state.spectra, jnp.fft.rfft(frame, axis=0)[None]])
    power = jnp.mean(spectra[-1].real ** 2 + spectra[-1].imag ** 2, axis=-1)[None]
    missing = _num_bins(config, hop) - power.shape[1]
    model = HyperGain(config, streaming=True)
    field, changed = model.apply(
        {**params, "history": state.history},
        jnp.pad(power, ((0, 0), (0, missing))),
        mutable=["history"],
    )
    outputs = model.on_bins(field, hop + 1)
    enhanced = jax.vmap(
        lambda x: hyper_gain.enhance(x, outputs, config), in_axes=-1, out_axes=-1
    )(spectra)
    frame = jnp.fft.irfft(enhanced[0], 2 * hop, axis=0) * window
    new = State(block, spectra[1:], changed["history"], frame[hop:])
    return new, state.overlap + frame[:hop]


def _num_bins(config, hop):
    """Bins that the network is given: at least those of its cells."""
    return max(hop + 1, config.field.num_cells * config.field.cell_bins)
