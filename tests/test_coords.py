import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inr_jax.nn import coords


def test_unit_includes_both_ends():
    t = coords.time_coords(jnp.arange(101.0), 101, "unit", 16_000)
    np.testing.assert_allclose(t, np.linspace(-1, 1, 101), atol=1e-7)


def test_seconds_are_centred_and_free_of_length():
    short = coords.time_coords(jnp.arange(16_001.0), 16_001, "seconds", 16_000)
    long = coords.time_coords(jnp.arange(32_001.0), 32_001, "seconds", 16_000)
    np.testing.assert_allclose(short[jnp.array([0, -1])], [-0.5, 0.5])
    np.testing.assert_allclose(long[8000:24_001], short, atol=1e-6)


@pytest.mark.parametrize("rule", ["unit", "seconds"])
def test_length_may_be_traced(rule):
    index = jnp.arange(10.0)
    traced = jax.jit(lambda n: coords.time_coords(index, n, rule, 8000))(7)
    eager = coords.time_coords(index, 7, rule, 8000)
    np.testing.assert_allclose(traced, eager, atol=1e-6)


@pytest.mark.parametrize("rule", ["unit", "seconds"])
def test_one_sample_has_a_coordinate(rule):
    assert np.isfinite(coords.time_coords(jnp.zeros(1), 1, rule, 8000)).all()


def test_unknown_rule_is_named():
    with pytest.raises(ValueError, match="'minutes'"):
        coords.time_coords(jnp.zeros(1), 1, "minutes", 8000)
