import dataclasses

import numpy as np
import pytest

from inr_jax.configs.training import MixingConfig
from inr_jax.data import augment_numpy
from inr_jax.data.augment_numpy import Speech

RNG = np.random.default_rng(0)
TALK = (3000 * RNG.standard_normal(50_000)).astype(np.int16)
RAIN = (1000 * RNG.standard_normal(20_000)).astype(np.int16)
CONFIG = MixingConfig(num_samples=8000)


def kind(**shares):
    none = dict.fromkeys(("white", "coloured", "recorded", "babble", "clean"), 0.0)
    return dataclasses.replace(CONFIG, **(none | {"rumble": 0.0} | shares))


def examples(config, count=20, speech=None):
    speech = speech or [Speech(TALK)]
    return augment_numpy.batch(speech, RAIN, config, range(count), seed=0, step=3)


def test_levels_and_ratios_are_what_the_config_says():
    noisy, clean = examples(CONFIG)
    assert noisy.shape == clean.shape == (20, 8000) and noisy.dtype == np.float32
    peaks_db = 20 * np.log10(np.abs(noisy).max(axis=1))
    assert np.all((peaks_db > -40.1) & (peaks_db < 0.1)) and np.ptp(peaks_db) > 20
    noise = noisy - clean
    with_noise = np.any(noise != 0, axis=1)
    power, disturbance = (np.mean(x[with_noise] ** 2, axis=1) for x in (clean, noise))
    snr_db = 10 * np.log10(power / disturbance)
    assert np.all((snr_db > -5.1) & (snr_db < 20.1)) and np.ptp(snr_db) > 15


def test_an_example_follows_from_seed_step_and_place_alone():
    first, again = examples(CONFIG, 4), examples(CONFIG, 2)
    np.testing.assert_array_equal(first[0][:2], again[0])
    other = augment_numpy.batch([Speech(TALK)], RAIN, CONFIG, range(2), seed=0, step=4)
    assert np.abs(other[0] - again[0]).max() > 0


def test_clean_examples_pass_as_they_are():
    noisy, clean = examples(kind(clean=1.0), 3)
    np.testing.assert_array_equal(noisy, clean)


def spectrum(samples):
    return np.mean(np.abs(np.fft.rfft(samples)) ** 2, axis=0)


def test_band_limited_speech_gets_band_limited_noise():
    limited = [Speech(TALK, band_limited=True)]
    noisy, clean = examples(kind(white=1.0), 5, limited)
    for power in map(spectrum, (noisy, clean)):
        assert power[3200:].max() < 1e-6 * power[:2900].mean()  # bins of 2 Hz


def test_white_noise_is_white_and_coloured_is_not():
    noisy, clean = examples(kind(white=1.0))
    bands = spectrum(noisy - clean)[1:].reshape(8, -1).mean(axis=1)
    assert np.ptp(10 * np.log10(bands)) < 1
    for noise in np.subtract(*examples(kind(coloured=1.0), 5)):
        power = np.abs(np.fft.rfft(noise)) ** 2
        octaves = [power[2**i : 2 ** (i + 1)].mean() for i in range(6, 12)]
        assert np.ptp(10 * np.log10(octaves)) > 5


def test_rumble_is_below_60_hz():
    noise = np.subtract(*examples(kind(white=1.0, rumble=1.0), 5))
    power = np.abs(np.fft.rfft(noise)) ** 2  # bins of 2 Hz
    assert np.all(power[:, :5].mean(1) > 5 * power[:, 50:].mean(1))
    np.testing.assert_allclose(
        power[:, 50:100].mean(), power[:, 3000:].mean(), rtol=0.3
    )


def test_babble_is_made_of_the_speech():
    voice = 3000 * np.sin(2 * np.pi * 500 / 16_000 * np.arange(48_000))
    sources = [Speech(voice.astype(np.int16))]
    noise = np.subtract(*examples(kind(babble=1.0), 4, sources))
    power = np.abs(np.fft.rfft(noise)) ** 2
    assert np.all(power[:, 245:256].sum(axis=1) > 0.8 * power.sum(axis=1))


def test_sources_are_drawn_by_weight():
    sources = [Speech(TALK, 3.0), Speech(-np.abs(TALK), 1.0)]
    _, clean = examples(kind(clean=1.0), 200, sources)
    share = np.mean(clean.mean(axis=1) > -0.05 * np.abs(clean).max(axis=1))
    assert 0.65 < share < 0.85


def test_shares_must_sum_to_one():
    with pytest.raises(ValueError, match="sum to 1"):
        MixingConfig(white=0.9)
