"""A hypernetwork that works on the spectrum of the whole clip.

The target network is a SIREN of time without hidden layers whose sines are the harmonics
of the clip, the same for all clips; its output weights are emitted, as many as the clip
has samples. Each run of `BAND` neighbouring harmonics is a band. Its inverse transform
is how loud and in which phase the band is over the clip, so bands side by side are a
time-frequency plane, as large as the spectrum, which `gate_network` cleans.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from inr_jax.configs.networks import MaskNetConfig
from inr_jax.models.mask_net import MaskNet

BAND = 64  # harmonics


class SpectralHypernetwork(nn.Module):
    """Output weights for one noisy signal; the settings of the network are its own."""

    dtype: str = "float32"

    @nn.compact
    def __call__(self, noisy: jax.Array) -> jax.Array:
        """Weights (samples,) as `frame_targets.target_params` takes them.

        Args:
          noisy: (samples,), a multiple of 2 * `BAND`, peak 1.
        """
        bands = amplitudes(noisy)[:-1].reshape(-1, BAND)
        plane = BAND * jnp.fft.ifft(bands).T
        valid = jnp.ones((BAND, 1), bool)
        network = MaskNet(MaskNetConfig(), self.dtype, name="gates")
        real, imaginary = network(plane.real, plane.imag, valid)
        bands = jnp.fft.fft((real + 1j * imaginary).T) / BAND
        # the last harmonic, at half the sample rate, belongs to no band
        return from_complex(jnp.append(bands.reshape(-1), 0))


def amplitudes(signal: jax.Array) -> jax.Array:
    """Complex amplitudes (samples // 2 + 1,) of the harmonics of a signal (samples,)."""
    count = signal.shape[0]
    return jnp.fft.rfft(signal) * _scale(count) / count


def from_complex(found: jax.Array) -> jax.Array:
    """Weights of cosines, then of sines, of local time in [-1, 1] for amplitudes."""
    # time -1 is the first sample: every other harmonic is turned by half a period
    turned = found * (-1.0) ** np.arange(len(found))
    return jnp.concatenate([turned.real, -turned.imag[1:-1]])


def on_grid(weights: jax.Array, num_samples: int) -> jax.Array:
    """Values (num_samples,) of the target, from -1 to just before 1, all at once.

    Args:
      weights: (n,), n at most `num_samples`.
      num_samples: Even.
    """
    half = weights.shape[0] // 2
    turned = weights[: half + 1] - 1j * jnp.pad(weights[half + 1 :], 1)
    found = turned * (-1.0) ** np.arange(half + 1)
    spectrum = jnp.pad(found, (0, num_samples // 2 - half))
    return jnp.fft.irfft(spectrum * num_samples / _scale(num_samples), num_samples)


def _scale(count):
    """2 for harmonics that the spectrum has twice, 1 for the first and the last."""
    return np.r_[1.0, np.full(count // 2 - 1, 2.0), 1.0].astype(np.float32)
