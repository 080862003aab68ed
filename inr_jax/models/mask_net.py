"""The network that says what of a time-frequency plane is speech.

The plane has cosine and sine parts for each frame and bin. It is combined over
neighbouring frames by complex factors (deep filtering, Mack and Habets 2019, arXiv
1904.08369) and scaled by a gate: factors of 0 and open gates leave it as it was.
"""

from typing import Any

import flax
import flax.linen as nn
import jax
import jax.numpy as jnp

from inr_jax.configs.networks import MaskNetConfig

# Power below which a bin tells nothing, full scale 1: far under 16-bit rounding.
_POWER_FLOOR = 1e-10

# Frames and bands that each convolution over both sees.
BAND_KERNEL = 3

# Channels for each band in which the whole-frame blocks hear of the convolutions.
SQUEEZED_CHANNELS = 8

# Frames that each factor combines.
FILTER_FRAMES = 3

# Layers whose output is added to what came in.
_ADDED = ("before_", "after_", "down_")


class MaskNet(nn.Module):
    """Noisy planes in, denoised planes out.

    Convolutions over frames and bands, the same at every frequency but for a learned
    position, see what harmonics look like. Halfway, blocks in the manner of ConvNeXt
    (Liu et al. 2022) see whole frames over a second: a depthwise dilated convolution over
    frames, then a perceptron of one hidden layer, added to what came in.
    """

    config: MaskNetConfig
    dtype: str = "float32"

    @nn.compact
    def __call__(
        self, cosines: jax.Array, sines: jax.Array, valid: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Denoised cosine and sine parts.

        Args:
          cosines: (frames, bins), full scale 1.
          sines: The same.
          valid: (frames, 1), false where frames hold no part of the signal.
        """
        # of the order of 1 for speech
        level = jnp.log10(cosines**2 + sines**2 + _POWER_FLOOR) / 2 + 2
        gate, *taps = self._maps(level, valid)
        cosines, sines = _filter(cosines, sines, taps, self.config.causal)
        gate = nn.sigmoid(gate + 1)
        return gate * cosines, gate * sines

    def _maps(self, level, valid):
        """Gate and taps (1 + 2 * FILTER_FRAMES, frames, bins) from levels."""
        config = self.config
        num_frames, num_bins = level.shape
        num_bands = -(-num_bins // config.band_bins)
        bands = jnp.pad(level, ((0, 0), (0, num_bands * config.band_bins - num_bins)))
        bands = bands.reshape(num_frames, num_bands, config.band_bins)
        shape = (num_bands, config.band_channels)
        x = self._convolve(bands, valid, 1, "embed")
        x += self.param("position", nn.initializers.normal(0.1), shape)[None]
        for i, dilation in enumerate(config.band_dilations):
            x += self._band_block(x, valid, dilation, f"before_{i}")
        squeezed = self._dense(SQUEEZED_CHANNELS, "squeeze")(
            _activate(x, "squeeze_norm")
        )
        frames = jnp.concatenate([level, squeezed.reshape(num_frames, -1)], axis=1)
        frames = self._whole_frames(frames, valid)
        x += self._dense(num_bands * config.band_channels, "spread")(frames).reshape(
            *x.shape
        )
        for i, dilation in enumerate(config.band_dilations):
            x += self._band_block(x, valid, dilation, f"after_{i}")
        x = jnp.concatenate([_activate(x, "head_norm"), bands], axis=2)
        x = nn.silu(self._dense(2 * config.band_channels, "perceptron")(x))
        num_maps = 1 + 2 * FILTER_FRAMES
        head = nn.initializers.normal(0.05)
        maps = self._dense(num_maps * config.band_bins, "head", head)(x)
        maps = maps.astype(jnp.float32).reshape(*bands.shape[:2], num_maps, -1)
        maps = jnp.moveaxis(maps, 2, 0).reshape(num_maps, num_frames, -1)
        return maps[:, :, :num_bins]

    def _whole_frames(self, frames, valid):
        """Blocks over (frames, features); (frames, channels)."""
        x = self._dense(self.config.channels, "stem")(frames).astype(jnp.float32)
        for i, dilation in enumerate(self.config.dilations):
            x += self._block(jnp.where(valid, x, 0), i, dilation)
        return nn.RMSNorm(name="spread_norm")(x)

    def _band_block(self, x, valid, dilation, name):
        return self._convolve(_activate(x, f"{name}_norm"), valid, dilation, name)

    def _convolve(self, x, valid, dilation, name):
        """Over (frames, bands, channels), zeros beyond the ends."""
        reach = (BAND_KERNEL - 1) * dilation
        before = reach if self.config.causal else reach // 2
        side = BAND_KERNEL // 2
        conv = nn.Conv(
            self.config.band_channels,
            (BAND_KERNEL, BAND_KERNEL),
            kernel_dilation=(dilation, 1),
            padding=[(before, reach - before), (side, side)],
            dtype=self.dtype,
            name=name,
        )
        return conv(jnp.where(valid[:, :, None], x, 0)).astype(jnp.float32)

    def _block(self, x, i, dilation):
        config = self.config
        taps = self.param(
            f"taps_{i}",
            nn.initializers.normal(config.kernel**-0.5),
            (config.kernel, config.channels),
        )
        x = nn.RMSNorm(name=f"norm_{i}")(_depthwise(x, taps, dilation, config.causal))
        x = nn.silu(self._dense(config.expansion * config.channels, f"up_{i}")(x))
        return self._dense(config.channels, f"down_{i}")(x).astype(jnp.float32)

    def _dense(self, features, name, kernel_init=nn.linear.default_kernel_init):
        return nn.Dense(features, dtype=self.dtype, kernel_init=kernel_init, name=name)


def expand_params(params: Any, fresh: Any) -> Any:
    """Weights of a smaller network in a larger one that goes on from what that one does.

    Blocks that it lacks add nothing yet, as their last kernel is 0 (after Chen et al.
    2016, Net2Net, arXiv 1511.05641).

    Args:
      params: Of the smaller one.
      fresh: As from `init` of the larger one.

    Raises:
      ValueError: a layer of the smaller one is missing in the larger, or of other shape.
    """
    flat, wanted = (flax.traverse_util.flatten_dict(x) for x in (params, fresh))
    for name, value in flat.items():
        if name not in wanted or wanted[name].shape != value.shape:
            raise ValueError(f"no place for {'/'.join(name)} {value.shape}")
    new = {
        name: 0 * x if name[-1] == "kernel" and name[-2].startswith(_ADDED) else x
        for name, x in wanted.items()
    }
    return flax.traverse_util.unflatten_dict(new | flat)


def _activate(x, name):
    return nn.silu(nn.RMSNorm(name=name)(x))


def _depthwise(x, taps, dilation, causal):
    """Each channel of (frames, channels) filtered over frames, zeros beyond the ends."""
    count = len(taps)
    before = (count - 1) * dilation if causal else (count // 2) * dilation
    padded = jnp.pad(x, ((before, (count - 1) * dilation - before), (0, 0)))
    return sum(
        padded[i * dilation : i * dilation + len(x)] * taps[i][None]
        for i in range(count)
    )


def _filter(cosines, sines, taps, causal):
    """Each bin plus a complex combination of its own frame and its neighbours."""
    before = FILTER_FRAMES - 1 if causal else FILTER_FRAMES // 2
    margin = ((before, FILTER_FRAMES - 1 - before), (0, 0))
    padded = [jnp.pad(x, margin) for x in (cosines, sines)]
    for i in range(FILTER_FRAMES):
        real, imaginary = taps[2 * i : 2 * i + 2]
        near_cosines, near_sines = (x[i : i + len(real)] for x in padded)
        cosines += real * near_cosines - imaginary * near_sines
        sines += imaginary * near_cosines + real * near_sines
    return cosines, sines
