"""HyperSound: a hypernetwork that emits one target network for a whole clip.

Szatkowski et al., "Hypernetworks build implicit neural representations of sounds", ECML
2023 (arXiv 2302.04959, 2211.01839), with the constants of its released code. Maps a
noisy clip to the weights of a coordinate network, whose values over time are the clean
clip.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from inr_jax.configs.hypersound import HyperSoundConfig
from inr_jax.models import hypersound_target
from inr_jax.nn import siren


class Encoder(nn.Module):
    """Causal convolutional encoder after SoundStream."""

    config: HyperSoundConfig

    @nn.compact
    def __call__(
        self, signal: Float[Array, " samples"]
    ) -> Float[Array, "frames latent"]:
        """Latent vectors of one signal, ceil(samples / 320) by default."""
        config, channels = self.config, self.config.encoder_channels
        x = self._activated(self._conv(signal[:, None], channels, 7))
        for stride in config.strides:
            for dilation in (1, 3, 9):
                branch = self._activated(self._conv(x, channels, 7, dilation=dilation))
                x += self._activated(self._conv(branch, channels, 1))
            channels *= 2
            x = self._activated(self._conv(x, channels, 2 * stride, stride))
        return self._conv(x, config.latent_channels, 3)

    def _conv(self, x, channels, kernel, stride=1, dilation=1):
        return nn.Conv(
            channels,
            (kernel,),
            stride,
            padding=[(dilation * (kernel - 1), 0)],
            kernel_dilation=dilation,
        )(x)

    def _activated(self, x):
        # statistics over channels and time; published: a scale for each time, too
        features = (-2, -1) if self.config.norm == "position" else -1
        norm = nn.LayerNorm(1e-5, reduction_axes=(-2, -1), feature_axes=features)
        return nn.elu(norm(x))


class HyperSound(nn.Module):
    """Encoder, hypernetwork and target network of one signal."""

    config: HyperSoundConfig

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of the signals that it takes."""
        return (self.config.num_samples,)

    @nn.compact
    def __call__(
        self, noisy: Float[Array, " samples"], upsample: int = 1
    ) -> Float[Array, " upsampled"]:
        """Denoised signal (upsample * samples,): the values of the emitted network.

        Args:
          noisy: As long as the config states.
          upsample: Output samples per input sample.
        """
        return hypersound_target.sound(self.emit(noisy), noisy, self.config, upsample)

    @nn.compact
    def emit(self, noisy: Float[Array, " samples"]) -> siren.Params:
        """Weights of the target network, for values divided by the peak of `noisy`.

        For `siren.apply` with `hypersound_target.siren_config`, or for
        `fourier_mlp.apply`.
        """
        config = self.config
        x = Encoder(config, name="encoder")(noisy / hypersound_target.peak(noisy))
        x = x.T.reshape(-1)
        for i, width in enumerate(config.hidden):
            kernel_init = nn.initializers.he_uniform()
            x = nn.elu(nn.Dense(width, kernel_init=kernel_init, name=f"hidden_{i}")(x))
        bounds, bias_bounds = hypersound_target.head_bounds(config)
        head = nn.Dense(
            len(bounds),
            kernel_init=hypersound_target.uniform_within(bounds[None]),
            bias_init=hypersound_target.uniform_within(bias_bounds),
            name="head",
        )
        return self._combined(hypersound_target.split(head(x), config))

    def _combined(self, emitted):
        """Combines emitted weights with shared ones, by the mode of the config."""
        config = self.config
        combine = {"residual": jnp.add, "modulator": jnp.multiply}.get(config.mode)
        emitted = iter(emitted)
        layers = []
        for i in range(len(hypersound_target.layer_sizes(config))):
            if i in config.shared_layers:
                layers.append(self._shared_layer(i))
            elif combine:
                shared = self._shared_layer(i)
                layers.append(jax.tree.map(combine, shared, next(emitted)))
            else:
                layers.append(next(emitted))
        return hypersound_target.as_siren(layers, config)

    def _shared_layer(self, i):
        shapes = {
            "kernel": hypersound_target.layer_sizes(self.config)[i],
            "bias": hypersound_target.layer_sizes(self.config)[i][1:],
        }
        bound = hypersound_target.shared_bound(shapes["kernel"][0], self.config)
        return {
            name: self.param(
                f"shared_{name}_{i}", hypersound_target.uniform_within(bound), shape
            )
            for name, shape in shapes.items()
        }
