"""Local HyperSound: a hypernetwork that emits a small SIREN for every frame.

HyperSound (Szatkowski et al. 2022, arXiv 2211.01839) emits one set of weights for a
whole clip; here each frame has a target network of its own (`frame_targets`). The noisy
frame has exact weights; what is emitted is these, as `gate_network` combines and scales
them.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from inr_jax.configs.networks import MaskNetConfig
from inr_jax.models import harmonic_siren
from inr_jax.models.mask_net import MaskNet


class LocalHyperSound(nn.Module):
    """The hypernetwork, for one signal: noisy samples in, denoised samples out."""

    config: MaskNetConfig
    dtype: str = "float32"

    @nn.compact
    def __call__(
        self,
        noisy: jax.Array,
        first: jax.Array | int = 0,
        last: jax.Array | int | None = None,
        finer: int = 1,
    ) -> jax.Array:
        """Denoised signal (finer * samples,), by evaluating the targets.

        Args:
          noisy: (samples,); what lies outside of `first` and `last` is padding.
          first: First sample of the signal, a multiple of the hop.
          last: Sample after its end; the end of the array by default.
          finer: Samples of the output for each one of the input.
        """
        weights = self.emit(noisy, first, last)
        return harmonic_siren.synthesise(
            weights, finer * noisy.shape[0], finer * self.config.hop
        )

    @nn.compact
    def emit(self, noisy, first=0, last=None) -> jax.Array:
        """Output weights (frames, window) of the targets of a signal (samples,)."""
        config = self.config
        weights = harmonic_siren.analyse(noisy, config.window)
        starts = config.hop * jnp.arange(len(weights))[:, None]
        last = noisy.shape[0] if last is None else last
        # as if frames ended where the signal does, whatever padding is around it
        valid = (starts >= first) & (starts - config.hop < last)
        network = MaskNet(config, self.dtype)
        nn.share_scope(self, network)
        cosines, sines = network(*harmonic_siren.to_complex(weights), valid)
        return harmonic_siren.from_complex(cosines, sines)
