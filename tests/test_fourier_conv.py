"""Convolution by short Fourier transforms: that of `jax.lax`, and its gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inr_jax.dsp.fourier_conv import fourier_conv
from inr_jax.models import wave_unet

INPUTS, OUTPUTS = 17, 23


def direct(x, kernel):
    """The sum itself, in double precision."""
    taps = len(kernel)
    padded = np.pad(np.float64(x), ((taps // 2, taps // 2), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, taps, axis=0)
    return np.einsum("tik,kio->to", windows, np.float64(kernel))


def drawn(samples, taps):
    rng = np.random.default_rng(samples)
    x = rng.standard_normal((samples, INPUTS), np.float32)
    return x, rng.standard_normal((taps, INPUTS, OUTPUTS), np.float32)


@pytest.mark.parametrize("taps", [3, 5, 15])
@pytest.mark.parametrize("samples", [1, 7, 34, 100])
def test_it_is_the_sum(samples, taps):
    x, kernel = drawn(samples, taps)
    found = jax.jit(fourier_conv)(x, kernel)
    np.testing.assert_allclose(found, direct(x, kernel), atol=2e-4)


def test_clips_of_a_batch_share_nothing():
    x, kernel = drawn(60, 5)
    xs, kernels = np.stack([x, -x]), np.stack([kernel, 2 * kernel])
    found = jax.jit(jax.vmap(fourier_conv))(xs, kernels)
    expected = [direct(*each) for each in zip(xs, kernels, strict=True)]
    np.testing.assert_allclose(found, expected, atol=4e-4)


@pytest.mark.parametrize("taps", [5, 15])
def test_gradients_of_the_network_are_the_same_either_way(taps):
    x, kernel = drawn(200, taps)
    gradient = drawn(200, 3)[0][:, :1] * np.ones((1, OUTPUTS), np.float32)
    both = [
        functools.partial(each, x, kernel, gradient)()
        for each in (wave_unet._fourier_gradients, wave_unet._direct_gradients)
    ]
    jax.tree.map(functools.partial(np.testing.assert_allclose, atol=2e-3), *both)


def test_the_network_takes_transforms_on_a_cpu_for_many_channels():
    x, kernel = map(jnp.asarray, drawn(200, 5))
    text = str(jax.make_jaxpr(wave_unet._convolve)(x, kernel))
    assert "platform_index" in text
    text = str(jax.make_jaxpr(wave_unet._convolve)(x[:, :8], kernel[:, :8]))
    assert "platform_index" not in text
