"""HyperGain: a hypernetwork that emits a gain field from noisy speech.

After HyperSound (Szatkowski et al. 2022, arXiv 2211.01839), which emits the weights of
a coordinate network of time for each clip; here the emitted network is a gain over time
and frequency (`nn.gain_field`).

Features are powers relative to a running mean power, which ignores frames of digital
silence: the estimate is exactly proportional to the input. Dilated 2-D convolutions
over frames and cells, with a learned positional embedding of the cell, process local
structure; between them ConvNeXt blocks (Liu et al. 2022, arXiv 2201.03545) see the full
band over a second.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Complex, Float, Int

from inr_jax.configs.hyper_gain import FILTER_TAPS, HyperGainConfig
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
        levels = features(
            spectrum[:, :bins], config.field.cell_bins, config.level_frames, valid
        )
        x = self._trunk(levels, valid)
        # skip connection from the features
        x = jnp.concatenate([x, levels], axis=2)
        x = nn.relu(nn.Dense(2 * config.channels, name="perceptron")(x))
        hidden, outputs = config.field.hidden, config.field.outputs
        weights = nn.Dense(
            outputs * hidden, kernel_init=_normal(0.3, 100), name="weights"
        )
        bias = nn.Dense(outputs, kernel_init=_normal(0.5, 100), name="bias")
        return GainField(
            self.param("frequencies", lambda _: gain_field.initial_frequencies(hidden)),
            nn.Dense(hidden, name="phases")(x),
            weights(x).reshape(*x.shape[:2], outputs, hidden),
            bias(x),
        )

    def _trunk(self, levels, valid):
        """(frames, cells, channels) from features (frames, cells, n)."""
        config = self.config
        x = self._convolve(levels, valid, 1, "embed")
        x += self.param("position", _normal(0.1, 1), x.shape[1:])[None]
        for i, dilations in enumerate(config.dilations_before):
            x += self._pair(x, valid, dilations, f"before_{i}")
        x += self._full_band(x, levels, valid)
        for i, dilations in enumerate(config.dilations_after):
            x += self._pair(x, valid, dilations, f"after_{i}")
        return _activate(x, "trunk_norm")

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
        """ConvNeXt blocks over whole frames, projected to (frames, cells, channels)."""
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
        frames = nn.RMSNorm(name="spread_norm")(frames)
        size = x.shape[1] * x.shape[2]
        return nn.Dense(size, name="spread")(frames).reshape(x.shape)


def denoise(
    model: HyperGain,
    params: Any,
    noisy: Float[Array, " samples"],
    window: int,
    num_samples: Int[ArrayLike, ""] | None = None,
) -> Float[Array, " samples"]:
    """The estimate of a noisy signal of any rate and level.

    Args:
      model: The hypernetwork.
      params: Its weights.
      noisy: Its STFT has `field.bin_hz` by this `window`.
      window: Samples, even; see `window_of`.
      num_samples: Of the signal, behind which there is padding; all by default.
    """
    hop, window = window // 2, sine_window(window)
    spectrum = stft(noisy, window, hop)
    valid = None
    if num_samples is not None:  # the frames that a signal without padding would have
        valid = hop * (jnp.arange(len(spectrum)) - 1) < num_samples
    bins = model.config.field.num_cells * model.config.field.cell_bins
    missing = max(0, bins - spectrum.shape[1])  # of rates below the field's
    known = jnp.pad(spectrum, ((0, 0), (0, missing)))
    field = model.apply(params, known, valid)
    outputs = outputs_on_bins(field, spectrum.shape[1], model.config)
    return istft(enhance(spectrum, outputs), window, hop, len(noisy))


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


def outputs_on_bins(
    field: GainField, num_bins: int, config: HyperGainConfig
) -> Float[Array, "frames {num_bins} outputs"]:
    """Outputs of a field on the STFT that it was emitted for."""
    outputs = gain_field.on_bins(field, config.field)
    # constant above the last cell
    above = max(num_bins - outputs.shape[1], 0)
    return jnp.pad(outputs, ((0, 0), (0, above), (0, 0)), mode="edge")[:, :num_bins]


def features(
    spectrum: Complex[Array, "frames bins"],
    cell_bins: int,
    level_frames: int,
    valid: Bool[Array, " frames"] | None = None,
) -> Float[Array, "frames cells features"]:
    """Input features, 2 * cell_bins of each cell, invariant to the scale of the signal.

    Log powers relative to a running level, and the same minus their running mean over
    time in each bin, which removes stationary spectra.
    """
    power = spectrum.real**2 + spectrum.imag**2
    near = _running_weights(len(power), level_frames)
    if valid is not None:
        near *= valid[None]
    level, active = _level(power, near)
    levels = _SCALE * (jnp.log10(power / level + _FLOOR) + _CENTRE)
    mean = near @ (levels * active) / jnp.maximum(near @ active, 1e-3)
    cells = [x.reshape(len(x), -1, cell_bins) for x in (levels, levels - mean)]
    return jnp.concatenate(cells, axis=2)


def _level(power, near):
    """Running mean power of the frames that are not silent, and a mask of these.

    Both (frames, 1), the mask of zeros and ones.
    """
    power = jnp.mean(power[:, _LOWEST_BIN:], axis=1, keepdims=True)
    mean = near @ power / jnp.maximum(jnp.sum(near, axis=1, keepdims=True), 1e-3)
    active = (power > _SILENCE * mean).astype(power.dtype)
    level = near @ (power * active) / jnp.maximum(near @ active, 1e-3)
    return jnp.maximum(level, 1e-30), active


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
