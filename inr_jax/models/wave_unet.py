"""Wave-U-Net of DNP: a one-dimensional U-Net over samples.

Stoller et al. 2018 (arXiv 1806.03185) as Michelashvili and Wolf changed it ("Speech
denoising by accumulating per-frequency modeling fluctuations", arXiv 1904.07612).
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from inr_jax.configs.fitting import DnpConfig
from inr_jax.dsp.fourier_conv import fourier_conv

_SLOPE = 0.1  # of the leaky ReLU
_NORM_FLOOR = 1e-5  # added to variances
_MANY_CHANNELS = 16
# U(-a, a) with a = 1 / sqrt(fan_in), PyTorch's initialisation of convolutions
_KERNEL_INIT = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


class WaveUNet(nn.Module):
    """U-Net; level i has 1 / 2^i of the samples and i + 1 times the filters.

    Normalisation uses the statistics of the one clip over its samples, in every step,
    without running averages. Padding behind a clip changes nothing.
    """

    config: DnpConfig

    @nn.compact
    def __call__(
        self, signal: Float[Array, " padded"], num_samples: Int[ArrayLike, ""]
    ) -> Float[Array, " padded"]:
        """Values in (-1, 1).

        Args:
          signal: A multiple of 2^levels samples.
          num_samples: Valid samples, a multiple of 2^levels; the others count as zeros.
        """
        config = self.config
        x = entry = _zero_padding(signal[:, None], num_samples)
        skips = []
        for i in range(config.num_levels):
            x = self._layer(
                x, num_samples >> i, (i + 1) * config.num_filters, 15, "down", i
            )
            skips.append(x)
            x = x[::2]
        size = config.num_levels * config.num_filters
        x = self._layer(x, num_samples >> config.num_levels, size, 15, "middle", 0)
        for i in reversed(range(config.num_levels)):
            x = _zero_padding(_upsampled(x, num_samples >> (i + 1)), num_samples >> i)
            x = jnp.concatenate([x, skips[i]], axis=1)
            x = self._layer(
                x, num_samples >> i, (i + 1) * config.num_filters, 5, "up", i
            )
        x = jnp.concatenate([x, entry], axis=1)
        return jnp.tanh(self._conv(x, 1, 1, "out"))[:, 0]

    def _layer(self, x, num_samples, features, kernel, name, level):
        x = self._conv(x, features, kernel, f"{name}_{level}")
        x = self._normalised(x, num_samples, f"{name}_norm_{level}")
        return _zero_padding(nn.leaky_relu(x, _SLOPE), num_samples)

    def _conv(self, x, features, kernel, name):
        bound = (kernel * x.shape[1]) ** -0.5

        def bias_init(key, shape, dtype=jnp.float32):
            return jax.random.uniform(key, shape, dtype, -bound, bound)

        return nn.Conv(
            features,
            (kernel,),
            kernel_init=_KERNEL_INIT,
            bias_init=bias_init,
            conv_general_dilated=_convolution,
            name=name,
        )(x)

    def _normalised(self, x, num_samples, name):
        """Normalisation over the valid samples, then a learned scale and shift."""
        scale = self.param(f"{name}_scale", nn.initializers.ones, (x.shape[1],))
        shift = self.param(f"{name}_shift", nn.initializers.zeros, (x.shape[1],))
        mean = jnp.sum(_zero_padding(x, num_samples), axis=0) / num_samples
        centred = x - mean[None]
        variance = (
            jnp.sum(_zero_padding(centred, num_samples) ** 2, axis=0) / num_samples
        )
        slope = scale * jax.lax.rsqrt(variance + _NORM_FLOOR)
        return centred * slope[None] + shift[None]


def _convolution(x, kernel, *_, **__):
    """The convolution of `nn.Conv`: (1, samples, channels), stride 1, same size."""
    return _convolve(x[0], kernel)[None]


@jax.custom_vjp
def _convolve(x, kernel):
    return _on_this_platform(kernel, _fourier, _direct)(x, kernel)


def _forward(x, kernel):
    return _convolve(x, kernel), (x, kernel)


def _backward(residuals, gradient):
    gradients = _on_this_platform(residuals[1], _fourier_gradients, _direct_gradients)
    return gradients(*residuals, gradient)


_convolve.defvjp(_forward, _backward)


def _on_this_platform(kernel, fourier, direct):
    """Fourier transforms on CPUs, and where they save products: of many channels."""
    if len(kernel) == 1 or min(kernel.shape[1:]) < _MANY_CHANNELS:
        return direct
    return functools.partial(jax.lax.platform_dependent, cpu=fourier, default=direct)


def _fourier(x, kernel):
    return fourier_conv(x, kernel)


def _fourier_gradients(x, kernel, gradient):
    return jax.vjp(fourier_conv, x, kernel)[1](gradient)


def _direct(x, kernel):
    return _padded(x[None], kernel)[0]


def _direct_gradients(x, kernel, gradient):
    """Gradients as convolutions in the one layout that XLA runs fast inside loops.

    On CPUs it optimises other layouts outside of loops only: a scanned step took 25
    times as long. The barriers keep XLA from fusing the transpositions.
    """
    flipped = jax.lax.optimization_barrier(jnp.transpose(kernel[::-1], (0, 2, 1)))
    channels = jax.lax.optimization_barrier(jnp.transpose(x)[..., None])
    # input channels as signals, gradients of output channels as kernels
    taps = _padded(channels, gradient[:, None], len(kernel) // 2)
    return _direct(gradient, flipped), jnp.transpose(taps, (1, 0, 2))


def _padded(x, kernel, side=None):
    side = len(kernel) // 2 if side is None else side
    return jax.lax.conv_general_dilated(
        x, kernel, (1,), [(side, side)], dimension_numbers=("NWC", "WIO", "NWC")
    )


def _zero_padding(x, num_samples):
    """Sets (samples, channels) to 0 behind `num_samples`."""
    return jnp.where(jnp.arange(len(x))[:, None] < num_samples, x, 0)


def _upsampled(x, num_samples):
    """Linear interpolation to twice the samples, a quarter step around each."""
    before = jnp.concatenate([x[:1], x[:-1]])
    after = jnp.concatenate([x[1:], x[-1:]])
    after = jnp.where(jnp.arange(len(x))[:, None] + 1 < num_samples, after, x)
    pairs = jnp.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis=1)
    return pairs.reshape(-1, x.shape[1])
