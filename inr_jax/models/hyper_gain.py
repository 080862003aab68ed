"""HyperGain: a hypernetwork that emits a gain field from noisy speech.

After HyperSound (Szatkowski et al. 2022, arXiv 2211.01839), which emits the weights of
a coordinate network of time for each clip; here the emitted network is a gain over time
and frequency (`nn.gain_field`).

The trunk is that of `cell_trunk`, over the cells of the field. The bands above the cells
follow from it and from their own powers.
"""

import itertools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Complex, Float, Int

from inr_jax.configs.hyper_gain import FILTER_TAPS, HyperGainConfig
from inr_jax.dsp.stft import istft, sine_window, stft
from inr_jax.models.cell_trunk import CellTrunk, masked, normal
from inr_jax.nn import gain_field
from inr_jax.nn.gain_field import GainField

# Hidden units of the perceptron of the bands above the cells.
_HIGHS_HIDDEN = 64


class HyperGain(CellTrunk):
    """Maps the power of one signal's STFT to a gain field; lift it with `jax.vmap`.

    A causal network may be given its frames one after the other, or a few at a time:
    then it is `streaming`, and what it must remember is the collection "history",

        field, history = model.apply({**params, **history}, power, mutable=["history"])

    which begins as zeros.
    """

    config: HyperGainConfig

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of powers that it can be initialised with, four frames."""
        return 4, self.config.field.num_cells * self.config.field.cell_bins

    @nn.compact
    def __call__(
        self,
        power: Float[Array, "frames bins"],
        valid: Bool[Array, " frames"] | None = None,
    ) -> GainField:
        """The gain field of a noisy signal.

        Args:
          power: Squared magnitudes of its STFT, of any scale, with `field.hop_s` and
            `field.bin_hz`, at least as many bins as the cells have; bins above them count
            where the field has bands there.
          valid: False for frames of padding, which must be zeros; all are valid by
            default. Not for streaming.
        """
        config = self.config
        shape = (len(power), config.field.num_cells, config.field.cell_bins)
        low = power[:, : shape[1] * shape[2]]
        level, active = self.level_of(low, valid)
        both = self.features(low, level, active, valid, "cells")
        cells = jnp.concatenate([levels.reshape(shape) for levels in both], axis=2)
        x, frames = self.trunk(cells, valid)
        # skip connection from the features
        y = jnp.concatenate([x, cells], axis=2)
        y = nn.relu(nn.Dense(2 * config.channels, name="perceptron")(y))
        highs = jnp.zeros((len(power), 0))
        if config.field.num_high_bands:
            bands = _high_bands(power, config.field)
            levels = self.features(bands, level, active, valid, "bands")
            levels = masked(jnp.concatenate(levels, axis=1), valid)
            near = self.around(levels, 1, "near_bands")
            near = [near[i : i + len(power)] for i in range(3)]
            upper = jnp.mean(x[:, x.shape[1] // 2 :], axis=1)
            known = jnp.concatenate([*near, upper, frames], axis=1)
            highs = Highs(config.field.num_high_bands, name="highs")(known)
        return self.emit(y, highs)

    def emit(
        self, y: Float[Array, "frames cells n"], highs: Float[Array, "frames bands"]
    ) -> GainField:
        """The weights of the field from the features of each cell."""
        hidden, outputs = self.config.field.hidden, self.config.field.outputs
        weights = nn.Dense(
            outputs * hidden, kernel_init=normal(0.3, 100), name="weights"
        )
        bias = nn.Dense(outputs, kernel_init=normal(0.5, 100), name="bias")
        return GainField(
            self.param("frequencies", lambda _: gain_field.initial_frequencies(hidden)),
            nn.Dense(hidden, name="phases")(y),
            weights(y).reshape(*y.shape[:2], outputs, hidden),
            bias(y),
            highs,
        )

    def on_bins(
        self, field: GainField, num_bins: int
    ) -> Float[Array, "frames bins outputs"]:
        """The emitted field on the first bins of the STFT."""
        return gain_field.on_bins(field, num_bins, self.config.field)


class Highs(nn.Module):
    """The gates of the bands above the cells, from the features of each frame."""

    num_bands: int

    @nn.compact
    def __call__(self, known: Float[Array, "frames n"]) -> Float[Array, "frames bands"]:
        """Logits at the centres of the bands."""
        hidden = nn.relu(nn.Dense(_HIGHS_HIDDEN, name="hidden")(known))
        gates = nn.Dense(self.num_bands, kernel_init=normal(0.3, 100), name="gates")
        return gates(hidden)


def _high_bands(power, config):
    """Mean powers of the bands above the cells; bins that are not there are silent."""
    edges = config.high_edges
    power = jnp.pad(power, ((0, 0), (0, max(0, edges[-1] - power.shape[1]))))
    bands = [power[:, low:high] for low, high in itertools.pairwise(edges)]
    return jnp.stack([jnp.mean(band, axis=1) for band in bands], axis=1)


def denoise(
    model: HyperGain,
    params: Any,
    noisy: Float[Array, " samples *channels"],
    window: int,
    num_samples: Int[ArrayLike, ""] | None = None,
) -> Float[Array, " samples *channels"]:
    """The estimate of a noisy signal of any rate and level.

    Memory grows with the square of the length, 60 MB for a minute and 6 GB for ten; a
    longer signal goes through `inr_jax.denoise`, in parts.

    Args:
      model: The hypernetwork.
      params: Its weights.
      noisy: Its STFT has `field.bin_hz` by this `window`; linked channels have one field,
        of their mean power.
      window: Samples, even; see `window_of`.
      num_samples: Of the signal, behind which there is padding; all by default.
    """
    hop, window = window // 2, sine_window(window)
    channels = noisy.reshape(len(noisy), -1).T
    spectra = jax.vmap(lambda x: stft(x, window, hop))(channels)
    power = jnp.mean(spectra.real**2 + spectra.imag**2, axis=0)
    valid = None
    if num_samples is not None:  # the frames that a signal without padding would have
        valid = hop * (jnp.arange(len(power)) - 1) < num_samples
    bins = model.config.field.num_cells * model.config.field.cell_bins
    missing = max(0, bins - power.shape[1])  # of rates below the field's
    field = model.apply(params, jnp.pad(power, ((0, 0), (0, missing))), valid)
    outputs = model.on_bins(field, power.shape[1])

    def estimate(spectrum):
        near = with_neighbours(spectrum, model.config)
        enhanced = enhance(near, outputs, model.config)
        return istft(enhanced, window, hop, len(noisy))

    return jax.vmap(estimate, out_axes=1)(spectra).reshape(noisy.shape)


def window_of(sample_rate: int, config: HyperGainConfig) -> int:
    """Samples of a window at a rate: two hops of the field, fast to transform."""
    hop = config.field.hop_s * sample_rate
    near = range(round(0.995 * hop), round(1.005 * hop) + 1)
    return 2 * min(near, key=lambda size: (not _is_smooth(size), abs(size - hop)))


def _is_smooth(size):
    """Whether it has small prime factors alone."""
    for prime in (2, 3, 5, 7, 11, 13):
        while size % prime == 0:
            size //= prime
    return size == 1


def with_neighbours(
    spectrum: Complex[Array, "frames bins"], config: HyperGainConfig
) -> Complex[Array, "more_frames bins"]:
    """With the frames around that the filter of the first and the last one takes."""
    before = FILTER_TAPS - 1 if config.causal else FILTER_TAPS // 2
    return jnp.pad(spectrum, ((before, FILTER_TAPS - 1 - before), (0, 0)))


def enhance(
    spectrum: Complex[Array, "more_frames bins"],
    outputs: Float[Array, "frames bins outputs"],
    config: HyperGainConfig,
) -> Complex[Array, "frames bins"]:
    """The STFT of the estimate: gate and deep filter applied to the noisy one.

    Args:
      spectrum: Of the noisy signal, as from `with_neighbours`.
      outputs: Of a gain field on these frames and bins; see `nn.gain_field`.
      config: Of the network that emitted it.
    """
    gate, taps = gain_field.split(outputs)
    here = FILTER_TAPS - 1 if config.causal else FILTER_TAPS // 2
    filtered = spectrum[here : here + len(outputs)]
    for i in range(FILTER_TAPS):
        filtered += taps[..., i] * spectrum[i : i + len(outputs)]
    return gate * filtered
