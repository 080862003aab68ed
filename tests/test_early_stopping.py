import jax
import numpy as np
import pytest

from inr_jax.configs.fitting import FitConfig, SirenConfig
from inr_jax.fitting import early_stopping

CONFIG = FitConfig(
    SirenConfig(32, 1, first_omega=60.0), learning_rate=3e-3, num_steps=300
)
COUNT, VARIANCE = 1500, 0.25


def signals(count):
    rng = np.random.default_rng(0)
    clean = np.sin(np.arange(COUNT) / np.array([[40], [60], [25]])[:count])
    noisy = clean + np.sqrt(VARIANCE) * rng.standard_normal(clean.shape)
    return clean, noisy.astype(np.float32)


def run(rule, count=2):
    clean, noisy = signals(count)
    keys = [jax.random.key(i) for i in range(count)]
    return clean, dict(
        early_stopping.fit_many(
            keys, list(noisy), [16_000] * count, [VARIANCE] * count, CONFIG, rule
        )
    )


def test_sure_tells_the_true_error():
    """At every look, without the clean signal; and it stops where that is least."""
    clean, found = run("sure")
    for i, stopped in found.items():
        true = np.mean((stopped.estimate - clean[i]) ** 2) / VARIANCE
        assert stopped.criteria[stopped.step] == pytest.approx(true, abs=0.08)
        assert stopped.criteria[stopped.step] == min(stopped.criteria.values())
        assert set(stopped.criteria) == set(range(25, 301, 25))


def test_discrepancy_stops_where_the_residual_is_noise():
    _, noisy = signals(2)
    _, found = run("discrepancy")
    for i, stopped in found.items():
        residual = np.mean((stopped.estimate - noisy[i]) ** 2) / VARIANCE
        assert abs(residual - 1) == pytest.approx(
            stopped.criteria[stopped.step], abs=1e-4
        )
        assert stopped.criteria[stopped.step] < 0.2


def test_a_clip_does_not_depend_on_its_neighbours():
    alone, beside = run("sure", 1)[1][0], run("sure", 3)[1][0]
    assert alone.step == beside.step
    np.testing.assert_allclose(alone.estimate, beside.estimate, atol=2e-3)


def test_progress_adds_up_and_unknown_rules_are_named():
    done = []
    _, noisy = signals(2)
    keys = [jax.random.key(0), jax.random.key(1)]
    rest = ([16_000] * 2, [VARIANCE] * 2, CONFIG)
    list(early_stopping.fit_many(keys, noisy, *rest, "discrepancy", done.append))
    assert sum(done) == pytest.approx(2)
    with pytest.raises(ValueError, match="discrepancy, sure"):
        next(early_stopping.fit_many(keys, noisy, *rest, "never"))
