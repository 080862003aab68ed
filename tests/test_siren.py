import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest

from inr_jax.configs.fitting import SirenConfig
from inr_jax.nn import siren


def values(params, t, config):
    return siren.apply(params, jnp.asarray(t, jnp.float32)[:, None], config)[:, 0]


@pytest.mark.parametrize("depth, count", [(3, 198_145), (12, 790_273)])
def test_published_shapes_have_the_published_size(depth, count):
    shapes = jax.eval_shape(
        lambda: siren.init(jax.random.key(0), SirenConfig(depth=depth))
    )
    assert siren.num_params(shapes) == count


def test_initial_weights_fill_their_bounds():
    config = SirenConfig(width=64, depth=2, hidden_omega=20.0)
    first, *hidden = siren.init(jax.random.key(1), config)
    bounds = [(first["kernel"], 1), (first["bias"], 1)]
    for layer in hidden:
        bounds += [(layer["kernel"], (6 / 64) ** 0.5 / 20), (layer["bias"], 64**-0.5)]
    for leaf, bound in bounds:
        assert jnp.max(jnp.abs(leaf)) <= bound
        if leaf.size > 1:
            assert jnp.max(leaf) > 0.8 * bound and jnp.min(leaf) < -0.8 * bound


@pytest.mark.slow
def test_every_layer_starts_with_the_same_spread():
    """Arcsine distributed outputs, standard deviation 1/sqrt(2), at any depth."""
    config = SirenConfig(width=256, depth=6)
    params = siren.init(jax.random.key(0), config)
    t = jnp.linspace(-1, 1, 2000)
    for depth in range(1, 8):
        readout = {"kernel": jnp.eye(256), "bias": jnp.zeros(256)}
        layer = siren.apply([*params[:depth], readout], t[:, None], config)
        assert abs(jnp.std(layer) - 0.5**0.5) < 0.03


def test_hand_set_weights():
    """sin(omega (W x + b)) and a linear layer: 2 sin(10 (3 t + .5)) - 1."""
    config = SirenConfig(width=1, depth=0, first_omega=10.0)
    params = [
        {"kernel": jnp.array([[3.0]]), "bias": jnp.array([0.5])},
        {"kernel": jnp.array([[2.0]]), "bias": jnp.array([-1.0])},
    ]
    t = np.linspace(-1, 1, 11)
    expected = 2 * np.sin(10 * (3 * t + 0.5)) - 1
    np.testing.assert_allclose(values(params, t, config), expected, atol=3e-6)


@pytest.mark.parametrize("seed", range(3))
def test_matches_float64_despite_phases_of_thousands(seed):
    """Float32 phases up to 6000 rad are off by 2.4e-4 at most, seen in the output."""
    config = SirenConfig(width=32, depth=1)
    params = siren.init(jax.random.key(seed), config)
    t = np.float32(np.linspace(-1, 1, 500))
    expected = oracles.siren(params, t, 3000.0, 30.0)
    found = values(params, t, config)
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.std(expected))


def test_jit_equals_eager():
    config = SirenConfig(width=16, depth=2, first_omega=30.0)
    params = siren.init(jax.random.key(0), config)
    t = jnp.linspace(-1, 1, 64)
    jitted = jax.jit(values, static_argnums=2)(params, t, config)
    np.testing.assert_allclose(jitted, values(params, t, config), atol=1e-5)


def test_any_dimension_in_and_out():
    config = SirenConfig(width=8, depth=1)
    params = siren.init(jax.random.key(0), config, in_dim=2, out_dim=3)
    assert siren.apply(params, jnp.zeros((5, 2)), config).shape == (5, 3)
