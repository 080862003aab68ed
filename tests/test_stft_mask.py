import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import TINY

from inr_jax.configs.networks import MaskNetConfig
from inr_jax.models import harmonic_siren
from inr_jax.models.harmonic_siren import evaluate, frame_weights
from inr_jax.models.stft_mask import StftMaskNet
from inr_jax.nn import siren


def tone(rate, count):
    times = np.arange(count) / rate
    return np.sin(2 * np.pi * 440 * times + 0.3) + 0.2 * np.cos(2 * np.pi * 60 * times)


@pytest.fixture(scope="module")
def weights():
    """Of a network that does something: fresh ones hardly differ from bin to bin."""
    params = StftMaskNet(TINY).init(jax.random.key(0), jnp.zeros(64))
    leaves, tree = jax.tree.flatten(params)
    rng = np.random.default_rng(0)
    return tree.unflatten(
        [leaf + 0.3 * rng.standard_normal(leaf.shape, np.float32) for leaf in leaves]
    )


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 15, 16, 17, 500])
def test_unchanged_weights_give_back_the_signal(count):
    signal = np.random.default_rng(0).standard_normal(count).astype(np.float32)
    found = evaluate(frame_weights(jnp.asarray(signal), 32), count, 16)
    np.testing.assert_allclose(found, signal, atol=5e-6)


def test_a_target_is_a_siren_that_the_frame_lies_on():
    signal = np.random.default_rng(0).standard_normal(64).astype(np.float32)
    frame = frame_weights(jnp.asarray(signal), 32)[2]
    times = harmonic_siren.frame_coordinates(32)[:, None]
    values = siren.apply(
        harmonic_siren.target_params(frame), times, harmonic_siren.TARGET
    )
    expected = signal[16:48] * np.cos(np.pi / 2 * times[:, 0])
    np.testing.assert_allclose(values[:, 0], expected, atol=5e-6)


def test_a_finer_grid_is_the_same_sound_at_a_higher_rate():
    coarse, fine = tone(16_000, 4000), tone(48_000, 12_000)
    found = evaluate(frame_weights(jnp.asarray(coarse, jnp.float32), 512), 12_000, 768)
    inner = slice(1600, -1600)
    np.testing.assert_allclose(found[inner], fine[inner], atol=2e-3)


@pytest.mark.slow
def test_a_mask_of_ones_passes_everything():
    model = StftMaskNet(TINY)
    signal = jnp.asarray(tone(16_000, 200), jnp.float32)
    params = model.init(jax.random.key(0), signal)
    head = params["params"]["head"]
    head["kernel"] = 0 * head["kernel"]
    head["bias"] = jnp.zeros(28).at[:4].set(20.0)  # the masks of the bins of a band
    np.testing.assert_allclose(model.apply(params, signal), signal, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("causal", [False, True])
def test_output_depends_on_the_stated_receptive_field(weights, causal):
    config = dataclasses.replace(
        TINY, dilations=(1, 3), band_dilations=(2,), causal=causal
    )
    model = StftMaskNet(config)
    at, count = 400, 800
    slope = jax.grad(lambda x: model.apply(weights, x)[at])(
        jnp.asarray(np.random.default_rng(1).standard_normal(count), jnp.float32)
    )
    reached = np.flatnonzero(np.abs(slope) > 0)
    before, after = (config.hop * (frames + 2) for frames in config.receptive_field)
    assert at - before <= reached.min() and reached.max() < at + after
    assert reached.max() > at + after - 2 * config.hop  # and no less
    assert reached.max() - at <= config.look_ahead_s * config.sample_rate


@pytest.mark.slow
def test_emitted_weights_evaluate_to_the_output(weights):
    signal = jnp.asarray(tone(16_000, 300), jnp.float32)
    model = StftMaskNet(TINY)
    emitted = model.apply(weights, signal, method="emit")
    assert emitted.shape == (20, 32)
    np.testing.assert_allclose(
        evaluate(emitted, 300, 16), model.apply(weights, signal), atol=1e-6
    )


def test_bad_shapes_are_refused():
    with pytest.raises(ValueError, match="kernel odd"):
        MaskNetConfig(kernel=4)


@pytest.mark.slow
def test_padding_around_a_signal_changes_nothing(weights):
    signal = np.random.default_rng(2).standard_normal(333).astype(np.float32)
    model = StftMaskNet(TINY)
    padded = np.pad(signal, (48, 99))
    found = model.apply(weights, padded, 48, 48 + 333)[48 : 48 + 333]
    np.testing.assert_allclose(found, model.apply(weights, signal), atol=1e-5)
