import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from inr_jax.configs.fitting import FitConfig, SirenConfig
from inr_jax.fitting import fitting
from inr_jax.fitting import sweep as sweeping

CONFIG = FitConfig(SirenConfig(16, 1), schedule="cosine", num_steps=20)
OMEGAS, RATES = [50.0, 100.0, 100.0], [1e-3, 1e-3, 3e-3]
SAMPLES = jnp.sin(jnp.arange(600) / 9)


def sweep(config=CONFIG):
    fits = sweeping.Fits(
        jnp.stack([jax.random.key(0)] * 3),
        fitting.Signal(jnp.stack([SAMPLES] * 3), jnp.array([600, 600, 500])),
        jnp.array(OMEGAS),
        jnp.array(RATES),
    )
    return dict(sweeping.trajectories(fits, 16_000, config, every=10))


def test_every_fit_equals_one_with_its_own_config():
    """At every look, whatever runs beside it."""
    found = sweep()
    update = jax.jit(fitting.update, static_argnums=(2, 3))
    assert sorted(found) == [10, 20]
    for i, length in enumerate([600, 600, 500]):
        network = dataclasses.replace(CONFIG.siren, first_omega=OMEGAS[i])
        own = dataclasses.replace(CONFIG, siren=network, learning_rate=RATES[i])
        state, signal = (
            fitting.init(jax.random.key(0), own),
            fitting.Signal(SAMPLES[:length], length),
        )
        for step in range(1, 21):
            state, _ = update(state, signal, 16_000, own)
            if step in found:
                index = jnp.arange(length, dtype=jnp.float32)
                alone = fitting.evaluate(state.params, index, length, 16_000, own)
                np.testing.assert_allclose(found[step][i, :length], alone, atol=1e-4)


def test_one_program_for_all_values(monkeypatch):
    """Other rates and factors in the same shapes trace nothing again."""
    sweep()
    monkeypatch.setattr(fitting, "_values", None)
    monkeypatch.setattr(f"{__name__}.RATES", [2e-3, 5e-4, 1e-4])
    sweep()
