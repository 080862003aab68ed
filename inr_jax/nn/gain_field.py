"""A complex gain as a continuous function of time and frequency.

A grid of cells covers the time-frequency plane. Each cell has a small SIREN (Sitzmann
et al. 2020, arXiv 2006.09661) of the place in it,

    g(u) = sum_j w_j sin(omega_j u + phi_j) + b,

u the distance in frequency from its centre in half widths. The frequencies omega_j are
shared by all cells, the phases phi_j and the output weights w_j, b are the cell's own.
Between centres, neighbouring cells are blended linearly in time and in frequency, as in
local implicit image functions (Chen et al. 2021, arXiv 2012.09161), so that the
function is continuous everywhere. Above the last cell are broader bands, which have a
gate alone, linear from the centre of one to the next. Beyond all of them it is constant.

Its outputs at a place (t, f) are the logit of a gate and the taps of a deep filter
(Mack and Habets 2019, arXiv 1904.08369). The estimate of an STFT Y is

    gate(t, f) * (Y(t, f) + sum_k taps_k(t, f) * Y(t + k * hop, f)).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from inr_jax.configs.hyper_gain import FieldConfig


class GainField(NamedTuple):
    """Weights of a gain field.

    Attributes:
      frequencies: Shared omega_j, in radians per half width of a cell.
      phases: phi_j of each cell.
      weights: w_j of each cell.
      bias: b of each cell.
      highs: Logit of the gate at the centre of each band above the cells.
    """

    frequencies: Float[Array, " hidden"]
    phases: Float[Array, "times cells hidden"]
    weights: Float[Array, "times cells outputs hidden"]
    bias: Float[Array, "times cells outputs"]
    highs: Float[Array, "times bands"]


def initial_frequencies(hidden: int) -> Float[np.ndarray, " hidden"]:
    """Initial shared frequencies, up to the Nyquist frequency of cells of 8 bins."""
    return np.linspace(0.5, 1.75 * np.pi, hidden, dtype=np.float32)


def evaluate(
    field: GainField,
    times: Float[Any, " n"],
    frequencies: Float[Any, " m"],
    config: FieldConfig,
) -> tuple[Float[Array, "n m"], Complex[Array, "n m taps"]]:
    """Gate and filter taps at any times and frequencies.

    Args:
      field: A gain field.
      times: Seconds; the centre of the first cell is at 0.
      frequencies: Hz.
      config: Of the field.

    Returns:
      Gate in (0, 1), and `FILTER_TAPS` complex taps.
    """
    num_times, num_cells = field.phases.shape[:2]
    last_bin = config.num_cells * config.cell_bins - 1
    bins = jnp.maximum(jnp.asarray(frequencies) / config.bin_hz, 0)
    high_weights = _high_weights(bins, config)
    bins = jnp.minimum(bins, last_bin)
    # the centre of a cell is the mean of its bins
    at_cell = (bins + 0.5) / config.cell_bins - 0.5
    at_time = jnp.clip(jnp.asarray(times) / config.hop_s, 0, num_times - 1)
    total = 0.0
    highs = 0.0
    for time, time_weight in _neighbours(at_time):
        here = field.highs[jnp.clip(time, 0, num_times - 1)]
        highs += time_weight[:, None] * (here @ high_weights[:, 1:].T)
        for cell, cell_weight in _neighbours(at_cell):
            weight = time_weight[:, None, None] * cell_weight[None, :, None]
            place = 2 * (at_cell - cell)
            # beyond the first and the last centre there is one cell only
            here = (
                jnp.clip(time, 0, num_times - 1)[:, None],
                jnp.clip(cell, 0, num_cells - 1)[None, :],
            )
            phases = field.frequencies[None, None] * place[None, :, None]
            phases += field.phases[here]
            hidden = jnp.sin(phases)[:, :, None, :]
            outputs = jnp.sum(field.weights[here] * hidden, axis=3) + field.bias[here]
            total += weight * outputs
    return split(_with_highs(total, highs, high_weights))


def _high_weights(bins, config):
    """How much of the last cell's outputs, and of each band above, is at some bins.

    (n, 1 + bands), linear from centre to centre.
    """
    edges = np.array(config.high_edges, np.float32)
    last_bin = config.num_cells * config.cell_bins - 1
    centres = np.concatenate([[last_bin], (edges[1:] + edges[:-1] - 1) / 2])
    xp = jnp if isinstance(bins, jax.Array) else np
    return xp.stack([xp.interp(bins, centres, hat) for hat in np.eye(len(centres))], 1)


def _with_highs(outputs, highs, high_weights):
    """Outputs (times, n, outputs) of cells, and logits (times, n) of bands above."""
    outputs *= high_weights[None, :, :1]
    return outputs + jnp.pad(
        highs[..., None], ((0, 0), (0, 0), (0, outputs.shape[2] - 1))
    )


def _neighbours(position):
    """Indices of the grid points below and above, and their interpolation weights."""
    low = jnp.floor(position).astype(int)
    return (low, 1 - (position - low)), (low + 1, position - low)


def split(
    outputs: Float[Array, "*shape outputs"],
) -> tuple[Float[Array, "*shape"], Complex[Array, "*shape taps"]]:
    """Gate and complex taps from the outputs of a field, 1 + 2 * FILTER_TAPS."""
    # outputs of 0: an open gate and no filter
    gate = jax.nn.sigmoid(outputs[..., 0] + 1)
    return gate, jax.lax.complex(outputs[..., 1::2], outputs[..., 2::2])


def on_bins(
    field: GainField, num_bins: int, config: FieldConfig
) -> Float[Array, "times {num_bins} outputs"]:
    """Outputs at the centres of cells in time, on the first bins of an STFT.

    As `evaluate` but in few matrix products: by the angle sum identity, a cell's outputs
    are products of its weights with sines and cosines shared by all.
    """
    outputs = _on_cells(field, config)[:, :num_bins]
    above = np.arange(outputs.shape[1], num_bins)
    if not len(above):
        return outputs
    weights = _high_weights(above, config).astype(np.float32)
    last = jnp.repeat(outputs[:, -1:], len(above), axis=1)
    highs = _with_highs(last, field.highs @ weights[:, 1:].T, weights)
    return jnp.concatenate([outputs, highs], axis=1)


def _on_cells(field, config):
    """Outputs (times, bins, outputs) on the bins of the cells."""
    count = config.cell_bins
    place = (2 * np.arange(2 * count) + 1 - 2 * count) / count  # two widths
    angles = field.frequencies[:, None] * place[None].astype(np.float32)
    basis = [jnp.sin(angles), jnp.cos(angles), np.ones((1, 2 * count), np.float32)]
    blend = (1 - np.abs(place) / 2).astype(np.float32)
    phases = field.phases[:, :, None]
    weights = [
        field.weights * jnp.cos(phases),
        field.weights * jnp.sin(phases),
        field.bias[..., None],
    ]
    outputs = jnp.concatenate(weights, 3) @ (jnp.concatenate(basis) * blend[None])
    # a cell reaches half a width over its neighbours' bins, the outermost over its own
    side = count // 2
    below, above = outputs[..., side + count :], outputs[..., :side]
    below = jnp.concatenate([below[:, :1], below[:, :-1]], axis=1)
    above = jnp.concatenate([above[:, 1:], above[:, -1:]], axis=1)
    total = outputs[..., side : side + count]
    total += jnp.concatenate([below, above], axis=3)
    return total.swapaxes(2, 3).reshape(total.shape[0], -1, total.shape[2])
