"""The shared trunk of the hypernetworks: features of cells of frames and bands.

Features are powers relative to a running mean power, which ignores frames of digital
silence: they do not depend on the level of the signal. Dilated 2-D convolutions over
frames and cells, with a learned positional embedding of the cell, process local
structure; between them ConvNeXt blocks (Liu et al. 2022, arXiv 2201.03545) see all cells
over a second.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import lax

from inr_jax.configs.trunk import TrunkConfig

# Floor of the relative power, -80 dB; centre and scale make features of order 1.
FLOOR, _CENTRE, _SCALE = 1e-8, 3.0, 0.5
# The level ignores bins below 94 Hz (rumble, offsets) and frames 50 dB below the mean
# (silence).
_LOWEST_BIN, _SILENCE = 3, 1e-5
# Kernel size of the full-band blocks in frames, and channels per cell at their input.
_KERNEL, _SQUEEZED = 5, 8


class CellTrunk(nn.Module):
    """Base class of hypernetworks that emit weights for cells of bins.

    Attributes:
      config: Sizes.
      streaming: Whether frames come one after the other, see `HyperGain`.
    """

    config: TrunkConfig
    streaming: bool = False

    def level_of(self, power, valid):
        """Running mean power of the frames that are not silent, and a mask of these.

        Both (frames, 1), the mask of zeros and ones.
        """
        power = jnp.mean(power[:, _LOWEST_BIN:], axis=1, keepdims=True)
        mean = self._running_mean(power, jnp.ones_like(power), valid, "mean_power")
        active = (power > _SILENCE * mean).astype(power.dtype)
        level = self._running_mean(power, active, valid, "level")
        return jnp.maximum(level, 1e-18), active

    def features(self, power, level, active, valid, name):
        """Input features of bands (frames, bands), invariant to the signal's scale.

        Log powers relative to the running level, and the same minus their running mean
        over time in each band, which removes stationary spectra.
        """
        levels = _SCALE * (jnp.log10(power / level + FLOOR) + _CENTRE)
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

    def around(self, x, side, name):
        """Frames (frames + 2 * side, ...): with those on both sides, or causal, before.

        Beyond the signal they are zeros.
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

    def trunk(self, levels, valid):
        """(frames, cells, channels) and (frames, n) from features (frames, cells, n)."""
        config = self.config
        x = self._convolve(levels, valid, 1, "embed")
        x += self.param("position", normal(0.1, 1), x.shape[1:])[None]
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
        kernel = self.param(name, normal(1.0, fan_in), (3, 3, x.shape[2], channels))
        bias = self.param(f"{name}_bias", nn.initializers.zeros, (channels,))
        y = lax.conv_general_dilated(
            self.around(masked(x, valid), dilation, f"{name}_frames")[None],
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
            taps = self.param(f"taps_{i}", normal(1.0, _KERNEL), (_KERNEL, width))
            side = _KERNEL // 2 * dilation
            near = self.around(masked(frames, valid), side, f"taps_{i}_frames")
            y = sum(
                near[k * dilation : k * dilation + num_frames] * taps[k][None]
                for k in range(_KERNEL)
            )
            y = nn.RMSNorm(name=f"frames_norm_{i}")(y)
            y = nn.relu(nn.Dense(2 * width, name=f"up_{i}")(y))
            frames += nn.Dense(width, name=f"down_{i}")(y)
        return nn.RMSNorm(name="spread_norm")(frames)


def _running_weights(num_frames, half_width, causal):
    """Weights (frames, frames) of a running mean: of each frame in that of each other.

    A squared-cosine window to both sides, or causal, an exponential decay.
    """
    distance = np.arange(1 - num_frames, num_frames)
    if causal:
        weights = _decay(half_width) ** np.maximum(distance, 0) * (distance >= 0)
    else:
        angle = np.minimum(np.abs(distance) / (half_width + 1), 1) * np.pi / 2
        weights = np.cos(angle) ** 2
    # each row is a stretch of them
    weights = weights.astype(np.float32)[::-1]
    return np.lib.stride_tricks.sliding_window_view(weights, num_frames)[::-1]


def _decay(frames):
    return np.exp(-1 / frames)


def masked(x, valid):
    """(frames, ...) with zeros where `valid` (frames,) is not; None means all are."""
    if valid is None:
        return x
    return jnp.where(valid.reshape(-1, *[1] * (x.ndim - 1)), x, 0)


def _activate(x, name):
    return nn.relu(nn.RMSNorm(name=name)(x))


def normal(scale, fan_in):
    """Initialiser of kernels: their sums have the standard deviation `scale`."""
    return nn.initializers.normal(scale / np.sqrt(fan_in))
