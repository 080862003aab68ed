"""The gain field as a function of time and frequency."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inr_jax.configs.hyper_gain import FieldConfig
from inr_jax.nn import gain_field
from inr_jax.nn.gain_field import GainField

CONFIG = FieldConfig(num_cells=4, high_edges_hz=(1000, 1250, 1750))
BINS = 60  # up to 1875 Hz
# compiled as a whole, not operation by operation
evaluate = jax.jit(gain_field.evaluate, static_argnums=3)
on_bins = jax.jit(gain_field.on_bins, static_argnums=(1, 2))


@pytest.fixture
def field():
    keys = jax.random.split(jax.random.key(0), 4)
    shape = (6, CONFIG.num_cells)
    return GainField(
        jnp.asarray(gain_field.initial_frequencies(CONFIG.hidden)),
        jax.random.normal(keys[0], (*shape, CONFIG.hidden)),
        jax.random.normal(keys[1], (*shape, CONFIG.outputs, CONFIG.hidden)),
        jax.random.normal(keys[2], (*shape, CONFIG.outputs)),
        jax.random.normal(keys[3], (6, CONFIG.num_high_bands)),
    )


@pytest.mark.slow
def test_on_the_grid_both_evaluations_agree(field):
    times = np.arange(6) * CONFIG.hop_s
    frequencies = np.arange(BINS) * CONFIG.bin_hz
    gate, taps = evaluate(field, times, frequencies, CONFIG)
    fast_gate, fast_taps = gain_field.split(on_bins(field, BINS, CONFIG))
    np.testing.assert_allclose(gate, fast_gate, atol=1e-5)
    np.testing.assert_allclose(taps, fast_taps, atol=2e-5)


@pytest.mark.slow
def test_it_is_continuous_everywhere(field):
    """Steps shrink with the grid: no jump at the border of a cell, in time or frequency."""

    def largest_steps(fineness):
        times = np.linspace(-0.01, 0.1, fineness)
        frequencies = np.linspace(0, 2000, fineness)
        gate, taps = evaluate(field, times, frequencies, CONFIG)
        return [
            float(jnp.max(jnp.abs(jnp.diff(x, axis=axis))))
            for x in (gate, taps)
            for axis in (0, 1)
        ]

    coarse, fine = largest_steps(201), largest_steps(2001)
    for before, after in zip(coarse, fine, strict=True):
        assert 0 < after < before / 5


@pytest.mark.slow
def test_beyond_its_grid_it_is_constant(field):
    at = float(CONFIG.high_edges_hz[-1])
    gate, _ = evaluate(
        field, np.array([5, 9]) * CONFIG.hop_s, np.array([at, 2 * at]), CONFIG
    )
    np.testing.assert_allclose(gate, gate[0, 0], atol=1e-6)


@pytest.mark.slow
def test_a_cell_has_a_siren_of_its_own(field):
    """At the centre of a cell, the field is that cell's SIREN at 0."""
    centre_hz = (CONFIG.cell_bins - 1) / 2 * CONFIG.bin_hz
    phases, weights, bias = field.phases[2, 0], field.weights[2, 0], field.bias[2, 0]
    expected = weights @ jnp.sin(phases) + bias
    gate, taps = evaluate(
        field, np.array([2 * CONFIG.hop_s]), np.array([centre_hz]), CONFIG
    )
    expected_gate, expected_taps = gain_field.split(expected)
    np.testing.assert_allclose(gate[0, 0], expected_gate, atol=1e-5)
    np.testing.assert_allclose(taps[0, 0], expected_taps, atol=1e-5)
