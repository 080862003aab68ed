"""Subband mask network: a mask network on a critically sampled filterbank.

The DFT of a whole clip is split into bands of `BAND` neighbouring bins. The inverse DFT
of each band is its subband signal, critically sampled; side by side they are a
time-frequency plane, which `mask_net` masks. The output can be read as the weights of a
SIREN of time without hidden layers, whose frequencies are the harmonics of the clip
(`harmonic_siren.target_params`).
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from inr_jax.configs.networks import MaskNetConfig
from inr_jax.models.mask_net import MaskNet

BAND = 64  # bins


class SubbandMaskNet(nn.Module):
    """Weights for one noisy signal, by a mask network of default settings."""

    dtype: str = "float32"

    @nn.compact
    def __call__(self, noisy: Float[Array, " samples"]) -> Float[Array, " samples"]:
        """Weights as `harmonic_siren.target_params` takes them.

        Args:
          noisy: A multiple of 2 * `BAND` samples, peak 1.
        """
        bands = amplitudes(noisy)[:-1].reshape(-1, BAND)
        plane = BAND * jnp.fft.ifft(bands).T
        network = MaskNet(MaskNetConfig(), self.dtype, name="gates")
        real, imag = network(plane.real, plane.imag)
        bands = jnp.fft.fft((real + 1j * imag).T) / BAND
        # the bin at half the sample rate belongs to no band
        return from_complex(jnp.append(bands.reshape(-1), 0))


def amplitudes(signal: Float[Array, " samples"]) -> Complex[Array, " bins"]:
    """Complex amplitudes of the samples // 2 + 1 harmonics of a signal."""
    count = signal.shape[0]
    return jnp.fft.rfft(signal) * _scale(count) / count


def from_complex(spectrum: Complex[Array, " bins"]) -> Float[Array, " samples"]:
    """Weights of cosines, then of sines, of local time in [-1, 1), of amplitudes."""
    # tau = -1 at the first sample: a phase of half a period for every other harmonic
    shifted = spectrum * (-1.0) ** np.arange(len(spectrum))
    return jnp.concatenate([shifted.real, -shifted.imag[1:-1]])


def on_grid(
    weights: Float[Array, " n"], num_samples: int
) -> Float[Array, " {num_samples}"]:
    """Values of the SIREN of these weights on a grid over [-1, 1), by one inverse FFT.

    Args:
      weights: At most `num_samples`.
      num_samples: Even.
    """
    half = weights.shape[0] // 2
    shifted = weights[: half + 1] - 1j * jnp.pad(weights[half + 1 :], 1)
    spectrum = jnp.pad(
        shifted * (-1.0) ** np.arange(half + 1), (0, num_samples // 2 - half)
    )
    return jnp.fft.irfft(spectrum * num_samples / _scale(num_samples), num_samples)


def _scale(count):
    """2 for bins with a mirror image in the full DFT, 1 for the first and the last."""
    return np.r_[1.0, np.full(count // 2 - 1, 2.0), 1.0].astype(np.float32)
