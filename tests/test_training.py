"""The training loop, what it keeps, and the optimizers, on weights that need no network."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from orbax.checkpoint import v1 as ocp

from inr_jax import audio
from inr_jax.configs import hypernetwork as settings
from inr_jax.configs.hypernetwork import HypernetworkTraining
from inr_jax.data import datasets
from inr_jax.data.noise import Condition
from inr_jax.errors import InputError
from inr_jax.evaluation.source import Source
from inr_jax.metrics.pool import ScorePool
from inr_jax.training import hypernetwork, loop, validation
from inr_jax.training import state as states
from inr_jax.training.meter import Meter
from inr_jax.training.run import TrainingRun
from inr_jax.training.state import State

CONFIG = HypernetworkTraining(
    optimizer="adamw", num_steps=20, warmup_steps=2, decay_steps=5, adam_rate=0.1
)
TARGET = np.array([[1.0, -2.0]], np.float32)


def loss(params):
    return jnp.sum((params["params"]["kernel"] - TARGET) ** 2)


def fresh(config=CONFIG):
    params = {"params": {"kernel": jnp.zeros((1, 2))}}
    return hypernetwork.init(params, config)


def advance(state, num_steps, config=CONFIG):
    optimizer = hypernetwork.optimizer(config)

    @jax.jit
    def step(state):
        gradient = jax.grad(loss)(state.params)
        return states.apply_gradient(state, gradient, optimizer, config.ema_decay)

    for _ in range(num_steps):
        state = step(state)
    return state


def assert_equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


OPTIMIZERS = ("muon", "adamw", "one_cycle")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_training_resumes_where_it_was_and_its_loss_falls(tmp_path, optimizer):
    config = dataclasses.replace(CONFIG, optimizer=optimizer)
    whole = advance(fresh(config), 8, config)
    assert loss(whole.params) < 0.95 * loss(fresh(config).params)
    first = TrainingRun(tmp_path)
    first.append({"step": 3, "loss": 1.0})
    first.save(advance(fresh(config), 3, config))
    first.append({"step": 4, "loss": 9.0})  # then it was killed
    again = TrainingRun(tmp_path)
    state = again.resume(fresh(config))
    assert int(state.step) == 3 and again.log() == [{"step": 3, "loss": 1.0}]
    assert_equal(advance(state, 5, config), whole)


def moved(config, *gradients):
    """How far each weight goes by gradients of one value everywhere, in turn."""
    params = {"params": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}}
    optimizer = hypernetwork.optimizer(config)
    state = optimizer.init(params)
    for value in gradients:
        gradient = jax.tree.map(lambda x, v=value: jnp.full_like(x, v), params)
        updates, state = optimizer.update(gradient, state, params)
        params = jax.tree.map(jnp.add, params, updates)
    return {k: float(abs(x - 1).max()) for k, x in params["params"].items()}


def test_matrices_go_at_the_rate_of_muon_and_others_at_that_of_adam():
    config = dataclasses.replace(
        CONFIG, optimizer="muon", warmup_steps=0, muon_rate=1.0, adam_rate=1e-3
    )
    config = dataclasses.replace(config, weight_decay=0.0)
    step = moved(config, 1.0)
    assert 1e-3 <= step["bias"] < 2e-3 and step["kernel"] > 0.1


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_weights_decay(optimizer):
    config = dataclasses.replace(CONFIG, optimizer=optimizer, warmup_steps=0)
    for decay in (0.0, 0.1):
        step = moved(dataclasses.replace(config, weight_decay=decay), 0.0)
        assert (step["kernel"] > 1e-3) == (decay > 0)


def test_a_gradient_that_explodes_counts_no_more_than_its_bound():
    config = dataclasses.replace(CONFIG, warmup_steps=0, weight_decay=0.0)
    bound, free = (
        moved(dataclasses.replace(config, max_gradient_norm=norm), 1e6, 1.0)["bias"]
        for norm in (1.0, 1e9)
    )
    assert bound > 1.1 * free  # 1.2: the second step is not lost in the mean


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.999])
def test_the_running_mean_is_that_of_the_weights(decay):
    """With a memory that is short at first."""
    config = dataclasses.replace(CONFIG, ema_decay=decay)
    state = fresh(config)
    expected = state.params["params"]["kernel"]
    for step in range(6):
        state = advance(state, 1, config)
        kept = min(decay, (1 + step) / (10 + step))
        expected = kept * expected + (1 - kept) * state.params["params"]["kernel"]
        np.testing.assert_allclose(state.ema["params"]["kernel"], expected, rtol=1e-5)
    moved = jnp.max(jnp.abs(state.params["params"]["kernel"] - expected))
    assert (moved == 0) == (decay == 0)


def test_best_weights_are_kept(tmp_path):
    first = TrainingRun(tmp_path)
    with pytest.raises(InputError, match="no training has been validated here"):
        first.best(fresh().ema)
    better = advance(fresh(), 2)
    first.save_if_best(better, 2.0)
    last = advance(better, 1)
    for score in (1.5, float("nan")):
        first.save_if_best(last, score)
    for each in (first, TrainingRun(tmp_path)):
        weights, number = each.best(fresh().ema)
        assert number == 2
        assert_equal(weights, better.ema)


def test_the_best_of_an_earlier_version_counts(tmp_path):
    """It kept the score beside the arrays."""
    state = advance(fresh(), 2)
    path = tmp_path / "best" / "2"
    path.parent.mkdir()
    ocp.save(path, state.ema, custom_metadata={"score": 2.0})
    training = TrainingRun(tmp_path)
    worse = advance(state, 1)
    training.save_if_best(worse, 1.0)
    assert training.best(state.ema)[1] == 2
    training.save_if_best(advance(worse, 1), 3.0)
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
    clip = audio.Recording(noise[:, None], 16_000)
    example = datasets.mix("a", clip, Condition("white", 0.0, 0))
    return loop.Task(
        advance_by_one, num_steps, 2.0, lambda ema: {0: silence}, [example]
    )


def test_scores_are_means_of_each_kind_of_noise():
    clip = counted(1).examples[0].clean
    kinds = Condition("white", 0.0, 0), Condition("white", 10.0, 1)
    clip = audio.Recording(clip, 16_000)
    examples = [datasets.mix("a", clip, kind) for kind in kinds]
    recorded = kinds[1]._replace(noise="recorded")
    examples[1] = dataclasses.replace(examples[1], condition=recorded)
    estimates = {i: example.noisy[:, 0] for i, example in enumerate(examples)}
    with ScorePool() as pool:
        found = validation.mean_scores(estimates, examples, ("si_sdr",), pool)
    expected = {"white/si_sdr": 0, "recorded/si_sdr": 10}
    assert found == pytest.approx(expected, abs=0.2)


def test_a_clip_without_a_value_counts_as_the_worst():
    clip = audio.Recording(counted(1).examples[0].clean, 16_000)
    example = datasets.mix("a", clip, Condition("white", 10.0, 0))
    estimates = {0: example.noisy[:, 0], 1: np.zeros(16_000, np.float32)}
    with ScorePool() as pool:
        found = validation.mean_scores(estimates, [example] * 2, ("si_sdr",), pool)
    assert found["white/si_sdr"] == pytest.approx(10, abs=0.2)
    assert found["white/undefined"] == 0.5
    assert validation.selection_score(found) < 0


def test_a_checkpoint_is_chosen_by_pesq_and_si_sdr_in_all_noises():
    scores = {f"{kind}/{name}": 1.0 for kind in ("a", "b") for name in ("pesq", "stoi")}
    scores |= {"a/si_sdr": 10.0, "b/si_sdr": 12.0}
    before = validation.selection_score(scores)
    assert before == pytest.approx(1 + 0.1 * 11)
    for name, gain in (("a/pesq", 0.5), ("b/si_sdr", 0.05), ("a/stoi", 0.0)):
        better = validation.selection_score({**scores, name: scores[name] + 1})
        assert better - before == pytest.approx(gain)
    assert validation.selection_score({"white/high_sdr": 20.0}) == pytest.approx(2)


@pytest.mark.slow
def test_the_best_of_a_training_is_kept(tmp_path, monkeypatch):
    """By the scores of the running mean, which peak in the middle."""
    task = counted(9)
    rising = task._replace(denoise=lambda ema: {0: np.full(2, np.float32(ema[0]))})
    rising = rising._replace(
        step=lambda state: (
            state._replace(ema=state.ema + 1, step=np.asarray(state.step + 1)),
            {"loss": np.float32(1)},
        )
    )

    def scores(estimates, *args):
        value = -abs(float(estimates[0][0]) - 6)
        return {f"white/{name}": value for name in validation.METRICS["all"]}

    monkeypatch.setattr(validation, "mean_scores", scores)
    run = TrainingRun(tmp_path)
    loop.train(run, ZERO, rising, loop.Intervals(9, 9, 3), lambda line: None)
    ema, step = run.best(ZERO.ema)
    assert step == 6 and ema[0] == 6


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


@pytest.mark.parametrize("kind, level", [("white", 0.0), ("recorded", 5.0)])
def test_clips_of_a_validation_are_mixed_as_those_of_an_evaluation(
    tmp_path, kind, level
):
    for i in range(2):
        samples = 0.1 * np.random.default_rng(i).standard_normal((80_000, 1))
        audio.write(tmp_path / f"{i}.wav", samples, 16_000)
    clips = datasets.find_clips(tmp_path)
    noises = clips if kind == "recorded" else ()
    source = Source(clips, noises, max_seconds=validation.CLIP_S)
    made, _ = validation.examples(tmp_path, tmp_path, 16_000, seed=3)
    found = [example for example in made if example.condition.noise == kind]
    for position, example in enumerate(found):
        expected = source.load(position, Condition(kind, level, 3))
        np.testing.assert_array_equal(example.noisy, expected.noisy)
        np.testing.assert_array_equal(example.clean, expected.clean)
    assert len(found) == 2


def test_nothing_that_follows_from_nan_is_kept(tmp_path):
    training = TrainingRun(tmp_path)
    with pytest.raises(FloatingPointError, match="step 2: loss is not finite"):
        loop.train(training, ZERO, counted(9, -2), INTERVALS, lambda line: None)
    assert not training.log() and int(training.resume(ZERO).step) == 0


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rates_rise_to_the_largest_and_fall_to_nothing(name):
    config = dataclasses.replace(CONFIG, optimizer=name, num_steps=100)
    rate = hypernetwork.schedule(1e-2, config)
    # when each of them is at its largest is among these
    rates = np.array([rate(i) for i in (0, 2, 5, 50, 100)])
    assert rates.max() == pytest.approx(1e-2, rel=1e-3)
    assert rates[0] < 1e-3 and rates[-1] < 1e-6
    steady = dataclasses.replace(CONFIG, warmup_steps=0, decay_steps=0)
    rates = [hypernetwork.schedule(1e-2, steady)(i) for i in (0, 10, 19)]
    assert rates == pytest.approx([1e-2] * 3)


def test_momentum_is_least_where_the_rate_is_largest():
    decays = np.array([hypernetwork.adam_b1(100)(i) for i in range(101)])
    assert decays[0] == decays[100] == pytest.approx(0.95)
    assert np.argmin(decays) == 5 and decays[5] == pytest.approx(0.85)
    config = dataclasses.replace(CONFIG, optimizer="one_cycle", num_steps=100)
    state = advance(fresh(config), 6, config)
    assert float(state.opt_state[1].hyperparams["b1"]) == pytest.approx(0.85)


def test_hypersound_is_trained_as_published_and_the_others_are_not():
    published = settings.default_settings("hypersound").training
    used = {k for k, weight in vars(published.loss).items() if weight}
    assert used == {"smooth_l1", "stft"}
    assert (published.optimizer, published.adam_rate) == ("adamw", 1e-4)
    assert hypernetwork.schedule(1e-4, published)(10**6) == pytest.approx(1e-4)
    for name in ("hyper_gain", "hyper_siren"):
        assert settings.default_settings(name).training == HypernetworkTraining()


def test_bad_settings_are_refused():
    for bad in ({"optimizer": "sgd"}, {"trained": "lows"}, {"warmup_steps": 20}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            dataclasses.replace(CONFIG, **bad)
