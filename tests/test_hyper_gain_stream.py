"""The causal network hop by hop is the causal network over the whole signal."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_weights import CAUSAL, fresh

from inr_jax.models import hyper_gain, hyper_gain_stream

HOP = 32  # 2 kHz
STEP = jax.jit(functools.partial(hyper_gain_stream.step, config=CAUSAL))


@pytest.fixture(scope="module")
def params():
    return fresh(CAUSAL)


def noise(*shape, seed=1):
    return np.array(0.1 * jax.random.normal(jax.random.key(seed), shape))


def streamed(params, signal, step=STEP):
    """The estimate of (hops * HOP, channels), the delay of a hop taken out."""
    state = hyper_gain_stream.init(CAUSAL, HOP, signal.shape[1])
    blocks = []
    for block in [*np.split(signal, len(signal) // HOP), np.zeros_like(signal[:HOP])]:
        state, estimate = step(params, state, block)
        blocks.append(estimate)
    return np.concatenate(blocks[1:])


def whole(params, signal):
    model = hyper_gain.HyperGain(CAUSAL)
    return jax.jit(hyper_gain.denoise, static_argnums=(0, 3))(
        model, params, signal, 2 * HOP
    )


@pytest.mark.parametrize("channels", [1, 2])
def test_a_stream_is_the_whole(params, channels):
    signal = noise(60 * HOP, channels)
    np.testing.assert_allclose(
        streamed(params, signal), whole(params, signal), atol=1e-6
    )


def test_nothing_of_the_future_counts(params):
    signal = noise(40 * HOP, 1)
    changed = signal.copy()
    changed[25 * HOP :] *= 10
    found, expected = whole(params, changed), whole(params, signal)
    # a frame has a hop behind each sample
    np.testing.assert_allclose(found[: 24 * HOP], expected[: 24 * HOP], atol=1e-7)
    assert float(jnp.max(jnp.abs(found[25 * HOP :] - expected[25 * HOP :]))) > 0.1


def test_many_streams_as_one_batch(params):
    signals = noise(3, 8 * HOP, 1)
    states = [hyper_gain_stream.init(CAUSAL, HOP)] * 3
    states = jax.tree.map(lambda *x: jnp.stack(x), *states)
    together = jax.jit(jax.vmap(STEP, in_axes=(None, 0, 0)))
    blocks = []
    for i in range(8):
        states, estimates = together(
            params, states, signals[:, i * HOP : (i + 1) * HOP]
        )
        blocks.append(estimates)
    found = np.concatenate(blocks[1:], axis=1)
    for signal, estimate in zip(signals, found, strict=True):
        alone = streamed(params, signal)[: len(estimate)]
        np.testing.assert_allclose(estimate, alone, atol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_samples_that_are_no_numbers_are_silence(params, value):
    signal, gap = noise(30 * HOP, 1), noise(30 * HOP, 1)
    signal[100:150], gap[100:150] = value, 0
    np.testing.assert_array_equal(streamed(params, signal), streamed(params, gap))


def test_a_network_that_looks_ahead_is_refused():
    with pytest.raises(ValueError, match="causal"):
        hyper_gain_stream.init(dataclasses.replace(CAUSAL, causal=False), HOP)
