import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inr_jax.configs.networks import HyperSoundConfig
from inr_jax.models import harmonic_siren, hypersound_target, subband_mask
from inr_jax.models.hypersound import HyperSound
from inr_jax.nn import siren

COUNT = 1280
CONFIG = HyperSoundConfig(target="harmonics", num_samples=COUNT)
SIGNAL = jnp.asarray(np.random.default_rng(0).standard_normal(COUNT), jnp.float32)
MODEL = HyperSound(CONFIG)


@functools.cache
def params():
    return jax.jit(MODEL.init)(jax.random.key(0), SIGNAL)


def exact_weights():
    return subband_mask.from_complex(subband_mask.amplitudes(SIGNAL))


def test_exact_weights_give_back_the_signal():
    found = subband_mask.on_grid(exact_weights(), COUNT)
    np.testing.assert_allclose(found, SIGNAL, atol=5e-6)


@pytest.mark.parametrize("upsample", [1, 3])
def test_the_grid_all_at_once_is_the_siren_sample_by_sample(upsample):
    weights = exact_weights()
    times = harmonic_siren.frame_coordinates(upsample * COUNT).astype(np.float32)
    expected = siren.apply(
        harmonic_siren.target_params(weights), times[:, None], harmonic_siren.TARGET
    )
    found = subband_mask.on_grid(weights, upsample * COUNT)
    # phases reach 2,000 rad in float32
    np.testing.assert_allclose(found, expected[:, 0], atol=5e-4)


@pytest.mark.slow
def test_emitted_weights_are_a_siren_of_time():
    emitted = MODEL.apply(params(), SIGNAL, method="emit")
    times = harmonic_siren.frame_coordinates(COUNT).astype(np.float32)
    values = hypersound_target.evaluate(emitted, jnp.asarray(times), CONFIG)
    peak = jnp.max(jnp.abs(SIGNAL))
    np.testing.assert_allclose(
        peak * values, MODEL.apply(params(), SIGNAL), atol=2e-3 * peak
    )


@pytest.mark.slow
def test_a_mask_of_ones_passes_all_but_the_last_harmonic():
    opened = jax.tree.map(jnp.copy, params())
    head = opened["params"]["spectral"]["gates"]["head"]
    head["kernel"] = 0 * head["kernel"]
    head["bias"] = jnp.zeros(28).at[:4].set(20.0)  # the masks of the bins of a band
    spectrum = jnp.fft.rfft(SIGNAL).at[-1].set(0)
    expected = jnp.fft.irfft(spectrum)
    np.testing.assert_allclose(MODEL.apply(opened, SIGNAL), expected, atol=5e-6)


@pytest.mark.slow
def test_loud_and_soft_are_denoised_alike():
    found = MODEL.apply(params(), 1e-3 * SIGNAL)
    np.testing.assert_allclose(1e3 * found, MODEL.apply(params(), SIGNAL), rtol=1e-3)


def test_lengths_that_bands_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="128"):
        HyperSoundConfig(target="harmonics", num_samples=1000)
