import jax
import jax.numpy as jnp
import numpy as np
import pesq
import pytest
import scipy.signal
from conftest import CLIPS

from inr_jax import audio
from inr_jax.data import noise
from inr_jax.losses.pmsqe import pmsqe

RATE = 16_000
COUNT = 2 * RATE


@pytest.fixture(scope="module")
def clean():
    samples = audio.read(CLIPS / "letter.flac").samples[:COUNT, 0]
    return samples.astype(np.float32)


@pytest.fixture(scope="module")
def loss_of(clean):
    loss = jax.jit(lambda x: pmsqe(x, jnp.asarray(clean), COUNT, RATE))
    return lambda estimate: float(loss(jnp.asarray(estimate, jnp.float32)))


def test_noise_and_lost_bands_count_and_level_does_not(clean, loss_of):
    noisy = [noise.add_white(clean, 0, snr_db) for snr_db in (20, 10, 0)]
    assert (
        loss_of(clean) < 0.1 < loss_of(noisy[0]) < loss_of(noisy[1]) < loss_of(noisy[2])
    )
    muffled = scipy.signal.sosfilt(
        scipy.signal.butter(4, 1000, fs=RATE, output="sos"), clean
    )
    assert loss_of(muffled) > 0.5
    assert loss_of(0.5 * clean) < 0.1


def test_it_correlates_with_pesq(clean, loss_of):
    """Over kinds of error that squared error does not rank by quality."""
    rng = np.random.default_rng(0)
    white = [noise.add_white(clean, 1, snr_db) for snr_db in (0, 5, 10, 15, 20, 30)]
    low = scipy.signal.butter(2, 500, fs=RATE, output="sos")
    rumble = scipy.signal.sosfilt(low, rng.standard_normal(COUNT))
    rumble *= np.std(clean) / np.std(rumble)
    cut = [
        scipy.signal.sosfilt(scipy.signal.butter(2, f, fs=RATE, output="sos"), clean)
        for f in (1000, 2000, 4000)
    ]
    estimates = [*white, *(clean + g * rumble for g in (1, 0.3, 0.1)), *cut]
    # without the last, nonlinear mapping of PESQ
    scores = np.array([pesq.pesq(RATE, clean, x, "wb") for x in estimates])
    raw = (3.8224 - np.log(4 / (scores - 0.999) - 1)) / 1.3669
    found = np.corrcoef(raw, [-loss_of(x) for x in estimates])[0, 1]
    distance = [np.log(np.mean((x - clean) ** 2)) for x in estimates]
    assert found > 0.9
    assert found > np.corrcoef(raw, -np.array(distance))[0, 1] + 0.1


@pytest.mark.parametrize("target", [np.zeros(4000), np.sin(0.1 * np.arange(4000))])
def test_it_is_finite_on_silence_and_at_equality(target):
    slope = jax.jit(jax.value_and_grad(lambda x, y: pmsqe(x, y, 4000, RATE)))
    target = jnp.asarray(target, jnp.float32)
    for estimate in (target, 0 * target, target + 0.1):
        value, gradient = slope(estimate, target)
        assert jnp.isfinite(value) and jnp.isfinite(gradient).all()
