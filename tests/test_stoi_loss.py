import jax
import jax.numpy as jnp
import numpy as np
import pystoi
import pytest
import soxr
from conftest import CLIPS

from inr_jax import audio
from inr_jax.data import noise
from inr_jax.losses import negative_stoi

RATE = 16_000
loss = jax.jit(negative_stoi, static_argnums=3)


@pytest.mark.parametrize("name", ["forecast", "letter"])
@pytest.mark.parametrize(
    ("rate", "within"), [(8000, 0.02), (RATE, 0.01), (48_000, 0.01)]
)
def test_it_is_near_stoi(name, rate, within):
    clean = audio.read(CLIPS / f"{name}.flac").samples[:, 0]
    clean = soxr.resample(clean, RATE, rate).astype(np.float32)
    for snr_db in (0, 5, 10, 20):
        noisy = noise.add_white(clean, 1, snr_db).astype(np.float32)
        found = 1 - float(loss(noisy, clean, len(clean), rate))
        assert found == pytest.approx(pystoi.stoi(clean, noisy, rate), abs=within)
        quiet = 1 - float(loss(0.01 * noisy, clean, len(clean), rate))
        assert quiet == pytest.approx(found, abs=1e-3)


def test_silence_costs_nothing():
    x = np.random.default_rng(0).standard_normal(20_000).astype(np.float32)
    assert float(loss(x, 0 * x, 20_000, RATE)) == 0


@pytest.mark.parametrize("size", [300, 5000, 20_000])
@pytest.mark.parametrize("level", [0.0, 0.5])
def test_it_is_finite_on_silence_at_equality_and_on_short_signals(size, level):
    target = jnp.asarray(level * np.sin(0.1 * np.arange(size)), jnp.float32)
    for estimate in (target, 0 * target, target + 0.1):
        value, slope = jax.jit(jax.value_and_grad(negative_stoi), static_argnums=3)(
            estimate, target, size, RATE
        )
        assert jnp.isfinite(value) and jnp.isfinite(slope).all()


def test_pauses_count_for_nothing():
    """Noise in silence of the target leaves STOI as it is."""
    clean = audio.read(CLIPS / "letter.flac").samples[:RATE, 0].astype(np.float32)
    noisy = noise.add_white(clean, 1, 10.0).astype(np.float32)
    pause = np.zeros(RATE, np.float32)
    hiss = noise.add_white(clean, 2, 10.0).astype(np.float32) - clean
    alone = loss(noisy, clean, RATE, RATE)
    longer = loss(np.r_[noisy, hiss], np.r_[clean, pause], 2 * RATE, RATE)
    assert float(longer) == pytest.approx(float(alone), abs=0.01)
