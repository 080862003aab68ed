import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import count_compiles

from inr_jax.configs.fitting import FAST, FitConfig, LossWeights, SirenConfig
from inr_jax.dsp import overlap_add
from inr_jax.errors import InputError
from inr_jax.fitting import batch, clip_fit, driver, siren
from inr_jax.parallel.compute import ComputeConfig

SMALL = SirenConfig(width=16, depth=1, first_omega=100.0)
TEN_STEPS = FitConfig(siren=SMALL, learning_rate=1e-3, num_steps=10)
SMALL_BATCHES = ComputeConfig(batch_samples=20_000)


def keys(count, seed=0):
    return list(jax.random.split(jax.random.key(seed), count))


def tones(*lengths):
    rng = np.random.default_rng(0)
    return [
        (0.5 * np.sin(np.arange(n) / 9) + 0.1 * rng.standard_normal(n)).astype(
            np.float32
        )
        for n in lengths
    ]


def fit_all(keys, signals, config, rate=16_000, **options):
    fits = dict(
        batch.fit_batch(keys, signals, [rate] * len(signals), config, **options)
    )
    return [fits[i] for i in range(len(signals))]


def assert_same(one, other, atol=1e-5):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=atol), one, other)


@pytest.mark.parametrize(
    "coordinates, loss",
    [
        ("unit", LossWeights()),
        pytest.param("seconds", LossWeights(), marks=pytest.mark.slow),
        # compiles for long
        pytest.param("unit", LossWeights(mse=0, l1=1, mel=0.1), marks=pytest.mark.slow),
    ],
)
def test_many_equals_one_at_a_time(coordinates, loss):
    """Different lengths, padded, against `fit` on each clip unpadded."""
    config = FitConfig(SMALL, loss, coordinates, learning_rate=1e-3, num_steps=10)
    signals = tones(700, 4100, 4096)
    found = fit_all(keys(3), signals, config)
    for key, signal, clip in zip(keys(3), signals, found, strict=True):
        scale = np.float32(np.max(np.abs(signal)))
        fit = jax.jit(clip_fit.fit, static_argnums=(2, 3))
        one = fit(key, signal / scale, 16_000, config)
        assert_same(clip.segments[0].params, one.segments[0].params)
        assert_same(clip.losses, one.losses)
        assert_same(clip.estimate, one.estimate * scale)


@pytest.mark.slow
def test_neighbours_and_order_move_no_clip():
    signals = tones(5000, 4500, 4700, 300)
    together = fit_all(keys(4), signals, TEN_STEPS, compute=SMALL_BATCHES)
    loud = [signals[0], *(100 * s for s in signals[1:])]
    beside_loud = fit_all(keys(4), loud, TEN_STEPS, compute=SMALL_BATCHES)
    assert_same(together[0], beside_loud[0], atol=0)
    reverse = fit_all(keys(4)[::-1], signals[::-1], TEN_STEPS, compute=SMALL_BATCHES)
    for one, other in zip(together, reverse[::-1], strict=True):
        assert_same(one, other, atol=1e-6)


def test_blocks_leave_the_gradient_as_it_is():
    (signal,) = tones(3000)
    found = []
    for block in (64, 1000, 4096):
        compute = ComputeConfig(block_samples=block)
        key = jax.random.key(0)
        found.append(clip_fit.fit(key, signal, 16_000, TEN_STEPS, compute))
    assert_same(found[0], found[2])
    assert_same(found[1], found[2])


@pytest.mark.slow
def test_one_program_a_bucket():
    """Few programs for any lengths, and none for others in the same buckets."""
    config = FitConfig(siren=SirenConfig(width=5, depth=1), num_steps=25)
    compute = ComputeConfig(batch_samples=8192)
    signals = tones(4000, 3000, 2000, 1000, 500, 6000, 5900)
    with count_compiles() as compiled:
        fit_all(keys(7), signals, config, compute=compute)
    few = 5  # keys and the like
    assert len(compiled) <= 6 * 3 + few  # padded lengths; init, steps and results
    others = keys(7, seed=1), tones(*range(5500, 5507))
    with count_compiles() as compiled:
        fit_all(*others, config, compute=compute)
    assert not compiled


def test_a_number_of_steps_that_is_no_multiple_of_a_call():
    config = FitConfig(siren=SMALL, num_steps=13)
    counted = []
    (found,) = fit_all(
        keys(1), tones(500), config, on_steps=lambda *done: counted.append(*done)
    )
    assert counted == [10, 3]
    assert found.losses.shape == (1, 13) and (found.losses > 0).all()
    (segment,) = found.segments
    one = clip_fit.fit(keys(1)[0], tones(500)[0] / segment.scale, 16_000, config)
    assert_same(segment.params, one.segments[0].params)


def test_level_comes_back():
    (signal,) = tones(2000)
    quiet, loud = fit_all(keys(1) * 2, [1e-3 * signal, 8 * signal], TEN_STEPS)
    np.testing.assert_allclose(
        loud.estimate, 8000 * quiet.estimate, rtol=1e-3, atol=1e-3
    )
    np.testing.assert_allclose(
        loud.segments[0].scale, np.max(np.abs(8 * signal)), rtol=1e-6
    )


@pytest.mark.slow
def test_silence_and_single_samples_stay_finite():
    config = FitConfig(SMALL, LossWeights(stft=1, mel=1), num_steps=3)
    for found in fit_all(keys(2), [np.zeros(600), np.ones(1)], config):
        assert (
            np.isfinite(found.segments[0].losses).all()
            and np.isfinite(found.estimate).all()
        )


def test_fits_a_tone():
    """Half the drop that was measured: 18 dB in 200 steps."""
    n = np.arange(2000)
    signal = 0.5 * np.sin(2 * np.pi * 20 * n / 2000)
    config = FitConfig(siren=SMALL, learning_rate=3e-3, num_steps=200)
    (found,) = fit_all(keys(1), [signal], config)
    noise = np.mean((found.estimate - signal) ** 2)
    assert 10 * np.log10(np.mean(signal**2) / noise) > 9


def test_a_finer_grid_passes_through_the_same_samples():
    (signal,) = tones(1000)
    config = FitConfig(siren=SMALL, coordinates="seconds", num_steps=5)
    (found,) = fit_all(keys(1), [signal], config)
    fine = siren.evaluate(
        found.segments[0].params,
        jnp.arange(3000, dtype=jnp.float32) / 3,
        1000,
        16_000,
        config,
    )
    np.testing.assert_allclose(
        fine[::3] * found.segments[0].scale, found.estimate, atol=1e-5
    )


@pytest.mark.slow
def test_segments_equal_fits_of_their_own():
    """A clip in segments is the cross-faded join of single fits, whatever is beside."""
    config = dataclasses.replace(TEN_STEPS, segment_s=0.05)
    signals = tones(2000, 300)
    found, short = fit_all(keys(2), signals, config)
    assert [len(f.segments) for f in (found, short)] == [3, 1]
    parts = overlap_add.split_overlapping(signals[0], 800)
    seeds = [jax.random.fold_in(keys(2)[0], i) for i in range(3)]
    alone = fit_all(seeds, parts, TEN_STEPS)
    for one, other in zip(found.segments, alone, strict=True):
        assert_same(one.params, other.segments[0].params)
    joined = overlap_add.crossfade([f.estimate for f in alone], 2000, 800)
    assert_same(found.estimate, joined)


@pytest.mark.slow
def test_seams_add_no_energy(speech):
    """The error where segments overlap is no louder than within them: measured .8."""
    (found,) = fit_all(keys(1), [speech], FAST)
    error = (found.estimate - speech) ** 2
    assert np.mean(error) < 0.05 * np.mean(speech**2)
    profile = error[: len(error) // 448 * 448].reshape(-1, 448).mean(axis=0)
    assert profile[:64].mean() < 1.1 * profile[64:].mean()


@pytest.mark.slow
def test_a_fit_that_diverged_is_fitted_again_by_itself(monkeypatch):
    """At half the rate; the better of both is given, and a line says so."""
    warnings = []
    monkeypatch.setattr(driver.logging, "warning", lambda *args: warnings.append(args))
    config = dataclasses.replace(TEN_STEPS, learning_rate=0.02)
    slower = dataclasses.replace(TEN_STEPS, learning_rate=0.01)
    # silence is fitted best by the small first weights, which such steps leave behind
    signals = [*tones(700), np.zeros(690, np.float32)]
    steps = []
    found = fit_all(keys(2), signals, config, on_steps=steps.append)
    assert [args[1] for args in warnings] == ["signal 1"]
    assert sum(steps) == pytest.approx(2 * 10)  # a second fit is no progress
    # rounding grows fast at such a rate
    (alone,) = fit_all(keys(2)[:1], signals[:1], config)
    one, other = (fit.segments[0].losses[:4] for fit in (found[0], alone))
    np.testing.assert_allclose(one, other, rtol=1e-3)
    both = [
        clip_fit.fit(keys(2)[1], signals[1], 16_000, c).losses[0]
        for c in (config, slower)
    ]
    assert both[0][-1] > both[0][0] and both[1][-1] < both[0][-1]
    losses = found[1].segments[0].losses
    np.testing.assert_allclose(losses[:4], both[1][:4], rtol=1e-3)
    assert losses[-1] < losses[0]


def test_a_fit_that_never_becomes_a_number_is_given_as_it_is(monkeypatch):
    warnings = []
    monkeypatch.setattr(driver.logging, "warning", lambda *args: warnings.append(args))
    config = dataclasses.replace(TEN_STEPS, learning_rate=1e30)
    (found,) = fit_all(keys(1), tones(700), config)
    assert len(warnings) == 1 and not np.isfinite(found.segments[0].losses[-1])


@pytest.mark.parametrize(
    "loss",
    [
        LossWeights(),
        pytest.param(LossWeights(mse=0, mel=1), marks=pytest.mark.slow),
    ],
)
def test_fits_under_jit_and_vmap_are_fits_like_any_other(loss, tmp_path):
    """Called, saved and loaded, each equals the fit of its signal alone."""
    config = dataclasses.replace(TEN_STEPS, loss=loss)
    signals = np.stack(tones(900, 900))

    def fit(key, signal):
        return clip_fit.fit(key, signal, 16_000, config)

    fits = jax.jit(jax.vmap(fit))(jnp.stack(keys(2)), signals)
    for i, signal in enumerate(signals):
        one = jax.tree.map(lambda leaf: leaf[i], fits)  # noqa: B023
        alone = fit(keys(2)[i], signal)
        assert_same(one, alone)
        one.save(tmp_path / "one")
        again = clip_fit.load_fit(tmp_path / "one")
        assert_same(again([0.0, 0.01]), alone.estimate[[0, 160]])
        assert_same(again.losses, alone.losses)


def test_segments_are_not_for_one_fit():
    config = dataclasses.replace(TEN_STEPS, segment_s=0.05)
    with pytest.raises(InputError, match="use fit_batch"):
        clip_fit.fit(keys(1)[0], tones(900)[0], 16_000, config)


@pytest.mark.parametrize("rate", [0, -5])
def test_rates_are_positive_whole_numbers(rate):
    must = "sample_rate must be a positive whole number"
    with pytest.raises(InputError, match=must):
        clip_fit.fit(keys(1)[0], tones(900)[0], rate, TEN_STEPS)
    with pytest.raises(InputError, match=f"signal 0: {must}"):
        next(batch.fit_batch(keys(1), tones(900), [rate], TEN_STEPS))


def test_every_signal_has_a_key_and_a_rate():
    with pytest.raises(
        InputError, match="2 signals need as many keys and sample rates"
    ):
        next(batch.fit_batch(keys(2), tones(900, 900), [16_000], TEN_STEPS))


@pytest.mark.slow
def test_fewer_segments_take_the_same_program():
    config = dataclasses.replace(TEN_STEPS, segment_s=0.02)
    (first,) = fit_all(keys(1), tones(4500), config)
    with count_compiles() as compiled:
        (second,) = fit_all(keys(1), tones(4200), config)
    assert (len(first.segments), len(second.segments)) == (16, 15)
    assert not compiled


@pytest.mark.slow
def test_progress_of_segments_adds_up_to_clips():
    config = dataclasses.replace(TEN_STEPS, segment_s=0.01)
    counted = []
    fit_all(
        keys(2), tones(3000, 900), config, on_steps=lambda *done: counted.append(*done)
    )
    assert sum(counted) == pytest.approx(2 * 10)


def test_cosine_schedule_ends_at_rest():
    """The last steps move the weights far less than the first."""
    config = dataclasses.replace(TEN_STEPS, schedule="cosine", num_steps=100)
    signal = siren.Signal(jnp.asarray(tones(500)[0]), 500)
    state, moves = siren.init(jax.random.key(0), config), []
    update = jax.jit(siren.update, static_argnums=(2, 3))
    for _ in range(100):
        new, _ = update(state, signal, 16_000, config)
        moves.append(abs(new.params[0]["bias"] - state.params[0]["bias"]).max())
        state = new
    assert max(moves[-5:]) < 0.02 * max(moves[:5])


@pytest.mark.parametrize(
    "signal, message",
    [
        (np.zeros(0), "signal 0: .*empty"),
        (np.zeros((9, 2)), r"\(9, 2\)"),
        ([np.nan], "NaN"),
    ],
)
def test_bad_signals_are_named(signal, message):
    with pytest.raises(ValueError, match=message):
        fit_all(keys(1), [signal], TEN_STEPS)
