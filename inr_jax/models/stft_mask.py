"""STFT mask network with a deep filter of three taps.

A mask network (`mask_net`) on the STFT of the noisy signal. The STFT coefficients of a
frame can be read as the weights of a SIREN of local time without hidden layers
(`harmonic_siren`), and the network as a hypernetwork that emits them: evaluating such a
SIREN is the inverse DFT, on finer grids a zero-padded one.
"""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from inr_jax.configs.networks import MaskNetConfig
from inr_jax.models import harmonic_siren
from inr_jax.models.mask_net import MaskNet


class StftMaskNet(nn.Module):
    """Denoises one signal: noisy samples in, denoised samples out."""

    config: MaskNetConfig
    dtype: str = "float32"

    @nn.compact
    def __call__(
        self,
        noisy: Float[Array, " samples"],
        first: Int[ArrayLike, ""] = 0,
        last: Int[ArrayLike, ""] | None = None,
        upsample: int = 1,
    ) -> Float[Array, " upsampled"]:
        """Denoised signal (upsample * samples,).

        Args:
          noisy: Samples; those outside of `first` and `last` are padding.
          first: First sample of the signal, a multiple of the hop.
          last: Sample after its end; the end of the array by default.
          upsample: Output samples per input sample.
        """
        weights = self.emit(noisy, first, last)
        return harmonic_siren.evaluate(
            weights, upsample * noisy.shape[0], upsample * self.config.hop
        )

    @nn.compact
    def emit(self, noisy, first=0, last=None) -> Float[Array, "frames window"]:
        """Denoised STFT as weights of `harmonic_siren`."""
        config = self.config
        weights = harmonic_siren.frame_weights(noisy, config.window)
        starts = config.hop * jnp.arange(len(weights))[:, None]
        last = noisy.shape[0] if last is None else last
        # the frames that a signal without padding would have
        valid = (starts >= first) & (starts - config.hop < last)
        network = MaskNet(config, self.dtype)
        nn.share_scope(self, network)
        real, imag = network(*harmonic_siren.to_complex(weights), valid)
        return harmonic_siren.from_complex(real, imag)
