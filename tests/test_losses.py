import dataclasses
import os

import jax
import jax.numpy as jnp
import jaxtyping
import librosa
import numpy as np
import oracles
import pytest

from inr_jax import losses
from inr_jax.configs.fitting import POINTWISE_LOSSES, LossWeights
from inr_jax.dsp import stft
from inr_jax.losses import snr, spectral
from inr_jax.losses.pointwise import PER_SAMPLE
from inr_jax.losses.weighted import LOSSES

ALL = LossWeights(mse=1, l1=1, smooth_l1=1, stft=1, mel=1)

EVERY = dataclasses.replace(
    ALL, compressed=1, snr=1, segmental=1, disturbance=1, stoi=1
)


# one program for values and gradients
value_and_grad = jax.jit(jax.value_and_grad(losses.total), static_argnums=(3, 4))


def noise(num_samples, seed):
    x = np.random.default_rng(seed).standard_normal(num_samples)
    return jnp.asarray(0.3 * x, jnp.float32)


def test_pointwise_closed_forms():
    estimate, target = jnp.array([0.5, 3.0]), jnp.array([0.0, 0.0])
    for name, expected in (("mse", 0.25), ("l1", 0.5), ("smooth_l1", 0.125)):
        assert float(LOSSES[name](estimate, target, 1, 16_000)) == expected
    for weights, expected in [
        (LossWeights(mse=1), [0.25, 9]),
        (LossWeights(mse=0, l1=2), [1, 6]),
        (LossWeights(mse=0, smooth_l1=1), [0.125, 2.5]),
    ]:
        found = losses.per_sample(estimate, target, weights)
        np.testing.assert_allclose(found, expected)


def test_stft_equals_plain_numpy():
    x, y = (np.float64(noise(4000, seed)) for seed in (0, 1))
    terms = []
    for window, hop in spectral.RESOLUTIONS:
        a, b = (oracles.stft_magnitudes(s, window, hop) for s in (x, y))
        a, b = np.maximum(a, 1e-4), np.maximum(b, 1e-4)
        terms.append(
            np.linalg.norm(a - b) / np.linalg.norm(b) + np.mean(np.abs(np.log(a / b)))
        )
    found = jax.jit(spectral.multi_resolution_stft, static_argnums=3)(
        jnp.float32(x), jnp.float32(y), 4000, 16_000
    )
    np.testing.assert_allclose(found, np.mean(terms), rtol=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Empty filters")
def test_mel_equals_plain_numpy():
    x, y = (np.float64(noise(4000, seed)) for seed in (0, 1))
    terms = []
    for window, hop in spectral.RESOLUTIONS:
        bank = librosa.filters.mel(sr=16_000, n_fft=window, n_mels=128).T
        a, b = (oracles.stft_magnitudes(s, window, hop) @ bank for s in (x, y))
        terms.append(np.mean(np.abs(a - b)) + np.sqrt(np.mean((a - b) ** 2)))
    found = jax.jit(spectral.multi_resolution_mel, static_argnums=3)(
        jnp.float32(x), jnp.float32(y), 4000, 16_000
    )
    np.testing.assert_allclose(found, np.mean(terms), rtol=1e-4)


@pytest.mark.slow
def test_padding_counts_for_nothing():
    x, y = noise(9000, 0), noise(9000, 1)
    weighted = jax.jit(losses.terms, static_argnums=(3, 4))
    alone = weighted(x, y, 9000, 16_000, EVERY)
    tail = 5 + noise(1096, 2)
    padded = weighted(jnp.r_[x, tail], jnp.r_[y, -tail], jnp.array(9000), 16_000, EVERY)
    assert all(abs(float(term)) > 1e-3 for term in alone.values())
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), alone, padded
    )


def test_negative_snr_is_in_units_of_10_db_and_floored():
    target = noise(4000, 0)
    for snr_db, expected in ((20, -2), (0, 0), (-10, 1), (np.inf, -4)):
        error = noise(4000, 1)
        error *= jnp.sqrt(jnp.sum(target**2) / jnp.sum(error**2)) * 10 ** (-snr_db / 20)
        assert float(
            snr.negative_snr(target + error, target, 4000, 16_000)
        ) == pytest.approx(expected, abs=0.01)


def test_segments_count_alike_however_faint():
    target = noise(4096, 0).at[2048:].multiply(1e-2)
    error = noise(4096, 1).at[2048:].multiply(1e-2)
    found = [
        float(snr.negative_segmental_snr(target + error * gain, target, 4096, 16_000))
        for gain in (jnp.ones(4096), jnp.where(jnp.arange(4096) < 2048, 1, 10))
    ]
    assert found[0] == pytest.approx(0, abs=0.05)
    assert found[1] - found[0] == pytest.approx(1, abs=0.01)  # 20 dB in half of them


def test_compressed_equals_plain_numpy():
    x, y = (np.float64(noise(2048, seed)) for seed in (0, 1))
    a, b = (stft.stft(s, stft.sqrt_hann(512), 128) for s in (x, y))
    sizes = np.abs(a) ** 0.3, np.abs(b) ** 0.3
    turned = [
        size * np.exp(1j * np.angle(s)) for size, s in zip(sizes, (a, b), strict=True)
    ]
    error = 0.7 * (sizes[0] - sizes[1]) ** 2 + 0.3 * np.abs(turned[0] - turned[1]) ** 2
    expected = np.sum(error) / (2048 / 128) / 257
    found = spectral.compressed_spectrum(jnp.float32(x), jnp.float32(y), 2048, 16_000)
    np.testing.assert_allclose(found, expected, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("target", [jnp.zeros(2048), noise(2048, 0)])
@pytest.mark.parametrize("name", ["compressed", "snr", "segmental"])
def test_terms_of_training_are_finite_on_silence_and_at_equality(name, target):
    for estimate in (target, jnp.zeros(2048), noise(2048, 1)):
        value, slope = jax.value_and_grad(LOSSES[name])(estimate, target, 2048, 16_000)
        assert jnp.isfinite(value) and jnp.isfinite(slope).all()
    assert float(spectral.compressed_spectrum(target, target, 2048, 16_000)) == 0


@pytest.mark.slow
@pytest.mark.parametrize("target", [jnp.zeros(2048), noise(2048, 0)])
@pytest.mark.parametrize("equal", [True, False])
def test_finite_on_silence_and_at_equality(target, equal):
    estimate = target if equal else noise(2048, 1)
    value, grad = value_and_grad(estimate, target, 2048, 16_000, ALL)
    assert jnp.isfinite(value) and jnp.isfinite(grad).all()
    assert (value < 1e-6) == equal
    silence, _ = value_and_grad(jnp.zeros(2048), target, 2048, 16_000, ALL)
    assert jnp.isfinite(silence)


@pytest.mark.skipif(
    os.environ.get("INR_JAX_CHECK_SHAPES") == "0", reason="shapes are not checked"
)
def test_shapes_are_checked():
    with pytest.raises(jaxtyping.TypeCheckError, match="target"):
        losses.total(noise(9, 0), noise(8, 0), 8, 16_000, LossWeights())


def test_every_weight_has_its_loss():
    assert list(LOSSES) == [field.name for field in dataclasses.fields(LossWeights)]
    assert set(PER_SAMPLE) == POINTWISE_LOSSES


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in LOSSES if name != "l1"])
def test_gradient_agrees_with_differences(name):
    """In float64, along the gradient: the logarithm of faint bins is strongly curved."""
    weights = LossWeights(**{"mse": 0, name: 1})
    with jax.enable_x64(True):
        size = 8000 if name == "stoi" else 1024  # stretches of STOI are long
        x, y = (jnp.float64(noise(size, seed)) for seed in (0, 1))

        def loss(x):
            return value_and_grad(x, y, size, 16_000, weights)[0]

        _, grad = value_and_grad(x, y, size, 16_000, weights)
        slope = jnp.linalg.norm(grad)
        assert slope > 0
        step = 1e-6 * grad / slope
        difference = (loss(x + step) - loss(x - step)) / 2e-6
        np.testing.assert_allclose(slope, difference, rtol=1e-3)
