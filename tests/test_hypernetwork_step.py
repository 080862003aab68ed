"""A step of the training of a hypernetwork: it learns, on any number of devices."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny_weights
from conftest import count_compiles

from inr_jax.configs.fitting import LossWeights
from inr_jax.configs.hypernetwork import HypernetworkTraining
from inr_jax.models.hyper_gain import HyperGain
from inr_jax.parallel import sharding
from inr_jax.training import hypernetwork

RATE, LENGTH = 2000, 2048
MODEL = HyperGain(tiny_weights.CONFIG)
TRAINING = HypernetworkTraining(
    loss=LossWeights(mse=0.0, snr=1.0),
    batch_size=4,
    num_steps=60,
    warmup_steps=5,
    decay_steps=10,
)


def example(key):
    """A tone that comes and goes, in white noise."""
    pitch, noise = jax.random.split(key)
    hz = jax.random.uniform(pitch, minval=100.0, maxval=600.0)
    seconds = jnp.arange(LENGTH) / RATE
    on = jnp.sin(2 * jnp.pi * 2 * seconds) > 0
    clean = 0.2 * on * jnp.sin(2 * jnp.pi * hz * seconds)
    return clean + 0.1 * jax.random.normal(noise, (LENGTH,)), clean


def examples(keys, data):
    return jax.vmap(example)(keys)


def state_and_step(examples=examples, training=TRAINING):
    params = hypernetwork.fresh_params(jax.random.key(0), MODEL)
    step = hypernetwork.compiled_step(
        {}, examples, MODEL, RATE, training, 0, {"params": {}}
    )
    return hypernetwork.init(params, training), step


@jax.jit
def snr_db(params):
    """Of examples that no step has seen."""
    noisy, clean = examples(jax.random.split(jax.random.key(99), 8), None)
    denoise = functools.partial(hypernetwork.denoise, MODEL, params, sample_rate=RATE)
    error = jax.vmap(denoise)(noisy) - clean
    return 10 * jnp.mean(jnp.log10(jnp.sum(clean**2, 1) / jnp.sum(error**2, 1)))


@pytest.mark.slow
def test_it_learns_to_denoise_what_it_has_not_seen():
    state, step = state_and_step()
    before = snr_db(state.params)
    for _ in range(TRAINING.num_steps):
        state, measured = step(state)
    assert snr_db(state.params) > before + 2
    assert np.isfinite(measured["loss"]) and int(state.step) == TRAINING.num_steps


@pytest.mark.slow
def test_two_devices_make_the_step_of_one():
    """Where all examples are alike; by two programs, of gradients and of the update."""

    def alike(keys, data):
        return examples(jax.random.split(jax.random.key(5), 1).repeat(len(keys)), data)

    found = []
    for count in (1, 2):
        sharding.use_local_devices(count)
        state, step = state_and_step(alike)
        with count_compiles() as compiled:
            found.append(jax.device_get(step(state)))
        assert len(compiled) == 2
    (one, measured), (two, again) = found
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, atol=1e-5), one.params, two.params
    )
    assert measured["loss"] == pytest.approx(again["loss"], rel=1e-5)


@pytest.mark.slow
def test_devices_draw_examples_of_their_own():
    drawn = []

    def noted(keys, data):
        jax.debug.callback(drawn.append, jax.random.key_data(keys))
        return examples(keys, data)

    sharding.use_local_devices(2)
    state, step = state_and_step(noted)
    for _ in range(2):
        state, _ = step(state)
    jax.effects_barrier()
    keys = {tuple(key) for part in drawn for key in np.asarray(part)}
    assert len(keys) == 2 * TRAINING.batch_size


def test_muon_takes_kernels_and_adam_the_rest():
    shapes = jax.eval_shape(MODEL.init, jax.random.key(0), jnp.zeros(MODEL.input_shape))
    chosen = hypernetwork._matrices(shapes)
    leaves = jax.tree_util.tree_leaves_with_path(
        chosen, is_leaf=lambda x: not isinstance(x, dict)
    )
    kinds = {True: 0, False: 0}
    for (path, numbers), x in zip(leaves, jax.tree.leaves(shapes), strict=True):
        is_kernel = x.ndim > 2 or x.ndim == 2 and path[-1].key == "kernel"
        assert (numbers is not None) == is_kernel, path
        kinds[is_kernel] += 1
    assert kinds[True] > 5 and kinds[False] > 5
