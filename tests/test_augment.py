"""Examples for training are what their settings promise."""

import dataclasses
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inr_jax.configs.augment import NOISE_KINDS, AugmentConfig
from inr_jax.data import augment
from inr_jax.errors import InputError

CONFIG = AugmentConfig(num_samples=4096)
PLAIN = dataclasses.replace(
    CONFIG,
    speed_share=0.0,
    room_share=0.0,
    equalised_share=0.0,
    moving_share=0.0,
    rumble_share=0.0,
    band_limited_share=0.0,
    telephone_share=0.0,
    gap_share=0.0,
    gated_share=0.0,
    clipped_share=0.0,
)


# Corpora of one shape share one program, which takes long to compile.
NUM_SAMPLES = 100_000
DRY = np.zeros((3, 2000), np.float16)
DRY[:, 0] = 1


def sounds(pieces, weights=(1, 1), top_hz=None):
    """Two sounds, and behind them samples that belong to none."""
    found = augment.sounds(pieces, weights, top_hz)
    behind = np.full(NUM_SAMPLES - len(found.samples), 30_000, np.int16)
    return found._replace(samples=np.concatenate([found.samples, behind]))


def corpus_of(speech, noise=None, rooms=DRY):
    return jax.device_put(augment.Corpus(speech, noise or speech, rooms))


@pytest.fixture(scope="module")
def corpus():
    rng = np.random.default_rng(0)
    speech = [np.int16(3000 * rng.standard_normal(n)) for n in (9000, 20_000)]
    noise = [np.int16(3000 * rng.standard_normal(n)) for n in (1500, 9000)]
    rooms = rng.standard_normal((3, 2000)) * np.exp(-np.arange(2000) / 300)
    rooms[:, 0] = 5
    rooms = rooms.astype(np.float16)
    return corpus_of(sounds(speech, [1, 2]), sounds(noise), rooms)


def only(kind, config=PLAIN, **changes):
    shares = tuple(float(kind == name) for name in NOISE_KINDS)
    return dataclasses.replace(config, noise_shares=shares, **changes)


SIZES = {"sample_rate": CONFIG.sample_rate, "num_samples": CONFIG.num_samples}


@jax.jit
def examples(keys, corpus, settings):
    """One program for all settings but sizes, which are arguments of it."""
    config = types.SimpleNamespace(**(settings | SIZES))
    return augment.examples(keys, corpus, config)


def drawn(corpus, config, seed=0):
    keys = jax.random.split(jax.random.key(seed), 4)
    settings = {k: v for k, v in vars(config).items() if k not in SIZES}
    return examples(keys, corpus, jax.tree.map(np.float32, settings))


@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_every_kind_of_noise_has_the_ratio_that_is_asked_for(corpus, kind):
    noisy, clean = drawn(corpus, only(kind, snr_range_db=(3.0, 3.0)))
    assert np.all(np.isfinite(noisy)) and np.all(np.isfinite(clean))
    np.testing.assert_allclose(np.max(np.abs(noisy), axis=1), 1, rtol=1e-5)
    if kind == "none":
        np.testing.assert_array_equal(noisy, clean)
        return
    error = np.mean((noisy - clean) ** 2, axis=1)
    ratio_db = 10 * np.log10(np.mean(clean**2, axis=1) / error)
    np.testing.assert_allclose(ratio_db, 3, atol=0.05)


def spectrum(signals):
    """Mean power over Hz, of signals (count, samples)."""
    power = np.mean(np.abs(np.fft.rfft(np.hanning(4096) * np.asarray(signals))) ** 2, 0)
    return np.fft.rfftfreq(4096, 1 / CONFIG.sample_rate), power


def test_recorded_noise_is_that_of_the_corpus(corpus):
    """Tones of 2 kHz, at most a third slower; each kind of its own is none."""
    place = np.arange(len(corpus.noise.samples))
    tone = np.int16(9000 * np.sin(2 * np.pi * 2000 / CONFIG.sample_rate * place))
    toned = corpus._replace(noise=corpus.noise._replace(samples=tone))
    shares = {}
    for kind in ("recorded", "two_recorded", "white", "coloured", "babble", "gusts"):
        noisy, clean = drawn(toned, only(kind))
        hz, power = spectrum(noisy - clean)
        shares[kind] = power[(hz > 1300) & (hz < 2700)].sum() / power.sum()
    assert min(shares["recorded"], shares["two_recorded"]) > 0.9
    assert max(share for kind, share in shares.items() if "recorded" not in kind) < 0.7


def test_rumble_is_low(corpus):
    noisy, clean = drawn(corpus, only("white", rumble_share=1.0))
    hz, power = spectrum(noisy - clean)
    assert power[hz < 60].mean() > 10 * power[hz > 1000].mean()
    noisy, clean = drawn(corpus, only("white"))
    hz, power = spectrum(noisy - clean)
    assert power[hz < 60].mean() < 3 * power[hz > 1000].mean()


def spread_db(parts):
    """Deviation of levels in dB over the last axis, mean of the examples."""
    return np.mean(np.std(10 * np.log10(parts), axis=-1))


def test_equalised_speech_has_a_smooth_gain_over_frequency(corpus):
    spreads = []
    for share in (0.0, 1.0):
        noisy, clean = drawn(corpus, only("none", equalised_share=share))
        np.testing.assert_array_equal(noisy, clean)
        power = np.abs(np.fft.rfft(clean))[:, 1:] ** 2
        spreads.append(spread_db(power.reshape(4, 8, -1).mean(-1)))
    assert spreads[0] < 1 and spreads[1] > 1.5


def test_the_level_of_moving_noise_moves(corpus):
    spreads = []
    for share in (0.0, 1.0):
        noisy, clean = drawn(corpus, only("white", moving_share=share))
        power = np.square(noisy - clean)
        spreads.append(spread_db(power.reshape(4, 8, -1).mean(-1)))
    assert spreads[0] < 0.5 and spreads[1] > 1.5


def test_speech_and_noise_of_limited_band_end_at_one_frequency(corpus):
    for share in (0.0, 1.0):
        noisy, clean = drawn(corpus, only("white", band_limited_share=share))
        powers = (np.abs(np.fft.rfft(x)) ** 2 for x in (clean, noisy - clean))
        hz = np.fft.rfftfreq(4096, 1 / CONFIG.sample_rate)
        is_there = [power > 1e-3 * power.mean(-1, keepdims=True) for power in powers]
        of_speech, of_noise = (np.max(hz * x, axis=-1) for x in is_there)
        np.testing.assert_allclose(of_speech, of_noise, atol=100)
        if share:
            assert np.min(of_speech) > 2900 and np.ptp(of_speech) > 500
        else:
            assert np.min(of_speech) > 7900


def test_sources_are_drawn_by_their_weights():
    found = augment.sounds([np.ones(4, np.int16)] * 2, [1, 3])
    np.testing.assert_allclose(jax.nn.softmax(found.logits), [0.25, 0.75], rtol=1e-6)


def test_speech_is_a_crop_that_is_not_quiet():
    """Of a recording that is silent but for a tenth of its length."""
    samples = np.zeros(50_000, np.int16)
    samples[:5000] = 3000 * np.random.default_rng(0).standard_normal(5000)
    corpus = corpus_of(sounds([samples, samples]))
    levels = [
        np.std(drawn(corpus, only("none"), seed=seed)[1], axis=1) for seed in range(4)
    ]
    assert np.mean(np.array(levels) > 0.05) > 0.6  # by chance a tenth


def test_an_example_follows_from_its_key(corpus):
    one, again, other = (drawn(corpus, CONFIG, seed=seed)[0] for seed in (5, 5, 6))
    np.testing.assert_array_equal(one, again)
    assert np.all(np.max(np.abs(one - other), axis=1) > 0)


@pytest.mark.parametrize("speed", [0.7, 1.0, 1.18])
def test_a_sine_played_at_another_speed_is_a_sine_of_that_pitch(speed):
    hz, length = 1000.0, 16_000
    time = np.arange(length) / 16_000
    sine = np.int16(16_384 * np.sin(2 * np.pi * hz * time))
    sine = jax.device_put(augment.sounds([sine], [1]))
    found = augment.crop(jax.random.key(0), sine, 0, 4000, speed)
    quadrature = np.exp(2j * np.pi * hz * speed * time[:4000])
    parts = np.stack([quadrature.real, quadrature.imag], 1)
    weights, *_ = np.linalg.lstsq(parts, found)
    assert np.linalg.norm(weights) == pytest.approx(0.5, rel=2e-3)
    error = np.asarray(found) - parts @ weights
    assert np.sqrt(np.mean(error**2)) < 1e-3


def test_what_a_higher_speed_lifts_above_the_nyquist_frequency_is_filtered_out():
    sine = np.int16(16_384 * np.sin(2 * np.pi * 7000 / 16_000 * np.arange(16_000)))
    sine = jax.device_put(augment.sounds([sine], [1]))
    found = augment.crop(jax.random.key(0), sine, 0, 4000, 1.5)
    assert np.sqrt(np.mean(np.square(found))) < 0.01


@pytest.mark.parametrize(("speed", "top_hz"), [(0.8, 6400), (1.25, 8000)])
def test_noise_ends_where_slowed_speech_ends(speed, top_hz):
    rng = np.random.default_rng(0)
    corpus = corpus_of(sounds(2 * [np.int16(3000 * rng.standard_normal(20_000))]))
    config = only("white", speed_share=1.0, speed_range=(speed, speed))
    noisy, clean = drawn(corpus, config)
    frequency = np.fft.rfftfreq(CONFIG.num_samples, 1 / 16_000)
    power = np.mean(np.abs(np.fft.rfft(noisy - clean)) ** 2, 0)
    inside = np.mean(power[(frequency > 4000) & (frequency < 5000)])
    below = (frequency > top_hz - 600) & (frequency < top_hz - 200)
    assert 0.5 < np.mean(power[below]) / inside < 2
    assert np.all(power[frequency > top_hz + 200] < 1e-3 * inside)


def test_speech_is_played_faster_and_slower():
    hz, length = 1000.0, 16_000
    sine = np.int16(16_384 * np.sin(2 * np.pi * hz * np.arange(length) / 16_000))
    corpus = corpus_of(sounds([sine, sine], top_hz=[6000.0, 6000.0]))
    config = only("none", speed_share=0.5, speed_range=(0.8, 1.25))
    clean = np.concatenate([drawn(corpus, config, seed)[1] for seed in range(16)])
    frequency = np.fft.rfftfreq(CONFIG.num_samples, 1 / 16_000)
    pitch = frequency[np.argmax(np.abs(np.fft.rfft(clean)), 1)]
    assert np.all((pitch > 790) & (pitch < 1260))
    assert 0.3 < np.mean(np.abs(pitch - hz) < 3) < 0.7
    assert np.min(pitch) < 850 and np.max(pitch) > 1150


def test_a_gap_is_digital_silence_in_both(corpus):
    noisy, clean = drawn(corpus, only("white", gap_share=1.0))
    silent = noisy == 0
    assert np.any(silent) and np.all(clean[silent] == 0)


def test_a_gate_silences_both_in_pauses_alone(corpus):
    rng = np.random.default_rng(0)
    speech = 3000 * rng.standard_normal(20_000) * (np.arange(20_000) % 8000 < 3000)
    gated = corpus._replace(speech=jax.device_put(sounds(2 * [np.int16(speech)])))
    noisy, clean = drawn(gated, only("white", gated_share=1.0))
    _, spoken = drawn(gated, only("white"))
    silent = noisy == 0
    assert np.any(silent) and np.all(clean[silent] == 0)
    spoken = np.abs(spoken) > 0.01 * np.max(np.abs(spoken), 1, keepdims=True)
    assert not np.any(silent & spoken)
    quiet = ~spoken & ~silent  # a gate closes 50 ms late, and opens as early
    assert np.mean(quiet) < 0.5


def test_clipping_is_of_the_noisy_side_alone(corpus):
    noisy, clean = drawn(corpus, only("none", clipped_share=1.0))
    assert np.all(np.sum(np.abs(noisy) == np.max(np.abs(noisy), 1)[:, None], 1) > 2)
    assert np.max(np.abs(clean)) > np.max(np.abs(noisy))


def test_telephone_bands_hold_for_both(corpus):
    noisy, clean = drawn(corpus, only("white", telephone_share=1.0))
    frequency = np.arange(2049) * 16_000 / 4096
    above = (frequency > 3600) | (frequency < 200)
    for side in (noisy, clean):
        power = np.abs(np.fft.rfft(side)) ** 2
        assert np.sum(power[:, above]) < 1e-6 * np.sum(power)


def test_the_target_of_a_room_is_its_early_part(corpus):
    noisy, clean = drawn(corpus, only("none", room_share=1.0))
    late = noisy - clean
    assert np.all(np.mean(late**2, 1) > 1e-4 * np.mean(clean**2, 1))
    echo = np.zeros((3, 2000), np.float16)
    echo[:, 0], echo[:, 1000] = 1, 0.5  # the second after 62 ms
    noisy, clean = drawn(corpus._replace(rooms=echo), only("none", room_share=1.0))
    late = np.asarray(noisy - clean)[:, 1000:]
    np.testing.assert_allclose(late, 0.5 * clean[:, :-1000], atol=2e-3)
    dry = drawn(corpus, only("none"))
    assert float(jnp.max(jnp.abs(dry[0] - dry[1]))) == 0


def test_shares_are_checked():
    with pytest.raises(ValueError, match="gap_share must be from 0 to 1"):
        AugmentConfig(gap_share=1.5)
    with pytest.raises(ValueError, match="speed_range must be above 0"):
        AugmentConfig(speed_range=(0.0, 1.0))
    with pytest.raises(ValueError, match="must be 9 numbers"):
        AugmentConfig(noise_shares=(1.0, 2.0))


def test_speech_without_highs_has_no_noise_there_either():
    """As a recording that was band-limited as a whole."""
    rng = np.random.default_rng(0)
    white = 2 * [np.int16(3000 * rng.standard_normal(20_000))]
    limited = corpus_of(sounds(white, top_hz=[2000.0, 2000.0]), sounds(white))
    noisy, clean = map(np.asarray, drawn(limited, only("white")))
    for signal in (noisy, noisy - clean):
        power = np.mean(np.abs(np.fft.rfft(np.hanning(4096) * signal)) ** 2, axis=0)
        hz = np.fft.rfftfreq(4096, 1 / CONFIG.sample_rate)
        above, below = power[hz > 2400].mean(), power[hz < 1600].mean()
        assert above < 1e-3 * below


def test_more_sound_than_can_be_indexed_is_refused():
    endless = np.broadcast_to(np.int16(0), 2**30)
    with pytest.raises(InputError, match="37 hours"):
        augment.sounds([endless, endless], [1, 1])
