import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inr_jax.configs.fitting import FitConfig, SirenConfig
from inr_jax.fitting import clip_fit
from inr_jax.nn import siren
from inr_jax.parallel import sharding
from inr_jax.parallel.compute import (
    BACKENDS,
    STANDARD,
    ComputeConfig,
    default_compute,
    over_fits,
)

CONFIG = FitConfig(SirenConfig(16, 1, 100.0), learning_rate=1e-3, num_steps=5)


def losses(compute):
    signal = jnp.sin(jnp.arange(500) / 9)
    key = jax.random.key(0)
    return clip_fit.fit(key, signal, 16_000, CONFIG, compute).losses[0]


@pytest.mark.parametrize(
    "backend, block", [("cpu", 2**11), ("gpu", 2**16), ("unknown", 2**16)]
)
def test_settings_are_of_the_backend_and_its_devices(backend, block, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    monkeypatch.setattr(sharding, "num_local_devices", lambda: 3)
    compute = default_compute()
    assert (compute.block_samples, compute.num_devices) == (block, 3)


def test_a_fit_asks_no_backend(monkeypatch):
    """What it computes depends on its arguments alone."""
    monkeypatch.delattr(jax, "default_backend")
    assert np.isfinite(losses(STANDARD)).all()


def test_settings_of_accelerators_fit_alike():
    np.testing.assert_allclose(losses(BACKENDS["gpu"]), losses(STANDARD), rtol=1e-4)


def test_either_sine():
    np.testing.assert_allclose(
        losses(ComputeConfig(sine="jnp")), losses(STANDARD), rtol=1e-4
    )


@pytest.mark.parametrize("name, bits", [("tensorfloat32", 10), ("bfloat16", 7)])
def test_precision_rounds_hidden_layers_and_only_them(name, bits):
    """bfloat16 differs by its rounding; CPUs keep float32 where TF32 is allowed."""
    compute, t = ComputeConfig(hidden_precision=name), jnp.linspace(-1, 1, 999)[:, None]
    deep, shallow = SirenConfig(64, 2, 3000.0), SirenConfig(64, 0, 3000.0)
    for config, differs in ((deep, name == "bfloat16"), (shallow, False)):
        params = siren.init(jax.random.key(0), config)
        exact = siren.apply(params, t, config)
        error = jnp.abs(siren.apply(params, t, config, compute) - exact).max()
        assert (error > 0) == differs and error < 30 * 2.0**-bits


@pytest.mark.parametrize("at_once", [1, 3, 7, 100])
def test_over_fits_equals_a_loop(at_once):
    compute = ComputeConfig(activations_at_once=at_once * 4 * 10)
    x, y = jnp.arange(70.0).reshape(7, 10), jnp.arange(7.0)
    lifted = over_fits(lambda x, y: {"sum": x.sum() + y}, compute, 4, 10)
    found = jax.jit(lifted)(x, y)["sum"]
    np.testing.assert_allclose(found, x.sum(axis=1) + y)


@pytest.mark.parametrize(
    "change",
    [{"sine": "cosine"}, {"hidden_precision": "half"}, {"block_samples": 0}],
)
def test_engines_that_make_no_sense(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        dataclasses.replace(ComputeConfig(), **change)
