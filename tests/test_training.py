import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from orbax.checkpoint import v1 as ocp

from inr_jax.configs.fitting import LossWeights
from inr_jax.configs.hypersound import HyperSoundConfig
from inr_jax.configs.training import TrainingConfig
from inr_jax.errors import InputError
from inr_jax.models.hypersound import HyperSound
from inr_jax.parallel import sharding
from inr_jax.training import loop, run, step, validation
from inr_jax.training.meter import Meter
from inr_jax.training.run import TrainingRun
from inr_jax.training.state import State

MODEL = HyperSound(
    HyperSoundConfig(
        num_samples=1024,
        encoder_channels=2,
        strides=(32,),  # fewer stages and layers compile faster
        hidden=(8,),
        width=8,
        num_layers=1,
        norm="channel",
    )
)
CONFIG = TrainingConfig(batch_size=2, num_steps=20, warmup_steps=2, learning_rate=1e-2)
RATE = 16_000


def data(i):
    rng = np.random.default_rng(i)
    clean = np.sin(np.arange(1024) * rng.uniform(0.1, 0.3, (2, 1)))
    noisy = clean + 0.3 * rng.standard_normal(clean.shape)
    return noisy.astype(np.float32), clean.astype(np.float32)


def fresh(config=CONFIG):
    return step.init(jax.random.key(0), MODEL, 1024, config)


def advance(state, steps, config=CONFIG):
    update = step.compiled_update(MODEL, RATE, config)
    measured = []
    for i in steps:
        state, one = update(state, *data(i))
        measured.append({name: float(value) for name, value in one.items()})
    return state, measured


def assert_equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.mark.slow
def test_the_loss_falls_and_the_running_mean_follows():
    state, measured = advance(fresh(), range(20))
    assert measured[-1]["loss"] < measured[0]["loss"] - 0.5
    assert set(measured[0]) == {"loss", "compressed", "snr", "gradient_norm"}
    gaps = jax.tree.map(lambda a, b: jnp.abs(a - b).max(), state.params, state.ema)
    assert 0 < max(jax.tree.leaves(gaps)) < 0.2


@pytest.mark.slow
def test_resuming_gives_what_an_uninterrupted_training_gives(tmp_path):
    whole, _ = advance(fresh(), range(6))
    first = TrainingRun(tmp_path)
    state, _ = advance(fresh(), range(3))
    first.append({"step": 3, "loss": 1.0})
    first.save(state)
    first.append({"step": 4, "loss": 9.0})  # then it was killed
    again = TrainingRun(tmp_path)
    state = again.resume(fresh())
    assert int(state.step) == 3 and again.log() == [{"step": 3, "loss": 1.0}]
    resumed, _ = advance(state, range(3, 6))
    assert_equal(resumed, whole)


def test_processes_that_share_no_folder_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(run.distributed, "all_equal", lambda number: False)
    with pytest.raises(InputError, match="one folder for all processes"):
        TrainingRun(tmp_path).resume(ZERO)


@pytest.mark.slow
def test_best_weights_are_kept(tmp_path):
    first = TrainingRun(tmp_path)
    with pytest.raises(InputError, match="no training has been validated here"):
        first.best(fresh().ema)
    state, _ = advance(fresh(), range(1))
    better, _ = advance(state, range(1, 2))
    first.save_if_best(better, 2.0)
    best = jax.device_get(better.ema)
    last, _ = advance(better, range(2, 3))
    for score in (1.5, float("nan")):
        first.save_if_best(last, score)
    for each in (first, TrainingRun(tmp_path)):
        weights, number = each.best(fresh().ema)
        assert number == 2
        assert_equal(weights, best)


@pytest.mark.slow
def test_the_best_of_an_earlier_version_counts(tmp_path):
    """It kept the score beside the arrays."""
    state, _ = advance(fresh(), range(2))
    path = tmp_path / "best" / "2"
    path.parent.mkdir()
    ocp.save(path, state.ema, custom_metadata={"score": 2.0})
    training = TrainingRun(tmp_path)
    worse, _ = advance(fresh(), range(3))
    training.save_if_best(worse, 1.0)
    assert training.best(state.ema)[1] == 2
    training.save_if_best(advance(worse, range(3, 4))[0], 3.0)
    assert training.best(state.ema)[1] == 4


def test_what_is_not_finite_stops_with_step_and_term():
    meter = Meter(1.0)
    meter.add({"loss": np.float32(1), "snr": np.float32(1)})
    meter.add({"loss": np.float32(np.nan), "snr": np.float32(np.inf)})
    with pytest.raises(FloatingPointError, match="step 8: loss, snr is not finite"):
        meter.line(8)


def counted(num_steps, fails_at=None):
    """A task whose loss is the number of the step."""

    def advance_by_one(state):
        number = np.asarray(state.step + 1)
        if number == fails_at:
            raise KeyboardInterrupt
        loss = np.nan if fails_at == -number else number
        return state._replace(step=number), {"loss": np.float32(loss)}

    silence = np.zeros(16_000, np.float32)
    noise = np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    example = validation.ValidationExample("a", "white", noise, noise)
    return loop.Task(
        advance_by_one, num_steps, 2.0, lambda ema: {0: silence}, [example], 16_000
    )


ZERO = State(np.zeros(2), np.zeros(2), np.zeros(2), np.zeros((), np.int32))
INTERVALS = loop.Intervals(log=5, save=4, validate=6)


def losses(folder):
    """Steps and mean losses of the log."""
    return [(x["step"], x["loss"]) for x in TrainingRun(folder).log() if "loss" in x]


@pytest.mark.slow
def test_every_step_counts_in_one_line_of_the_log(tmp_path, monkeypatch):
    """Whatever the intervals are, and where it was interrupted."""
    scores = {f"white/{name}": 1.0 for name in validation.METRICS["all"]}
    monkeypatch.setattr(validation, "mean_scores", lambda *args: scores)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    loop.train(TrainingRun(whole), ZERO, counted(9), INTERVALS, lambda line: None)
    assert losses(whole) == [(4, 2.5), (5, 5.0), (6, 6.0), (8, 7.5), (9, 9.0)]
    assert [x["step"] for x in TrainingRun(whole).log() if "loss" not in x] == [6, 9]
    first = TrainingRun(parts)
    with pytest.raises(KeyboardInterrupt):
        loop.train(first, ZERO, counted(9, 7), INTERVALS, lambda line: None)
    again = TrainingRun(parts)
    state = again.resume(ZERO)
    assert int(state.step) == 4
    state = jax.tree.map(np.asarray, state)
    loop.train(again, state, counted(9), INTERVALS, lambda line: None)
    assert losses(parts) == losses(whole)


def test_nothing_that_follows_from_nan_is_kept(tmp_path):
    training = TrainingRun(tmp_path)
    with pytest.raises(FloatingPointError, match="step 2: loss is not finite"):
        loop.train(training, ZERO, counted(9, -2), INTERVALS, lambda line: None)
    assert not training.log() and int(training.resume(ZERO).step) == 0


@pytest.mark.slow
def test_gain_of_an_example_does_not_change_the_loss():
    params = jax.tree.map(lambda x: x * 0, fresh().params)  # a linear denoiser
    noisy, clean = (x[0] for x in data(0))
    losses = [
        step.loss_terms(params, g * noisy, g * clean, MODEL, RATE, CONFIG)
        for g in (1.0, 0.01)
    ]
    for name, value in losses[0].items():
        assert float(losses[1][name]) == pytest.approx(float(value), rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["constant", "one_cycle", "cosine"])
def test_schedules_stay_within_the_largest_rate(name):
    config = dataclasses.replace(CONFIG, schedule=name, num_steps=100)
    without = dataclasses.replace(config, warmup_steps=0)
    assert step.schedule(without)(50) > 1e-3
    rates = np.array([step.schedule(config)(i) for i in range(101)])
    assert rates.max() == pytest.approx(1e-2, rel=1e-3)
    assert (rates[100] < 1e-4) == (name != "constant")


@pytest.mark.slow
def test_momentum_is_least_where_the_rate_is_largest():
    config = dataclasses.replace(CONFIG, schedule="one_cycle", num_steps=100)
    decays = np.array([step.momentum(config)(i) for i in range(101)])
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
    def total(num_devices):
        sharding.use_local_devices(num_devices)
        state, _ = advance(fresh(), range(3))
        leaves = jax.tree.leaves(state.params)
        assert all(len(leaf.sharding.device_set) == num_devices for leaf in leaves)
        return float(sum(np.abs(leaf).sum() for leaf in leaves))

    here = total(1)
    try:
        assert total(2) == pytest.approx(here, rel=1e-5)
    finally:
        sharding.use_local_devices(1)
