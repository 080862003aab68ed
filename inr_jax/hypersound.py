"""HyperSound: a hypernetwork that emits one target network for a whole clip.

Szatkowski et al., "Hypernetworks build implicit neural representations of sounds", ECML
2023 (arXiv 2302.04959, 2211.01839), with the constants of its released code. It hears a
noisy clip and emits the weights of a network of time whose values are the clean clip.
"""

import itertools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from inr_jax import nerf, siren
from inr_jax.configs import SirenConfig
from inr_jax.model_configs import HyperSoundConfig


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
        scale = jnp.maximum(jnp.max(jnp.abs(noisy)), 1e-9)
        count = noisy.shape[0]
        times = 2 * jnp.arange(finer * count) / (finer * (count - 1)) - 1
        return scale * evaluate(self.emit(noisy), times, self.config)

    @nn.compact
    def emit(self, noisy: jax.Array) -> siren.Params:
        """Weights of the target network of a signal (samples,), divided by its peak.

        For `siren.apply` with `siren_config`, or for `nerf.apply`.
        """
        config = self.config
        scale = jnp.maximum(jnp.max(jnp.abs(noisy)), 1e-9)
        x = Encoder(config, self.dtype, name="encoder")(noisy / scale)
        x = x.T.reshape(-1)
        for i, width in enumerate(config.hidden):
            kernel_init = nn.initializers.he_uniform()
            x = nn.Dense(
                width, dtype=self.dtype, kernel_init=kernel_init, name=f"hidden_{i}"
            )(x)
            x = nn.elu(x.astype(jnp.float32))
        bounds, bias_bounds = head_bounds(config)
        head = nn.Dense(
            len(bounds),
            kernel_init=_uniform_within(bounds[None]),
            bias_init=_uniform_within(bias_bounds),
            name="head",
        )
        return self._combined(_layers(head(x), config))

    def _combined(self, emitted):
        """Emitted weights by the mode, and the layers that all clips share."""
        config = self.config
        if config.mode == "target" and not config.shared_layers:
            return _as_siren(emitted, config)
        own = [self._own_layer(i) for i in range(len(layer_sizes(config)))]
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
        return _as_siren(layers, config)

    def _own_layer(self, i):
        shapes = {
            "kernel": layer_sizes(self.config)[i],
            "bias": layer_sizes(self.config)[i][1:],
        }
        bound = _siren_bound(shapes["kernel"][0], self.config)
        return {
            name: self.param(f"shared_{name}_{i}", _uniform_within(bound), shape)
            for name, shape in shapes.items()
        }


def layer_sizes(config: HyperSoundConfig) -> list[tuple[int, int]]:
    """Inputs and outputs of each layer of the target."""
    inputs = nerf.NUM_FEATURES if config.target == "nerf" else 1
    return list(itertools.pairwise((inputs, *[config.width] * config.num_layers, 1)))


def siren_config(config: HyperSoundConfig) -> SirenConfig:
    """For `siren.apply`, where the target is a SIREN."""
    return SirenConfig(
        config.width, config.num_layers - 1, config.first_omega, config.hidden_omega
    )


def evaluate(
    params: siren.Params, times: jax.Array, config: HyperSoundConfig
) -> jax.Array:
    """Values (n,) of an emitted network at times (n,), -1 and 1 the ends of the clip."""
    if config.target == "nerf":
        return nerf.apply(params, times[:, None])[:, 0]
    return siren.apply(params, times[:, None], siren_config(config))[:, 0]


def head_bounds(config: HyperSoundConfig) -> tuple[np.ndarray, np.ndarray]:
    """Half-widths of the uniform laws of the head: columns of its kernel, its bias.

    "Hyperfan-in" (Chang et al. 2020): weights emitted from the head's inputs begin with
    the variance of a network that is trained by itself. For a SIREN a thousandth of that,
    and the bias draws one random SIREN that all clips begin with.
    """
    kernel, bias = [], []
    for _, (fan_in, fan_out) in emitted_layers(config):
        for count, variance in ((fan_in * fan_out, 1 / fan_in), (fan_out, 1.0)):
            bound = np.sqrt(3 * variance / config.hidden[-1])
            if config.target == "siren":
                kernel.append(np.full(count, 1e-3 * bound))
                bias.append(np.full(count, _siren_bound(fan_in, config)))
            else:
                kernel.append(np.full(count, bound))
                bias.append(np.zeros(count))
    return np.concatenate(kernel), np.concatenate(bias)


def emitted_layers(config: HyperSoundConfig) -> list[tuple[int, tuple[int, int]]]:
    """Position and sizes of the layers whose weights the hypernetwork emits."""
    return [
        (i, sizes)
        for i, sizes in enumerate(layer_sizes(config))
        if i not in config.shared_layers
    ]


def _siren_bound(fan_in, config):
    return 1.0 if fan_in == 1 else np.sqrt(6 / fan_in) / config.hidden_omega


def _layers(flat, config):
    """Slices of the head's output in the target's order: w0 (out, in), b0, w1, ..."""
    layers, start = [], 0
    for _, (fan_in, fan_out) in emitted_layers(config):
        middle, stop = start + fan_in * fan_out, start + (fan_in + 1) * fan_out
        kernel = flat[start:middle].reshape(fan_out, fan_in).T
        layers.append({"kernel": kernel, "bias": flat[middle:stop]})
        start = stop
    return layers


def _as_siren(layers, config):
    """HyperSound's sin(W (omega x) + b) as the sin(omega (W x + b)) of `siren.apply`.

    There the factor multiplies biases and not the last layer; here the reverse.
    """
    if config.target == "nerf":
        return layers
    omegas = [config.first_omega] + [config.hidden_omega] * (len(layers) - 1)
    changed = [
        {"kernel": layer["kernel"], "bias": layer["bias"] / omega}
        for layer, omega in zip(layers[:-1], omegas, strict=False)
    ]
    last = {"kernel": omegas[-1] * layers[-1]["kernel"], "bias": layers[-1]["bias"]}
    return [*changed, last]


def _uniform_within(bounds):
    """Initialiser: uniform within plus and minus `bounds`, which broadcast."""

    def init(key, shape, dtype=jnp.float32):
        return jnp.asarray(bounds, dtype) * jax.random.uniform(
            key, shape, dtype, -1.0, 1.0
        )

    return init
