"""HyperSiren: a hypernetwork that emits SIRENs of time from noisy speech.

As HyperSound (Szatkowski et al. 2022, arXiv 2211.01839), but with a small SIREN for each
window of 32 ms instead of one for the whole clip (`nn.window_siren`). The estimate is the
values of the SIRENs: the noisy signal has no other way to it than through their weights.

A learned encoder, a strided convolution over the waveform, gives pairs of channels whose
powers are the features of the trunk (`cell_trunk`). From a second or two of context the
trunk estimates, for each channel of a window and of its neighbours, how much of it to keep;
a dense head makes the hidden layer's weights of what is kept. Encodings are relative to
the power in their cell, which the output weights restore: the estimate is exactly
proportional to the input.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from inr_jax.configs.hyper_siren import HyperSirenConfig
from inr_jax.dsp.stft import frame
from inr_jax.models.cell_trunk import FLOOR, CellTrunk, masked, normal
from inr_jax.nn import window_siren
from inr_jax.nn.window_siren import WindowSirens

# Power of a cell in digital silence, instead of 0, by which nothing can be divided.
_SILENT = 1e-30


class HyperSiren(CellTrunk):
    """Maps the windows of one signal to SIRENs of time; lift it with `jax.vmap`."""

    config: HyperSirenConfig

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of windows that it can be initialised with, four of them."""
        return 4, 2 * self.config.hop

    @nn.compact
    def __call__(
        self,
        windows: Float[Array, "times samples"],
        valid: Bool[Array, " times"] | None = None,
    ) -> WindowSirens:
        """The SIRENs of a noisy signal.

        Args:
          windows: Of the signal, `config.hop` samples apart and twice as long.
          valid: False for windows of padding, which must be zeros; all are valid by
            default.
        """
        config, emitted = self.config, self.config.windows
        count, cells, bins = len(windows), emitted.num_cells, emitted.cell_bins
        encoder = nn.Dense(
            2 * cells * bins,
            use_bias=False,
            kernel_init=_sinusoids(emitted),
            name="encoder",
        )
        encoded = encoder(windows).reshape(count, cells, 2, bins)
        power = encoded[:, :, 0] ** 2 + encoded[:, :, 1] ** 2
        level, active = self.level_of(power.reshape(count, -1), valid)
        both = self.features(power.reshape(count, -1), level, active, valid, "cells")
        known = jnp.concatenate([x.reshape(power.shape) for x in both], axis=2)
        x, _ = self.trunk(known, valid)
        amplitude = jnp.sqrt(jnp.mean(power, axis=2) + FLOOR * level + _SILENT)
        shape = masked(encoded / amplitude[..., None, None], valid)
        y = jnp.concatenate([x, known, _turns(shape)], axis=2)
        y = nn.relu(nn.Dense(2 * config.channels, name="perceptron")(y))

        def emit(outputs, name):
            return nn.Dense(outputs, kernel_init=normal(0.3, 100), name=name)(y)

        gates = emit(2 * config.taps * bins, "gates").reshape(count, cells, 2, -1)
        gates = gates.at[:, :, 0].set(nn.sigmoid(gates[:, :, 0]))
        kept = _rotated(_joined(shape, config.taps), gates)
        kept = kept.reshape(count, cells, -1).swapaxes(0, 1)
        kept = _joined(kept, 2 * config.reach + 1)
        pairs = emitted.cell_pairs
        sizes = cells, kept.shape[2], 2 * pairs
        head = self.param("head", normal(0.6, sizes[1]), sizes)
        # of the waves that the untrained encoder finds
        loudness = amplitude[..., None] / np.sqrt(config.hop)
        loudness *= nn.softplus(emit(1, "loudness"))
        output = (kept @ head).swapaxes(0, 1) * loudness
        modulations = emit(pairs * 2 * emitted.slow, "modulations")
        return WindowSirens(
            self.param("slow", lambda _: window_siren.initial_slow(emitted)),
            self.param("carriers", lambda _: window_siren.initial_carriers(emitted)),
            modulations.reshape(count, cells * pairs, 2 * emitted.slow),
            output[..., :pairs].reshape(count, -1),
            output[..., pairs:].reshape(count, -1),
        )


def _sinusoids(config):
    """Initial kernel (samples, channels) of the encoder: the first layer, windowed."""

    def init(key, shape, dtype=jnp.float32):
        del key
        since = np.arange(shape[0]) / (shape[0] // 2) - 1
        frequencies = np.arange(config.num_bins).reshape(config.num_cells, -1)
        angles = np.pi * since[:, None, None] * frequencies[None]
        waves = np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(shape)
        faded = np.cos(np.pi / 2 * since)[:, None] * waves
        return jnp.asarray(faded / np.sqrt(shape[0] / 2), dtype)

    return init


def _turns(shape):
    """Phase differences between windows and between bins: (times, cells, n).

    Of encodings (times, cells, 2, bins), as products with the conjugates of the one before
    and of the one below. They show where in a bin, and when in a window, its energy is.
    """
    count, cells, _, bins = shape.shape
    here = shape.swapaxes(1, 2).reshape(count, 2, cells * bins)
    both = [
        _product(here, jnp.pad(here, ((1, 0), (0, 0), (0, 0)))[:-1]),
        _product(here, jnp.pad(here, ((0, 0), (0, 0), (1, 0)))[:, :, :-1]),
    ]
    turns = jnp.concatenate(both, axis=1).reshape(count, 4, cells, bins)
    return jnp.tanh(turns.swapaxes(1, 2).reshape(count, cells, 4 * bins))


def _product(x, y):
    """x times the conjugate of y, both (times, 2, n) as (sine, cosine)."""
    aligned = x[:, 0] * y[:, 0] + x[:, 1] * y[:, 1]
    ahead = x[:, 0] * y[:, 1] - x[:, 1] * y[:, 0]
    return jnp.stack([aligned, ahead], axis=1)


def _rotated(x, gates):
    """x times the gates as complex numbers, both (times, cells, 2, n)."""
    (a, b), (c, d) = jnp.moveaxis(x, 2, 0), jnp.moveaxis(gates, 2, 0)
    return jnp.stack([a * c - b * d, a * d + b * c], axis=2)


def _joined(x, taps):
    """Each of (times, ..., n) with those on both sides in time, or zeros, joined."""
    side = taps // 2
    padded = jnp.pad(x, ((side, side), *[(0, 0)] * (x.ndim - 1)))
    return jnp.concatenate([padded[i : i + len(x)] for i in range(taps)], axis=-1)


def emit(
    model: HyperSiren,
    params: Any,
    noisy: Float[Array, " samples"],
    num_samples: Int[ArrayLike, ""] | None = None,
) -> WindowSirens:
    """The SIRENs of a noisy signal at `config.sample_rate`, of any level.

    Memory grows with the square of the length, 60 MB for a minute and 6 GB for ten; a
    longer signal goes through `inr_jax.denoise`, in parts.

    Args:
      model: The hypernetwork.
      params: Its weights.
      noisy: The signal.
      num_samples: Of the signal, behind which there is padding; all by default.
    """
    hop = model.config.hop
    windows = frame(jnp.pad(noisy, (hop, hop + -len(noisy) % hop)), 2 * hop, hop)
    valid = None
    if num_samples is not None:  # the windows that a signal without padding would have
        valid = hop * (jnp.arange(len(windows)) - 1) < num_samples
    return model.apply(params, windows, valid)


def denoise(
    model: HyperSiren,
    params: Any,
    noisy: Float[Array, " samples"],
    num_samples: Int[ArrayLike, ""] | None = None,
    upsample: int = 1,
) -> Float[Array, " upsampled"]:
    """The estimate of a noisy signal: the values of its SIRENs.

    Args:
      model: As for `emit`.
      params: As for `emit`.
      noisy: As for `emit`.
      num_samples: As for `emit`.
      upsample: Samples of the estimate for each one of the signal.
    """
    sirens = emit(model, params, noisy, num_samples)
    hop, count = upsample * model.config.hop, upsample * len(noisy)
    return window_siren.on_grid(sirens, hop, count, model.config.windows)
