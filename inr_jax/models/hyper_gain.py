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
from typing import Any

import flax.linen as nn
import jax
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
# Hidden units of the perceptron of the bands above the cells.
_HIGHS_HIDDEN = 64


class HyperGain(nn.Module):
    """Maps the power of one signal's STFT to a gain field; lift it with `jax.vmap`.

    A causal network may be given its frames one after the other, or a few at a time:
    then it is `streaming`, and what it must remember is the collection "history",

        field, history = model.apply({**params, **history}, power, mutable=["history"])

    which begins as zeros.
    """

    config: HyperGainConfig
    streaming: bool = False

    @nn.compact
    def __call__(
        self,
        power: Float[Array, "frames bins"],
        valid: Bool[Array, " frames"] | None = None,
    ) -> GainField:
        """The gain field of a noisy signal.

        Args:
          power: Squared magnitudes of its STFT, of any scale, with `field.hop_s` and
            `field.bin_hz`, at least as many bins as the cells have; bins above them count
            where the field has bands there.
          valid: False for frames of padding, which must be zeros; all are valid by
            default. Not for streaming.
        """
        config = self.config
        shape = (len(power), config.field.num_cells, config.field.cell_bins)
        low = power[:, : shape[1] * shape[2]]
        level, active = self._level(low, valid)
        both = self._features(low, level, active, valid, "cells")
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
        highs = jnp.zeros((len(power), 0))
        if config.field.num_high_bands:
            bands = _high_bands(power, config.field)
            levels = self._features(bands, level, active, valid, "bands")
            levels = _masked(jnp.concatenate(levels, axis=1), valid)
            near = self._around(levels, 1, "near_bands")
            near = [near[i : i + len(power)] for i in range(3)]
            upper = jnp.mean(x[:, x.shape[1] // 2 :], axis=1)
            known = jnp.concatenate([*near, upper, frames], axis=1)
            highs = Highs(config.field.num_high_bands, name="highs")(known)
        return GainField(
            self.param("frequencies", lambda _: gain_field.initial_frequencies(hidden)),
            nn.Dense(hidden, name="phases")(y),
            weights(y).reshape(*y.shape[:2], outputs, hidden),
            bias(y),
            highs,
        )

    def _level(self, power, valid):
        """Running mean power of the frames that are not silent, and a mask of these.

        Both (frames, 1), the mask of zeros and ones.
        """
        power = jnp.mean(power[:, _LOWEST_BIN:], axis=1, keepdims=True)
        mean = self._running_mean(power, jnp.ones_like(power), valid, "mean_power")
        active = (power > _SILENCE * mean).astype(power.dtype)
        level = self._running_mean(power, active, valid, "level")
        return jnp.maximum(level, 1e-30), active

    def _features(self, power, level, active, valid, name):
        """Input features of bands (frames, bands), invariant to the signal's scale.

        Log powers relative to the running level, and the same minus their running mean
        over time in each band, which removes stationary spectra.
        """
        levels = _SCALE * (jnp.log10(power / level + _FLOOR) + _CENTRE)
        mean = self._running_mean(levels, active, valid, f"mean_{name}")
        return levels, levels - mean

    def _running_mean(self, x, active, valid, name):
        """Of (frames, n) over the frames that are active, (frames, 1) of zeros and ones."""
        config, count = self.config, len(x)
        if valid is not None:
            active = active * valid[:, None]
        weights = _running_weights(count, config.level_frames, config.causal)
        sums = [weights @ (x * active), weights @ active]
        if self.streaming:
            before = [
                self.variable("history", f"{name}_{i}", jnp.zeros, y.shape[1:])
                for i, y in enumerate(sums)
            ]
            decay = _decay(config.level_frames) ** np.arange(1, count + 1)[:, None]
            for i, variable in enumerate(before):
                sums[i] += decay.astype(np.float32) * variable.value[None]
                variable.value = sums[i][-1]
        return sums[0] / jnp.maximum(sums[1], 1e-3)

    def _around(self, x, side, name):
        """Frames (frames + 2 * side, ...): with those on both sides, or causal, before.

        Zeros stand for those beyond the signal.
        """
        before = 2 * side if self.config.causal else side
        rest = x.shape[1:]
        if not self.streaming:
            padding = ((before, 2 * side - before), *[(0, 0)] * len(rest))
            return jnp.pad(x, padding)
        kept = self.variable("history", name, jnp.zeros, (before, *rest))
        x = jnp.concatenate([kept.value, x])
        kept.value = x[len(x) - before :]
        return x

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
            self._around(_masked(x, valid), dilation, f"{name}_frames")[None],
            kernel,
            window_strides=(1, 1),
            padding=[(0, 0), (1, 1)],
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
            side = _KERNEL // 2 * dilation
            near = self._around(_masked(frames, valid), side, f"taps_{i}_frames")
            y = sum(
                near[k * dilation : k * dilation + num_frames] * taps[k][None]
                for k in range(_KERNEL)
            )
            y = nn.RMSNorm(name=f"frames_norm_{i}")(y)
            y = nn.relu(nn.Dense(2 * width, name=f"up_{i}")(y))
            frames += nn.Dense(width, name=f"down_{i}")(y)
        return nn.RMSNorm(name="spread_norm")(frames)


class Highs(nn.Module):
    """The gates of the bands above the cells, of what is known of each frame."""

    num_bands: int

    @nn.compact
    def __call__(self, known: Float[Array, "frames n"]) -> Float[Array, "frames bands"]:
        """Logits at the centres of the bands."""
        hidden = nn.relu(nn.Dense(_HIGHS_HIDDEN, name="hidden")(known))
        gates = nn.Dense(self.num_bands, kernel_init=_normal(0.3, 100), name="gates")
        return gates(hidden)


def _high_bands(power, config):
    """Mean powers of the bands above the cells; bins that are not there are silent."""
    edges = config.high_edges
    power = jnp.pad(power, ((0, 0), (0, max(0, edges[-1] - power.shape[1]))))
    bands = [power[:, low:high] for low, high in itertools.pairwise(edges)]
    return jnp.stack([jnp.mean(band, axis=1) for band in bands], axis=1)


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
    power = jnp.mean(spectra.real**2 + spectra.imag**2, axis=0)
    valid = None
    if num_samples is not None:  # the frames that a signal without padding would have
        valid = hop * (jnp.arange(len(power)) - 1) < num_samples
    bins = model.config.field.num_cells * model.config.field.cell_bins
    missing = max(0, bins - power.shape[1])  # of rates below the field's
    field = model.apply(params, jnp.pad(power, ((0, 0), (0, missing))), valid)
    outputs = gain_field.on_bins(field, power.shape[1], model.config.field)

    def estimate(spectrum):
        near = with_neighbours(spectrum, model.config)
        enhanced = enhance(near, outputs, model.config)
        return istft(enhanced, window, hop, len(noisy))

    return jax.vmap(estimate, out_axes=1)(spectra).reshape(noisy.shape)


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


def with_neighbours(
    spectrum: Complex[Array, "frames bins"], config: HyperGainConfig
) -> Complex[Array, "more_frames bins"]:
    """With the frames around that the filter of the first and the last one takes."""
    before = FILTER_TAPS - 1 if config.causal else FILTER_TAPS // 2
    return jnp.pad(spectrum, ((before, FILTER_TAPS - 1 - before), (0, 0)))


def enhance(
    spectrum: Complex[Array, "more_frames bins"],
    outputs: Float[Array, "frames bins outputs"],
    config: HyperGainConfig,
) -> Complex[Array, "frames bins"]:
    """The STFT of the estimate: gate and deep filter applied to the noisy one.

    Args:
      spectrum: Of the noisy signal, as from `with_neighbours`.
      outputs: Of a gain field on these frames and bins; see `nn.gain_field`.
      config: Of the network that emitted it.
    """
    gate, taps = gain_field.split(outputs)
    here = FILTER_TAPS - 1 if config.causal else FILTER_TAPS // 2
    filtered = spectrum[here : here + len(outputs)]
    for i in range(FILTER_TAPS):
        filtered += taps[..., i] * spectrum[i : i + len(outputs)]
    return gate * filtered


def _running_weights(num_frames, half_width, causal):
    """Weights (frames, frames) of a running mean: of each frame in that of each other.

    A squared-cosine window to both sides, or causal, an exponential decay.
    """
    distance = np.arange(num_frames)[:, None] - np.arange(num_frames)[None]
    if causal:
        weights = _decay(half_width) ** np.maximum(distance, 0) * (distance >= 0)
        return weights.astype(np.float32)
    angle = np.minimum(np.abs(distance) / (half_width + 1), 1) * np.pi / 2
    return (np.cos(angle) ** 2).astype(np.float32)


def _decay(frames):
    return np.exp(-1 / frames)


def _masked(x, valid):
    if valid is None:
        return x
    return jnp.where(valid.reshape(-1, *[1] * (x.ndim - 1)), x, 0)


def _activate(x, name):
    return nn.relu(nn.RMSNorm(name=name)(x))


def _normal(scale, fan_in):
    return nn.initializers.normal(scale / np.sqrt(fan_in))
