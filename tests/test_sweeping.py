import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import count_compiles

from inr_jax.configs.fitting import FitConfig, SirenConfig
from inr_jax.errors import InputError
from inr_jax.fitting import siren
from inr_jax.fitting import sweep as sweeping

CONFIG = FitConfig(SirenConfig(16, 1), schedule="cosine", num_steps=20)
OMEGAS, RATES = [50.0, 100.0, 100.0], [1e-3, 1e-3, 3e-3]
SAMPLES = jnp.sin(jnp.arange(600) / 9)


def sweep(config=CONFIG):
    return dict(start(config=config))


def start(checkpoint_dir=None, config=CONFIG):
    fits = sweeping.Fits(
        jnp.stack([jax.random.key(0)] * 3),
        siren.Signal(jnp.stack([SAMPLES] * 3), jnp.array([600, 600, 500])),
        jnp.array(OMEGAS),
        jnp.array(RATES),
    )
    return sweeping.trajectories(
        fits, 16_000, config, every=10, checkpoint_dir=checkpoint_dir
    )


@pytest.mark.slow
def test_every_fit_equals_one_with_its_own_config():
    """At every look, whatever runs beside it."""
    found = sweep()
    update = jax.jit(siren.update, static_argnums=(2, 3))
    assert sorted(found) == [10, 20]
    for i, length in enumerate([600, 600, 500]):
        network = dataclasses.replace(CONFIG.siren, first_omega=OMEGAS[i])
        own = dataclasses.replace(CONFIG, siren=network, learning_rate=RATES[i])
        state, signal = (
            siren.init(jax.random.key(0), own),
            siren.Signal(SAMPLES[:length], length),
        )
        for step in range(1, 21):
            state, _ = update(state, signal, 16_000, own)
            if step in found:
                index = jnp.arange(length, dtype=jnp.float32)
                alone = siren.evaluate(state.params, index, length, 16_000, own)
                np.testing.assert_allclose(found[step][i, :length], alone, atol=1e-4)


def test_one_program_for_all_values(monkeypatch):
    """Other rates and factors in the same shapes compile nothing again."""
    sweep()
    monkeypatch.setattr(f"{__name__}.RATES", [2e-3, 5e-4, 1e-4])
    with count_compiles() as compiled:
        sweep()
    assert not compiled


def test_a_sweep_resumes_after_its_last_look(tmp_path, monkeypatch):
    """Looks that were taken are not shown again; another grid starts anew."""
    monkeypatch.setattr("inr_jax.fitting.driver.SAVE_EVERY_S", 0.0)
    whole = sweep()
    looks = start(tmp_path / "sweep")
    assert [next(looks)[0], next(looks)[0]] == [10, 20]  # of which one was saved
    looks.close()
    ((step, estimates),) = start(tmp_path / "sweep")
    assert step == 20
    np.testing.assert_array_equal(estimates, whole[20])
    assert not (tmp_path / "sweep").exists()
    looks = start(tmp_path / "sweep")
    assert [next(looks)[0], next(looks)[0]] == [10, 20]
    looks.close()
    monkeypatch.setattr(f"{__name__}.RATES", [1e-3, 1e-3, 5e-3])
    assert [step for step, _ in start(tmp_path / "sweep")] == [10, 20]


def test_sweeps_that_make_no_sense():
    for change in ({"num_steps": 25}, {"segment_s": 0.1}):
        with pytest.raises(InputError, match="25 steps|segment_s"):
            sweep(dataclasses.replace(CONFIG, **change))
