"""SIRENs of time, one for each window: what they are, at any time and on a grid."""

import jax
import numpy as np
import pytest

from inr_jax.configs.hyper_siren import WindowsConfig
from inr_jax.nn import window_siren
from inr_jax.nn.window_siren import WindowSirens

CONFIG = WindowsConfig(num_cells=4, cell_bins=8, cell_pairs=2)
COUNT, HOP, RATE = 9, CONFIG.num_bins, 2000
PAIRS = len(window_siren.initial_carriers(CONFIG))


@pytest.fixture(scope="module")
def sirens():
    rng = np.random.default_rng(0)
    shape = (COUNT, PAIRS)
    return WindowSirens(
        window_siren.initial_slow(CONFIG),
        window_siren.initial_carriers(CONFIG),
        rng.standard_normal((*shape, 2 * CONFIG.slow), np.float32),
        rng.standard_normal(shape, np.float32),
        rng.standard_normal(shape, np.float32),
    )


def siren(sirens, window, since):
    """sin(W sin(...)) of one window at one time, in hops from its centre."""
    omega = np.concatenate([[0.02], sirens.slow, sirens.slow])
    quarters = np.repeat([0, 0, np.pi / 2], [1, CONFIG.slow, CONFIG.slow])
    first = np.sin(omega * since + quarters)
    carriers = sirens.carriers[:, None].astype(float) * np.pi / 0.02
    weights = np.concatenate([carriers, sirens.modulations[window]], axis=1)
    weights = np.concatenate([weights, weights])
    phases = np.repeat([0, np.pi / 2], PAIRS)
    hidden = np.sin(weights @ first + phases)
    return np.append(sirens.sines[window], sirens.cosines[window]) @ hidden


def test_values_are_those_of_sirens(sirens):
    seconds = np.random.default_rng(1).uniform(-0.01, 0.16, 60)
    expected = np.zeros(len(seconds))
    for i, t in enumerate(seconds):
        for window in range(COUNT):
            since = t / CONFIG.hop_s - window
            if abs(since) < 1:
                fade = np.cos(np.pi / 2 * since)
                expected[i] += fade * siren(sirens, window, since)
    found = window_siren.evaluate(sirens, seconds, CONFIG)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    many = np.repeat(seconds, 150)  # more than are evaluated at once
    repeated = window_siren.evaluate(sirens, many, CONFIG)
    np.testing.assert_allclose(repeated, np.repeat(found, 150), atol=1e-6)


@pytest.mark.parametrize("upsample", [1, 3])
def test_the_grid_has_the_values_of_its_times(sirens, upsample):
    hop, count = upsample * HOP, upsample * 250
    found = window_siren.on_grid(sirens, hop, count, CONFIG)
    seconds = np.arange(count) / (upsample * RATE)
    expected = window_siren.evaluate(sirens, seconds, CONFIG)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_coarse_grid_leaves_out_what_it_cannot_hold(sirens):
    half = window_siren.on_grid(sirens, HOP // 2, 100, CONFIG)
    low = np.arange(PAIRS) < PAIRS // 2
    kept = sirens._replace(sines=sirens.sines * low, cosines=sirens.cosines * low)
    np.testing.assert_allclose(
        half, window_siren.on_grid(kept, HOP, 200, CONFIG)[::2], atol=1e-5
    )


def test_gradients_reach_every_weight(sirens):
    def energy(sirens):
        return (window_siren.on_grid(sirens, HOP, 8 * HOP, CONFIG) ** 2).sum()

    for name, gradient in jax.grad(energy)(sirens)._asdict().items():
        assert np.all(np.asarray(gradient) != 0), name
