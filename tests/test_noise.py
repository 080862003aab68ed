import numpy as np
import pytest

from inr_jax.data import noise


@pytest.mark.parametrize("snr_db", [-5, 0, 10])
def test_level_is_the_snr_that_was_asked_for(speech, snr_db):
    """Within the sampling error of 50,000 samples, 0.03 dB, thrice."""
    added = noise.add_white(speech, 1, snr_db=snr_db) - speech
    measured = 10 * np.log10(np.mean(speech**2) / np.mean(added**2))
    assert measured == pytest.approx(snr_db, abs=0.1)


def test_fixed_sigma_goes_before_the_snr(speech):
    added = noise.add_white(speech, 1, snr_db=0, sigma=0.0455) - speech
    assert np.std(added) == pytest.approx(0.0455, rel=0.01)


def test_same_seed_same_noise_and_the_clean_clip_is_untouched(speech):
    before = speech.copy()
    one, again, other = (noise.add_white(speech, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, again)
    assert np.any(one != other)
    np.testing.assert_array_equal(speech, before)


def test_silence_stays_silent():
    assert not noise.add_white(np.zeros(100), 0, snr_db=0).any()


def test_clip_seeds_depend_on_seed_and_name():
    seeds = {noise.clip_seed(seed, name) for seed in range(3) for name in "abc"}
    assert len(seeds) == 9
    assert noise.clip_seed(0, "a") == noise.clip_seed(0, "a") < 2**32


def test_recorded_noise_has_its_level_and_repeats():
    clean = np.sin(np.arange(5000) / 9)[:, None]
    recording = np.random.default_rng(1).uniform(-3, 3, (1200, 1))
    noisy = noise.add_recorded(clean, recording, seed=4, snr_db=5.0)
    added = noisy - clean
    ratio = 10 * np.log10(np.mean(clean**2) / np.mean(added**2))
    assert ratio == pytest.approx(5.0, abs=1e-3) and noisy.dtype == np.float32
    np.testing.assert_allclose(added[:1200], added[1200:2400], atol=1e-6)
    again = noise.add_recorded(clean, recording, seed=4, snr_db=5.0)
    np.testing.assert_array_equal(noisy, again)
    assert np.any(noise.add_recorded(clean, recording, seed=5, snr_db=5.0) != noisy)
