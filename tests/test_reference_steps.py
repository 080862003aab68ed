"""What the benchmark compares with computes the same."""

import jax
import numpy as np
import pytest
import reference_steps

from inr_jax.configs.fitting import FitConfig, SirenConfig
from inr_jax.fitting import clip_fit, siren

CONFIG = FitConfig(SirenConfig(16, 2, 100.0), num_steps=3)
SIGNALS = np.sin(np.array([[0.1], [0.2]]) * np.arange(500)).astype(np.float32)


def our_losses(signal):
    return clip_fit.fit(jax.random.key(0), signal, 16_000, CONFIG).losses[0]


def params():
    return siren.init(jax.random.key(0), CONFIG).params


@pytest.mark.slow
def test_plain_jax_has_our_loss():
    stacked = jax.tree.map(lambda leaf: np.stack([leaf, leaf]), params())
    losses = reference_steps.plain_jax(stacked, SIGNALS, CONFIG.siren)()
    expected = [our_losses(signal)[0] for signal in SIGNALS]
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


@pytest.mark.parametrize("compiled", [False, True])
def test_pytorch_takes_our_steps(compiled):
    pytest.importorskip("torch")
    step = reference_steps.pytorch(params(), SIGNALS[:1], CONFIG.siren, compiled)
    losses = np.concatenate([step() for _ in range(3)])
    np.testing.assert_allclose(losses, our_losses(SIGNALS[0]), rtol=1e-3)
