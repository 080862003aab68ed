import dataclasses
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import TINY

from inr_jax.configs.fitting import LossWeights
from inr_jax.configs.training import TrainingConfig
from inr_jax.errors import InputError
from inr_jax.models.stft_mask import LocalHyperSound
from inr_jax.training import run as training_run
from inr_jax.training import step as training

MODEL = LocalHyperSound(TINY)
CONFIG = TrainingConfig(batch_size=2, num_steps=20, warmup_steps=2, learning_rate=1e-2)
RATE = 16_000


def data(step):
    rng = np.random.default_rng(step)
    clean = np.sin(np.arange(1024) * rng.uniform(0.1, 0.3, (2, 1)))
    noisy = clean + 0.3 * rng.standard_normal(clean.shape)
    return noisy.astype(np.float32), clean.astype(np.float32)


def fresh(config=CONFIG):
    return training.init(jax.random.key(0), MODEL, 1024, config)


def advance(state, steps, config=CONFIG):
    update = training.compiled_update(MODEL, RATE, config)
    measured = []
    for step in steps:
        state, one = update(state, *data(step))
        measured.append({name: float(value) for name, value in one.items()})
    return state, measured


def assert_equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_the_loss_falls_and_the_running_mean_follows():
    state, measured = advance(fresh(), range(20))
    assert measured[-1]["loss"] < measured[0]["loss"] - 0.5
    assert set(measured[0]) == {"loss", "compressed", "snr", "gradient_norm"}
    gaps = jax.tree.map(lambda a, b: jnp.abs(a - b).max(), state.params, state.ema)
    assert 0 < max(jax.tree.leaves(gaps)) < 0.2


def test_resuming_gives_what_an_uninterrupted_training_gives(tmp_path):
    whole, _ = advance(fresh(), range(6))
    run = training_run.TrainingRun(tmp_path)
    state, _ = advance(fresh(), range(3))
    run.append({"step": 3, "loss": 1.0})
    run.save(state)
    run.append({"step": 4, "loss": 9.0})  # then it was killed
    again = training_run.TrainingRun(tmp_path)
    state = again.resume(fresh())
    assert int(state.step) == 3 and again.log() == [{"step": 3, "loss": 1.0}]
    resumed, _ = advance(state, range(3, 6))
    assert_equal(resumed, whole)


def test_processes_that_share_no_folder_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(training_run.devices, "agree", lambda number: False)
    with pytest.raises(InputError, match="one folder for all processes"):
        training_run.TrainingRun(tmp_path).resume(fresh())


def test_best_weights_are_kept(tmp_path):
    run = training_run.TrainingRun(tmp_path)
    first, _ = advance(fresh(), range(1))
    second, _ = advance(first, range(1, 2))
    assert run.save_if_best(second, 2.0) and not run.save_if_best(fresh(), 1.5)
    weights, step = run.best(fresh().ema)
    assert step == 2
    assert_equal(weights, second.ema)


def test_what_is_not_finite_stops_with_step_and_term():
    meter = training_run.Meter()
    meter.add({"loss": np.float32(1), "snr": np.float32(1)})
    meter.add({"loss": np.float32(np.nan), "snr": np.float32(np.inf)})
    with pytest.raises(FloatingPointError, match="step 8: loss, snr is not finite"):
        meter.line(8, 1.0, 0.0)


@pytest.mark.slow
def test_gain_of_an_example_does_not_change_the_loss():
    params = jax.tree.map(lambda x: x * 0, fresh().params)  # a linear denoiser
    noisy, clean = (x[0] for x in data(0))
    losses = [
        training.loss_terms(params, g * noisy, g * clean, MODEL, RATE, CONFIG)
        for g in (1.0, 0.01)
    ]
    for name, value in losses[0].items():
        assert float(losses[1][name]) == pytest.approx(float(value), rel=1e-3)


@pytest.mark.parametrize("name", ["constant", "one_cycle", "cosine"])
def test_schedules_stay_within_the_largest_rate(name):
    config = dataclasses.replace(CONFIG, schedule=name, num_steps=100)
    without = dataclasses.replace(config, warmup_steps=0)
    assert training.schedule(without)(50) > 1e-3
    rates = np.array([training.schedule(config)(step) for step in range(101)])
    assert rates.max() == pytest.approx(1e-2, rel=1e-3)
    assert (rates[100] < 1e-4) == (name != "constant")


@pytest.mark.slow
def test_momentum_is_least_where_the_rate_is_largest():
    config = dataclasses.replace(CONFIG, schedule="one_cycle", num_steps=100)
    decays = np.array([training.momentum(config)(step) for step in range(101)])
    assert decays[0] == decays[100] == pytest.approx(0.95)
    assert np.argmin(decays) == 5 and decays[5] == pytest.approx(0.85)
    state, _ = advance(fresh(config), range(6), config)
    used = state.opt_state[1].hyperparams["b1"]
    assert float(used) == pytest.approx(0.85)


@pytest.mark.slow
def test_losses_of_the_paper_train_as_well():
    config = dataclasses.replace(CONFIG, loss=LossWeights(mse=0, smooth_l1=1, stft=1))
    config_of_code = dataclasses.replace(CONFIG, loss=LossWeights(mse=0, l1=1, mel=1))
    for one, names in (
        (config, {"smooth_l1", "stft"}),
        (config_of_code, {"l1", "mel"}),
    ):
        assert set(advance(fresh(one), range(1), one)[1][0]) > names


def test_bad_settings_are_refused():
    for bad in ({"schedule": "linear"}, {"precision": "int8"}, {"warmup_steps": 20}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            dataclasses.replace(CONFIG, **bad)


@pytest.mark.slow
def test_several_devices_give_the_result_of_one():
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "import conftest, jax, numpy as np, test_training as t\n"
        "assert len(jax.devices()) == 2\n"
        "state, _ = t.advance(t.fresh(), range(3))\n"
        "print(float(sum(np.abs(x).sum() for x in jax.tree.leaves(state.params))))\n"
    )
    flags = "--xla_force_host_platform_device_count=2"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"XLA_FLAGS": flags},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    state, _ = advance(fresh(), range(3))
    here = sum(np.abs(x).sum() for x in jax.tree.leaves(state.params))
    assert float(done.stdout) == pytest.approx(float(here), rel=1e-5)
