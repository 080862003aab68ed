"""HyperGain: a hypernetwork that emits a gain field from noisy speech.

After HyperSound (Szatkowski et al. 2022, arXiv 2211.01839), which emits the weights of
a coordinate network of time for each clip; here the emitted network is a gain over time
and frequency (`nn.gain_field`).

Features are powers relative to a running mean power, which ignores frames of digital
silence: the estimate is exactly proportional to the input. Dilated 2-D convolutions
over frames and cells, with a learned positional embedding of the cell, process local
structure; between them ConvNeXt blocks (Liu et al. 2022, arXiv 2201.03545) see all cells
over a second. The bands above the cells follow from both and from their own powers.
"""

import itertools
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Complex, Float, Int

from inr_jax.configs.hyper_gain import FILTER_TAPS, FieldConfig, HyperGainConfig
from inr_jax.dsp.stft import istft, sine_window, stft
from inr_jax.nn import gain_field
from inr_jax.nn.gain_field import GainField

# Floor of the relative power, -80 dB; centre and scale make features of order 1.
_FLOOR, _CENTRE, _SCALE = 1e-8, 3.0, 0.5
# The level ignores bins below 94 Hz (rumble, offsets) and frames 50 dB below the mean
# (silence).
_LOWEST_BIN, _SILENCE = 3, 1e-5
# Kernel size of the full-band blocks in frames, and channels per cell at their input.
_KERNEL, _SQUEEZED = 5, 8
# Hidden units of the perceptron of the bands above the cells.
_HIGHS_HIDDEN = 64


class RunningLevel(NamedTuple):
    """The level that features are relative to.

    Attributes:
      weights: Of the running mean, of each frame in that of each other.
      level: Mean power of the frames that are not silent.
      active: 1 for these frames, 0 for silent ones.
    """

    weights: Float[Array, "frames frames"]
    level: Float[Array, "frames 1"]
    active: Float[Array, "frames 1"]


class HyperGain(nn.Module):
    """Maps the STFT of one signal to a gain field; lift it with `jax.vmap`."""

    config: HyperGainConfig

    @nn.compact
    def __call__(
        self,
        spectrum: Complex[Array, "frames bins"],
        valid: Bool[Array, " frames"] | None = None,
    ) -> GainField:
        """The gain field of a noisy signal.

        Args:
          spectrum: STFT of any scale, with `field.hop_s` and `field.bin_hz`; bins
            beyond the field's cells are ignored.
          valid: False for frames of padding, which must be zeros; all are valid by
            default.
        """
        config = self.config
        bins = config.field.num_cells * config.field.cell_bins
        running = running_level(spectrum[:, :bins], config.level_frames, valid)
        both = features(_power(spectrum[:, :bins]), running)
        shape = (len(spectrum), config.field.num_cells, config.field.cell_bins)
        cells = jnp.concatenate([levels.reshape(shape) for levels in both], axis=2)
        x, frames = self._trunk(cells, valid)
        # skip connection from the features
        y = jnp.concatenate([x, cells], axis=2)
        y = nn.relu(nn.Dense(2 * config.channels, name="perceptron")(y))
        hidden, outputs = config.field.hidden, config.field.outputs
        weights = nn.Dense(
            outputs * hidden, kernel_init=_normal(0.3, 100), name="weights"
        )
        bias = nn.Dense(outputs, kernel_init=_normal(0.5, 100), name="bias")
        return GainField(
            self.param("frequencies", lambda _: gain_field.initial_frequencies(hidden)),
            nn.Dense(hidden, name="phases")(y),
            weights(y).reshape(*y.shape[:2], outputs, hidden),
            bias(y),
            Highs(config.field, name="highs")(spectrum, running, x, frames),
        )

    def _trunk(self, levels, valid):
        """(frames, cells, channels) and (frames, n) from features (frames, cells, n)."""
        config = self.config
        x = self._convolve(levels, valid, 1, "embed")
        x += self.param("position", _normal(0.1, 1), x.shape[1:])[None]
        for i, dilations in enumerate(config.dilations_before):
            x += self._pair(x, valid, dilations, f"before_{i}")
        frames = self._full_band(x, levels, valid)
        spread = nn.Dense(x.shape[1] * x.shape[2], name="spread")(frames)
        x += spread.reshape(x.shape)
        for i, dilations in enumerate(config.dilations_after):
            x += self._pair(x, valid, dilations, f"after_{i}")
        return _activate(x, "trunk_norm"), frames

    def _pair(self, x, valid, dilations, name):
        first, second = dilations
        y = self._convolve(_activate(x, f"{name}_norm"), valid, first, f"{name}_first")
        return self._convolve(nn.relu(y), valid, second, f"{name}_second")

    def _convolve(self, x, valid, dilation, name):
        """3 x 3 convolution of (frames, cells, channels), zero-padded."""
        channels = self.config.channels
        fan_in = 9 * x.shape[2]
        kernel = self.param(name, _normal(1.0, fan_in), (3, 3, x.shape[2], channels))
        bias = self.param(f"{name}_bias", nn.initializers.zeros, (channels,))
        y = lax.conv_general_dilated(
            _masked(x, valid)[None],
            kernel,
            window_strides=(1, 1),
            padding=[(dilation, dilation), (1, 1)],
            rhs_dilation=(dilation, 1),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        return y[0] + bias[None, None]

    def _full_band(self, x, levels, valid):
        """ConvNeXt blocks over all cells: (frames, n)."""
        config = self.config
        num_frames, width = len(x), config.frame_channels
        squeezed = nn.Dense(_SQUEEZED, name="squeeze")(_activate(x, "squeeze_norm"))
        frames = jnp.concatenate([levels, squeezed], axis=2).reshape(num_frames, -1)
        frames = nn.Dense(width, name="stem")(frames)
        for i, dilation in enumerate(config.frame_dilations):
            taps = self.param(f"taps_{i}", _normal(1.0, _KERNEL), (_KERNEL, width))
            y = _depthwise(_masked(frames, valid), taps, dilation)
            y = nn.RMSNorm(name=f"frames_norm_{i}")(y)
            y = nn.relu(nn.Dense(2 * width, name=f"up_{i}")(y))
            frames += nn.Dense(width, name=f"down_{i}")(y)
        return nn.RMSNorm(name="spread_norm")(frames)


class Highs(nn.Module):
    """The gates above the cells: of what is there, and of what is known of the cells."""

    config: FieldConfig

    @nn.compact
    def __call__(
        self,
        spectrum: Complex[Array, "frames bins"],
        running: RunningLevel,
        cells: Float[Array, "frames cells channels"],
        frames: Float[Array, "frames n"],
    ) -> Float[Array, "frames bands"]:
        """Logits at the centres of the bands.

        Args:
          spectrum: Of the noisy signal; bins that it has not got are silent.
          running: Its level.
          cells: What the network knows of each cell; the upper half is used.
          frames: What it knows of each frame.
        """
        edges = self.config.high_edges
        if not edges:
            return jnp.zeros((len(spectrum), 0))
        missing = max(0, edges[-1] - spectrum.shape[1])
        spectrum = jnp.pad(spectrum, ((0, 0), (0, missing)))
        bands = [spectrum[:, low:high] for low, high in itertools.pairwise(edges)]
        power = jnp.stack([jnp.mean(_power(band), axis=1) for band in bands], axis=1)
        levels = jnp.concatenate(features(power, running), axis=1)
        levels = jnp.pad(levels, ((1, 1), (0, 0)))
        upper = jnp.mean(cells[:, cells.shape[1] // 2 :], axis=1)
        near = [levels[i : i + len(frames)] for i in range(3)]
        x = jnp.concatenate([*near, upper, frames], axis=1)
        x = nn.relu(nn.Dense(_HIGHS_HIDDEN, name="hidden")(x))
        return nn.Dense(len(bands), kernel_init=_normal(0.3, 100), name="gates")(x)


def denoise(
    model: HyperGain,
    params: Any,
    noisy: Float[Array, " samples *channels"],
    window: int,
    num_samples: Int[ArrayLike, ""] | None = None,
) -> Float[Array, " samples *channels"]:
    """The estimate of a noisy signal of any rate and level.

    Args:
      model: The hypernetwork.
      params: Its weights.
      noisy: Its STFT has `field.bin_hz` by this `window`; linked channels have one field,
        of their mean power.
      window: Samples, even; see `window_of`.
      num_samples: Of the signal, behind which there is padding; all by default.
    """
    hop, window = window // 2, sine_window(window)
    channels = noisy.reshape(len(noisy), -1).T
    spectra = jax.vmap(lambda x: stft(x, window, hop))(channels)
    spectrum = spectra[0]
    if len(spectra) > 1:  # the field depends on powers alone
        power = jnp.mean(_power(spectra), axis=0)
        spectrum = lax.complex(jnp.sqrt(power), jnp.zeros_like(power))
    valid = None
    if num_samples is not None:  # the frames that a signal without padding would have
        valid = hop * (jnp.arange(len(spectrum)) - 1) < num_samples
    bins = model.config.field.num_cells * model.config.field.cell_bins
    missing = max(0, bins - spectrum.shape[1])  # of rates below the field's
    field = model.apply(params, jnp.pad(spectrum, ((0, 0), (0, missing))), valid)
    outputs = gain_field.on_bins(field, spectrum.shape[1], model.config.field)
    estimates = jax.vmap(
        lambda x: istft(enhance(x, outputs), window, hop, len(noisy)), out_axes=1
    )(spectra)
    return estimates.reshape(noisy.shape)


def window_of(sample_rate: int, config: HyperGainConfig) -> int:
    """Samples of a window at a rate: two hops of the field, fast to transform."""
    hop = config.field.hop_s * sample_rate
    near = range(round(0.995 * hop), round(1.005 * hop) + 1)
    return 2 * min(near, key=lambda size: (not _is_smooth(size), abs(size - hop)))


def _is_smooth(size):
    """Whether it has small prime factors alone."""
    for prime in (2, 3, 5, 7, 11, 13):
        while size % prime == 0:
            size //= prime
    return size == 1


def enhance(
    spectrum: Complex[Array, "frames bins"],
    outputs: Float[Array, "frames bins outputs"],
) -> Complex[Array, "frames bins"]:
    """The STFT of the estimate: gate and deep filter applied to the noisy one.

    Args:
      spectrum: Of the noisy signal.
      outputs: Of a gain field on these frames and bins; see `nn.gain_field`.
    """
    gate, taps = gain_field.split(outputs)
    side = FILTER_TAPS // 2
    padded = jnp.pad(spectrum, ((side, side), (0, 0)))
    for i in range(FILTER_TAPS):
        spectrum += taps[..., i] * padded[i : i + len(spectrum)]
    return gate * spectrum


def running_level(
    spectrum: Complex[Array, "frames bins"],
    level_frames: int,
    valid: Bool[Array, " frames"] | None = None,
) -> RunningLevel:
    """The running level of a signal; see `HyperGain` for `valid`."""
    weights = _running_weights(len(spectrum), level_frames)
    if valid is not None:
        weights *= valid[None]
    power = jnp.mean(_power(spectrum)[:, _LOWEST_BIN:], axis=1, keepdims=True)
    mean = weights @ power / jnp.maximum(jnp.sum(weights, 1, keepdims=True), 1e-3)
    active = (power > _SILENCE * mean).astype(power.dtype)
    level = weights @ (power * active) / jnp.maximum(weights @ active, 1e-3)
    return RunningLevel(weights, jnp.maximum(level, 1e-30), active)


def features(
    power: Float[Array, "frames bands"], running: RunningLevel
) -> tuple[Float[Array, "frames bands"], Float[Array, "frames bands"]]:
    """Input features, invariant to the scale of the signal.

    Log powers relative to the running level, and the same minus their running mean over
    time in each band, which removes stationary spectra.
    """
    levels = _SCALE * (jnp.log10(power / running.level + _FLOOR) + _CENTRE)
    count = jnp.maximum(running.weights @ running.active, 1e-3)
    mean = running.weights @ (levels * running.active) / count
    return levels, levels - mean


def _power(spectrum):
    return spectrum.real**2 + spectrum.imag**2


def _running_weights(num_frames, half_width):
    """Weights (frames, frames) of a running mean with a squared-cosine window."""
    distance = np.abs(np.arange(num_frames)[:, None] - np.arange(num_frames)[None])
    angle = np.minimum(distance / (half_width + 1), 1) * np.pi / 2
    return (np.cos(angle) ** 2).astype(np.float32)


def _masked(x, valid):
    if valid is None:
        return x
    return jnp.where(valid.reshape(-1, *[1] * (x.ndim - 1)), x, 0)


def _activate(x, name):
    return nn.relu(nn.RMSNorm(name=name)(x))


def _depthwise(x, taps, dilation):
    """Depthwise convolution of (frames, channels) over frames, zero-padded."""
    side = len(taps) // 2 * dilation
    padded = jnp.pad(x, ((side, side), (0, 0)))
    return sum(
        padded[i * dilation : i * dilation + len(x)] * taps[i][None]
        for i in range(len(taps))
    )


def _normal(scale, fan_in):
    return nn.initializers.normal(scale / np.sqrt(fan_in))
