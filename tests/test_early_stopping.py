import dataclasses

import jax
import numpy as np
import pytest
from conftest import count_compiles

from inr_jax.configs.fitting import FitConfig, SirenConfig
from inr_jax.errors import InputError
from inr_jax.fitting import driver, early_stopping

CONFIG = FitConfig(
    SirenConfig(32, 1, first_omega=60.0), learning_rate=3e-3, num_steps=300
)
COUNT, VARIANCE = 1500, 0.25


def signals(count):
    rng = np.random.default_rng(0)
    clean = np.sin(np.arange(COUNT) / np.array([[40], [60], [25]])[:count])
    noisy = clean + np.sqrt(VARIANCE) * rng.standard_normal(clean.shape)
    return clean, noisy.astype(np.float32)


def run(rule, count=2, config=CONFIG, **options):
    clean, noisy = signals(count)
    keys = [jax.random.key(i) for i in range(count)]
    rest = ([16_000] * count, [VARIANCE] * count, config, rule)
    return clean, dict(early_stopping.fit_batch(keys, list(noisy), *rest, **options))


@pytest.mark.slow
def test_sure_estimates_the_true_error():
    """At every look, without the clean signal; and it stops where that is least."""
    clean, found = run("sure")
    for i, stopped in found.items():
        true = np.mean((stopped.estimate - clean[i]) ** 2) / VARIANCE
        assert stopped.criteria[stopped.step] == pytest.approx(true, abs=0.08)
        assert stopped.criteria[stopped.step] == min(stopped.criteria.values())
        assert set(stopped.criteria) == set(range(25, 301, 25))


@pytest.mark.slow
def test_discrepancy_stops_where_the_residual_is_noise():
    _, noisy = signals(2)
    _, found = run("discrepancy")
    for i, stopped in found.items():
        residual = np.mean((stopped.estimate - noisy[i]) ** 2) / VARIANCE
        assert abs(residual - 1) == pytest.approx(
            stopped.criteria[stopped.step], abs=1e-4
        )
        assert stopped.criteria[stopped.step] < 0.2


@pytest.mark.slow
def test_a_clip_does_not_depend_on_its_neighbours():
    alone, beside = run("sure", 1)[1][0], run("sure", 3)[1][0]
    assert alone.step == beside.step
    np.testing.assert_allclose(alone.estimate, beside.estimate, atol=2e-3)


@pytest.mark.slow
def test_progress_adds_up_and_unknown_rules_are_named():
    done = []
    _, noisy = signals(2)
    keys = [jax.random.key(0), jax.random.key(1)]
    rest = ([16_000] * 2, [VARIANCE] * 2, CONFIG)
    list(early_stopping.fit_batch(keys, noisy, *rest, "discrepancy", done.append))
    assert sum(done) == pytest.approx(2)
    with pytest.raises(ValueError, match="discrepancy, sure"):
        next(early_stopping.fit_batch(keys, noisy, *rest, "never"))


@pytest.mark.slow
def test_a_killed_fit_goes_on_with_its_looks(tmp_path, monkeypatch):
    monkeypatch.setattr("inr_jax.fitting.driver.SAVE_EVERY_S", 0.0)
    _, whole = run("sure")
    done = []

    def killed(clips):
        done.append(clips)
        if len(done) == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("sure", on_clips=killed, checkpoint_dir=tmp_path / "fits")
    done.clear()
    _, again = run("sure", on_clips=done.append, checkpoint_dir=tmp_path / "fits")
    assert len(done) == 5  # the saved looks, then the last four
    for i in range(2):
        assert again[i].criteria == whole[i].criteria
        np.testing.assert_array_equal(again[i].estimate, whole[i].estimate)


@pytest.mark.slow
def test_lengths_of_a_bucket_share_their_programs():
    """The added noise as well."""
    config = dataclasses.replace(CONFIG, num_steps=25)
    _, (noisy,) = signals(1)
    for count, expected in ((1400, True), (1420, False)):
        rest = ([16_000], [VARIANCE], config, "sure")
        with count_compiles() as compiled:
            list(early_stopping.fit_batch([jax.random.key(0)], [noisy[:count]], *rest))
        assert bool(compiled) == expected


def test_a_fit_that_diverged_is_fitted_again(monkeypatch):
    """No look of it is a number at the first rate, nor at half of it."""
    warnings = []
    monkeypatch.setattr(driver.logging, "warning", lambda *args: warnings.append(args))
    config = dataclasses.replace(CONFIG, learning_rate=1e30, num_steps=50)
    _, found = run("discrepancy", 1, config)
    assert [args[1] for args in warnings] == ["signal 0"]
    assert np.isnan(found[0].estimate).all()


def test_of_two_fits_the_rule_takes_the_better():
    """Not the last residual."""
    problem = early_stopping.StoppingProblem(CONFIG, 16_000, "sure")
    first, second = (
        driver.Fitted((np.zeros(2), np.array(criteria)), np.array(losses), 1.0)
        for criteria, losses in (
            ([0.3, 0.9, np.nan], [1, 2]),
            ([0.5, 0.6, 0.7], [1, 1]),
        )
    )
    assert min(second, first, key=problem.cost) is first


@pytest.mark.parametrize("change", [{"num_steps": 610}, {"segment_s": 0.1}])
def test_settings_that_it_cannot_heed_are_refused(change):
    with pytest.raises(InputError, match=next(iter(change))):
        run("sure", config=dataclasses.replace(CONFIG, **change))
