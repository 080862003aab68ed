"""Time-frequency mask network with a deep filter.

Predicts a sigmoid mask and a complex filter over `FILTER_FRAMES` frames (deep
filtering, Mack and Habets 2019, arXiv 1904.08369) for every bin of a complex
time-frequency plane. A filter of zeros and a mask of ones leave the plane as it is.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from inr_jax.configs.networks import MaskNetConfig

# Floor of the log-power features, full scale 1: far below 16-bit rounding.
_POWER_FLOOR = 1e-10

# Kernel size of the 2-D convolutions, in frames and in bands.
BAND_KERNEL = 3

# Channels of the bottleneck from the 2-D convolutions to the full-band path.
SQUEEZED_CHANNELS = 8

# Taps of the deep filter.
FILTER_FRAMES = 3


class MaskNet(nn.Module):
    """Maps a noisy complex plane to a denoised one.

    Dilated 2-D convolutions over frames and bands, with a learned positional embedding
    of the band, process local structure. Between them a full-band path, with a
    receptive field of about a second, runs ConvNeXt blocks (Liu et al. 2022): a
    depthwise dilated convolution over frames, then a two-layer perceptron, with a
    residual connection.
    """

    config: MaskNetConfig
    dtype: str = "float32"

    @nn.compact
    def __call__(
        self,
        real: Float[Array, "frames bins"],
        imag: Float[Array, "frames bins"],
    ) -> tuple[Float[Array, "frames bins"], Float[Array, "frames bins"]]:
        """Real and imaginary part of the denoised plane.

        Args:
          real: Of the noisy plane, full scale 1.
          imag: Of the noisy plane.
        """
        # features of order 1 for speech
        level = jnp.log10(real**2 + imag**2 + _POWER_FLOOR) / 2 + 2
        mask, *filter_taps = self._predict(level)
        real, imag = _deep_filter(real, imag, filter_taps)
        mask = nn.sigmoid(mask + 1)
        return mask * real, mask * imag

    def _predict(self, level):
        """Mask logits and filter taps (1 + 2 * FILTER_FRAMES, frames, bins)."""
        config = self.config
        num_frames, num_bins = level.shape
        num_bands = -(-num_bins // config.band_bins)
        bands = jnp.pad(level, ((0, 0), (0, num_bands * config.band_bins - num_bins)))
        bands = bands.reshape(num_frames, num_bands, config.band_bins)
        shape = (num_bands, config.band_channels)
        x = self._convolve(bands, 1, "embed")
        x += self.param("position", nn.initializers.normal(0.1), shape)[None]
        for i, dilation in enumerate(config.band_dilations):
            x += self._band_block(x, dilation, f"before_{i}")
        squeezed = self._dense(SQUEEZED_CHANNELS, "squeeze")(
            _activate(x, "squeeze_norm")
        )
        frames = jnp.concatenate([level, squeezed.reshape(num_frames, -1)], axis=1)
        frames = self._full_band(frames)
        x += self._dense(num_bands * config.band_channels, "spread")(frames).reshape(
            *x.shape
        )
        for i, dilation in enumerate(config.band_dilations):
            x += self._band_block(x, dilation, f"after_{i}")
        x = jnp.concatenate([_activate(x, "head_norm"), bands], axis=2)
        x = nn.silu(self._dense(2 * config.band_channels, "perceptron")(x))
        num_outputs = 1 + 2 * FILTER_FRAMES
        head = nn.initializers.normal(0.05)
        outputs = self._dense(num_outputs * config.band_bins, "head", head)(x)
        outputs = outputs.astype(jnp.float32)
        outputs = outputs.reshape(*bands.shape[:2], num_outputs, -1)
        outputs = jnp.moveaxis(outputs, 2, 0).reshape(num_outputs, num_frames, -1)
        return outputs[:, :, :num_bins]

    def _full_band(self, frames):
        """ConvNeXt blocks: (frames, features) to (frames, channels)."""
        x = self._dense(self.config.channels, "stem")(frames).astype(jnp.float32)
        for i, dilation in enumerate(self.config.dilations):
            x += self._block(x, i, dilation)
        return nn.RMSNorm(name="spread_norm")(x)

    def _band_block(self, x, dilation, name):
        return self._convolve(_activate(x, f"{name}_norm"), dilation, name)

    def _convolve(self, x, dilation, name):
        """2-D convolution of (frames, bands, channels), zero-padded."""
        side = BAND_KERNEL // 2
        conv = nn.Conv(
            self.config.band_channels,
            (BAND_KERNEL, BAND_KERNEL),
            kernel_dilation=(dilation, 1),
            padding=[(side * dilation, side * dilation), (side, side)],
            dtype=self.dtype,
            name=name,
        )
        return conv(x).astype(jnp.float32)

    def _block(self, x, i, dilation):
        config = self.config
        taps = self.param(
            f"taps_{i}",
            nn.initializers.normal(config.kernel**-0.5),
            (config.kernel, config.channels),
        )
        x = nn.RMSNorm(name=f"norm_{i}")(_depthwise(x, taps, dilation))
        x = nn.silu(self._dense(config.expansion * config.channels, f"up_{i}")(x))
        return self._dense(config.channels, f"down_{i}")(x).astype(jnp.float32)

    def _dense(self, features, name, kernel_init=nn.linear.default_kernel_init):
        return nn.Dense(features, dtype=self.dtype, kernel_init=kernel_init, name=name)


def _activate(x, name):
    return nn.silu(nn.RMSNorm(name=name)(x))


def _depthwise(x, taps, dilation):
    """Depthwise convolution of (frames, channels) over frames, zero-padded."""
    count = len(taps)
    before = (count // 2) * dilation
    padded = jnp.pad(x, ((before, (count - 1) * dilation - before), (0, 0)))
    return sum(
        padded[i * dilation : i * dilation + len(x)] * taps[i][None]
        for i in range(count)
    )


def _deep_filter(real, imag, taps):
    """Adds to each bin a complex combination of its neighbours in time and itself."""
    before = FILTER_FRAMES // 2
    margin = ((before, FILTER_FRAMES - 1 - before), (0, 0))
    padded = [jnp.pad(x, margin) for x in (real, imag)]
    for i in range(FILTER_FRAMES):
        tap_real, tap_imag = taps[2 * i : 2 * i + 2]
        near_real, near_imag = (x[i : i + len(real)] for x in padded)
        real += tap_real * near_real - tap_imag * near_imag
        imag += tap_imag * near_real + tap_real * near_imag
    return real, imag
