"""HyperSound: a hypernetwork that emits one target network for a whole clip.

Szatkowski et al., "Hypernetworks build implicit neural representations of sounds", ECML
2023 (arXiv 2302.04959, 2211.01839), with the constants of its released code. It hears a
noisy clip and emits the weights of a network of time whose values are the clean clip.
The "harmonics" target, and the hypernetwork that it has, are ours.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from inr_jax.configs.networks import HyperSoundConfig
from inr_jax.models import harmonic_siren, hypersound_target
from inr_jax.models.subband_mask import SpectralHypernetwork
from inr_jax.nn import siren


class Encoder(nn.Module):
    """Causal convolutions in the manner of SoundStream: (samples,) to (frames, latent)."""

    config: HyperSoundConfig
    dtype: str = "float32"

    @nn.compact
    def __call__(self, signal: jax.Array) -> jax.Array:
        """Latent vectors (ceil(samples / 320), latent channels) of one signal."""
        config, channels = self.config, self.config.encoder_channels
        x = self._activated(self._conv(signal[:, None], channels, 7))
        for stride in config.strides:
            for dilation in (1, 3, 9):
                branch = self._activated(self._conv(x, channels, 7, dilation=dilation))
                x += self._activated(self._conv(branch, channels, 1))
            channels *= 2
            x = self._activated(self._conv(x, channels, 2 * stride, stride))
        return self._conv(x, config.latent_channels, 3).astype(jnp.float32)

    def _conv(self, x, channels, kernel, stride=1, dilation=1):
        return nn.Conv(
            channels,
            (kernel,),
            stride,
            padding=[(dilation * (kernel - 1), 0)],
            kernel_dilation=dilation,
            dtype=self.dtype,
        )(x)

    def _activated(self, x):
        # over channels and time at once; published: a scale for every channel and time
        features = (-2, -1) if self.config.norm == "position" else -1
        norm = nn.LayerNorm(1e-5, reduction_axes=(-2, -1), feature_axes=features)
        return nn.elu(norm(x.astype(jnp.float32)))


class HyperSound(nn.Module):
    """Encoder, hypernetwork and target of one signal."""

    config: HyperSoundConfig
    dtype: str = "float32"

    @nn.compact
    def __call__(self, noisy: jax.Array, finer: int = 1) -> jax.Array:
        """Clean signal (finer * samples,) that the emitted network represents.

        Args:
          noisy: (samples,).
          finer: Samples of the output for each one of the input.
        """
        return hypersound_target.sound(self.emit(noisy), noisy, self.config, finer)

    @nn.compact
    def emit(self, noisy: jax.Array) -> siren.Params:
        """Weights of the target network of a signal (samples,), divided by its peak.

        For `siren.apply` with `hypersound_target.siren_config`, or for `nerf.apply`.
        """
        config = self.config
        if config.target == "harmonics":
            network = SpectralHypernetwork(self.dtype, name="spectral")
            weights = network(noisy / hypersound_target.peak(noisy))
            return harmonic_siren.target_params(weights)
        x = Encoder(config, self.dtype, name="encoder")(
            noisy / hypersound_target.peak(noisy)
        )
        x = x.T.reshape(-1)
        for i, width in enumerate(config.hidden):
            kernel_init = nn.initializers.he_uniform()
            x = nn.Dense(
                width, dtype=self.dtype, kernel_init=kernel_init, name=f"hidden_{i}"
            )(x)
            x = nn.elu(x.astype(jnp.float32))
        bounds, bias_bounds = hypersound_target.head_bounds(config)
        head = nn.Dense(
            len(bounds),
            kernel_init=hypersound_target.uniform_within(bounds[None]),
            bias_init=hypersound_target.uniform_within(bias_bounds),
            name="head",
        )
        return self._combined(hypersound_target.split(head(x), config))

    def _combined(self, emitted):
        """Emitted weights by the mode, and the layers that all clips share."""
        config = self.config
        if config.mode == "target" and not config.shared_layers:
            return hypersound_target.as_siren(emitted, config)
        own = [
            self._own_layer(i)
            for i in range(len(hypersound_target.layer_sizes(config)))
        ]
        emitted = iter(emitted)
        layers = []
        for i, layer in enumerate(own):
            if i in config.shared_layers:
                layers.append(layer)
            elif config.mode == "residual":
                layers.append(jax.tree.map(jnp.add, layer, next(emitted)))
            elif config.mode == "modulator":
                layers.append(jax.tree.map(jnp.multiply, layer, next(emitted)))
            else:
                layers.append(next(emitted))
        return hypersound_target.as_siren(layers, config)

    def _own_layer(self, i):
        shapes = {
            "kernel": hypersound_target.layer_sizes(self.config)[i],
            "bias": hypersound_target.layer_sizes(self.config)[i][1:],
        }
        bound = hypersound_target.own_bound(shapes["kernel"][0], self.config)
        return {
            name: self.param(
                f"shared_{name}_{i}", hypersound_target.uniform_within(bound), shape
            )
            for name, shape in shapes.items()
        }
