import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inr_jax.nn.sine import fast_cos, fast_sin

RANGES = [1e-3, 1, 10, 200, 3000, 3e4, 1e5]


def arguments(limit):
    rng = np.random.default_rng(0)
    grid = np.arange(-64, 65) * (np.pi / 2)
    return np.float32(
        np.r_[rng.uniform(-limit, limit, 200_000), grid[abs(grid) <= limit]]
    )


@pytest.mark.parametrize("limit", RANGES)
@pytest.mark.parametrize("ours, exact", [(fast_sin, np.sin), (fast_cos, np.cos)])
def test_matches_float64(ours, exact, limit):
    x = arguments(limit)
    error = np.abs(np.float64(jax.jit(ours)(x)) - exact(np.float64(x)))
    assert error.max() < 2e-7


@pytest.mark.parametrize("limit", RANGES)
def test_derivatives_are_exact(limit):
    x = jnp.asarray(arguments(limit)[:1000])
    first = jax.vmap(jax.grad(fast_sin))(x)
    second = jax.vmap(jax.grad(jax.grad(fast_sin)))(x)
    np.testing.assert_array_equal(first, fast_cos(x))
    np.testing.assert_array_equal(second, -fast_sin(x))


def test_keeps_zero_and_sign():
    np.testing.assert_array_equal(fast_sin(jnp.array([0.0])), [0])
    x = jnp.linspace(0, 50, 1001)
    np.testing.assert_array_equal(fast_sin(-x), -fast_sin(x))
