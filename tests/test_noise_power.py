import numpy as np
import pytest
from scipy import signal as filters

from inr_jax import audio
from inr_jax.configs import methods
from inr_jax.data import datasets, noise
from inr_jax.dsp import noise_psd, stft
from inr_jax.enhancement import classical
from inr_jax.enhancement.classical import window_of
from inr_jax.errors import InputError

RATE = 16_000
WHITE = 0.01 * np.random.default_rng(0).standard_normal(160_000).astype(np.float32)


def power_of(signal, rate=RATE):
    window = stft.sqrt_hann(window_of(rate))
    return np.abs(stft.stft(signal.astype(np.float32), window, len(window) // 4)) ** 2


def bias_db(estimate, truth):
    return 10 * np.log10(np.mean(estimate) / np.mean(truth))


def speech_like(num_samples, rate=RATE, seed=0):
    """Voiced syllables, four a second, hisses between some, and a pause each second."""
    rng = np.random.default_rng((1, seed))  # not the numbers of WHITE
    time = np.arange(num_samples) / rate
    pitch = 120 + 20 * np.sin(2 * np.pi * 0.7 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    harmonics = range(1, int(min(4000, 0.45 * rate) / 140))
    voice = sum(np.sin(k * phase + k * k) / k for k in harmonics)
    syllable = np.maximum(0, np.sin(2 * np.pi * 4 * time)) * (time % 1 < 0.75)
    hiss = np.diff(rng.standard_normal(num_samples + 1)) * (time % 0.5 > 0.42)
    return voice * syllable + 0.05 * hiss * (time % 1 < 0.75)


def noisy(clean, added, snr_db):
    """A signal and the first of the noise to add."""
    added = added[: len(clean)]
    return clean + added * np.std(clean) / np.std(added) * 10 ** (-snr_db / 20)


def band_passed(low_hz, high_hz, rate=RATE):
    cut = [low_hz, high_hz] if low_hz else high_hz
    sections = filters.butter(
        8, cut, "bandpass" if low_hz else "lowpass", fs=rate, output="sos"
    )
    return filters.sosfilt(sections, WHITE)


def pink():
    spectrum = np.fft.rfft(WHITE)
    return np.fft.irfft(spectrum / np.sqrt(np.arange(1, len(spectrum) + 1)))


def babble():
    voices = [np.roll(speech_like(len(WHITE), seed=i), 4321 * i * i) for i in range(6)]
    return sum(
        filters.resample(v, len(v) + 999 * i)[:80_000] for i, v in enumerate(voices)
    )


def changing(change_db):
    halves = np.split(WHITE, 10)  # of a second each
    gains = 10 ** (np.arange(10) % 2 * change_db / 20)
    return np.concatenate(
        [gain * half for gain, half in zip(gains, halves, strict=True)]
    )


@pytest.mark.parametrize(
    "name, bias",
    [
        ("auto", -0.1),
        ("white", -0.1),
        ("stationary", 0.0),
        ("mmse_spp", 0.0),
        ("two_sided", 0.0),
    ],
)
def test_noise_alone(name, bias):
    estimate = noise_psd.estimate(power_of(WHITE), name)
    assert bias_db(estimate, 1e-4) == pytest.approx(bias, abs=0.15)


@pytest.mark.parametrize(
    "name, limit", [("auto", 0.4), ("white", 0.4), ("stationary", 1.2)]
)
def test_noise_under_speech(speech, name, limit):
    """The shipped sentence has few pauses; on LibriSpeech white noise is .03 dB off."""
    level = np.sqrt(np.mean(speech**2)) / 0.01
    power = power_of(speech + level * WHITE[: len(speech)])
    assert abs(bias_db(noise_psd.estimate(power, name), 1e-4 * level**2)) < limit


def test_stationary_follows_a_spectrum():
    """A low-pass spectrum over 26 dB, each band within 1 dB."""
    coloured = np.convolve(WHITE, [1, 0.9])
    truth = 1e-4 * np.abs(np.fft.rfft([1, 0.9], 512)) ** 2
    estimate = noise_psd.stationary(power_of(coloured))[0]
    for band in np.array_split(np.arange(2, 220), 8):
        assert abs(bias_db(estimate[band], truth[band])) < 1


@pytest.mark.parametrize("name", ["mmse_spp", "two_sided", "auto"])
def test_a_step_is_followed(name):
    """Noise that grows by 6 dB: within 2 dB a second later."""
    grown = np.concatenate([WHITE[:80_000], 2 * WHITE[80_000:]])
    estimate = noise_psd.estimate(power_of(grown), name).mean(axis=1)
    assert abs(bias_db(estimate[100:600], 1e-4)) < 1
    assert abs(bias_db(estimate[750:1200], 4e-4)) < 2


def test_both_sides_see_a_step_sooner():
    """Noise that grows by 12 dB, after .1 s: the error is a third smaller."""
    power = power_of(np.concatenate([WHITE[:80_000], 4 * WHITE[80_000:]]))
    frame = 80_000 // (window_of(RATE) // 4)
    error, one_sided = (
        abs(bias_db(estimate(power)[frame + 12 : frame + 25], 16e-4))
        for estimate in (noise_psd.two_sided, noise_psd.mmse_spp)
    )
    assert error < one_sided / 1.5


def test_a_click_is_noise_and_speech_is_not(speech):
    clicks = 1e-4 * WHITE[: len(speech)]
    clicks[10_000::9000] = 0.5
    power = power_of(clicks)
    loudest = power.mean(axis=1) > 0.3 * power.mean(axis=1).max()
    estimate = noise_psd.two_sided(power)
    assert abs(bias_db(estimate[loudest], power[loudest])) < 1
    spoken = power_of(speech)
    assert bias_db(noise_psd.two_sided(spoken), spoken) < -10


@pytest.mark.parametrize("name", noise_psd.ESTIMATORS)
def test_silence_and_single_samples(name):
    for signal in (np.zeros(3000), np.ones(1), np.zeros(40_000), np.ones(40_000)):
        estimate = noise_psd.estimate(power_of(signal), name)
        assert np.isfinite(estimate).all() and (estimate > 0).all()


def test_names():
    assert tuple(noise_psd.ESTIMATORS) == methods.NOISE_ESTIMATORS
    with pytest.raises(InputError, match="must be one of auto, white, .*'magic'"):
        noise_psd.estimate(power_of(WHITE), "magic")


@pytest.mark.parametrize(
    "seconds, snr_db", [(1, -5), (1, 0), (1, 15), (3, 0), (3, 10), (3, 20)]
)
@pytest.mark.parametrize("rate", [8000, 16_000, 44_100, 48_000])
def test_white_noise_under_speech_is_white(seconds, snr_db, rate):
    clean = speech_like(seconds * rate, rate)
    assert noise_psd.is_white(power_of(noisy(clean, WHITE, snr_db), rate))


@pytest.mark.parametrize("level", [1e-3, 1, 1e3])
def test_white_noise_alone_is_white(level):
    assert noise_psd.is_white(power_of(level * WHITE))


def test_auto_is_white_in_white_noise(speech):
    power = power_of(noisy(speech, WHITE, 5))
    np.testing.assert_array_equal(noise_psd.auto(power), noise_psd.white(power))


def test_digital_silence_beside_the_noise_is_left_out():
    """However much of it, before and behind."""
    silence = np.zeros(60_000)
    padded = np.concatenate([silence, WHITE[:50_000], silence])
    assert noise_psd.is_white(power_of(padded))
    assert abs(bias_db(noise_psd.auto(power_of(padded)), 1e-4)) < 0.2


@pytest.mark.parametrize("offset", [0.1, -0.3])
def test_an_offset_is_no_colour(offset):
    assert noise_psd.is_white(power_of(WHITE + offset))


@pytest.mark.parametrize("snr_db", [0, 10, 20])
@pytest.mark.parametrize("seconds", [1, 3])
@pytest.mark.parametrize(
    "other",
    [
        pink(),
        babble(),
        changing(6),
        band_passed(0, 4000),
        band_passed(0, 7000),
        band_passed(300, 3400),
    ],
    ids=["pink", "babble", "changing", "lowpass 4k", "lowpass 7k", "telephone"],
)
def test_other_noise_under_speech_is_not_white(other, snr_db, seconds):
    if seconds == 1:
        other = other[RATE // 2 :]  # where the noise that changes does so
    power = power_of(noisy(speech_like(seconds * RATE), other, snr_db))
    assert not noise_psd.is_white(power)
    np.testing.assert_array_equal(noise_psd.auto(power), noise_psd.two_sided(power))


@pytest.mark.parametrize(
    "clean",
    [speech_like(RATE), speech_like(4 * RATE), np.zeros(RATE), np.full(RATE, 0.1)],
    ids=["speech 1 s", "speech 4 s", "silence", "offset"],
)
def test_what_holds_no_noise_holds_no_white_noise(clean):
    assert not noise_psd.is_white(power_of(clean))


def test_clean_speech_is_not_white(speech):
    assert not noise_psd.is_white(power_of(speech))


@pytest.mark.parametrize("rate", [1000, 2000])
def test_few_bins_or_frames_tell_nothing(rate):
    for signal in (WHITE[:rate], WHITE[:50]):
        estimate = noise_psd.auto(power_of(signal, rate))
        assert np.isfinite(estimate).all() and (estimate > 0).all()


def test_real_speech_in_white_and_in_recorded_noise(recordings):
    """Of other speakers and places than the tolerances were chosen on."""
    clips = datasets.find_clips(recordings / "data" / "voicebank17" / "clean")[:8]
    noisy_clips = recordings / "data" / "voicebank17" / "noisy"
    for clip in clips:
        clean = audio.read(clip.path).samples[:, 0]
        for snr_db in (0, 10):
            assert noise_psd.is_white(power_of(noise.add_white(clean, 0, snr_db)))
        recorded = audio.read(noisy_clips / clip.path.name).samples[:, 0]
        assert not noise_psd.is_white(power_of(recorded))


@pytest.mark.parametrize("estimator", ["stationary", "mmse_spp", "two_sided"])
@pytest.mark.parametrize("silent_s", [0.1, 0.5])
def test_digital_silence_does_not_lower_the_noise_around_it(estimator, silent_s):
    """As of gates and calls: a second of noise, then nothing, again and again."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(6 * RATE)
    period = round((1 + silent_s) * RATE)
    on = np.arange(len(noise)) % period < RATE
    power = power_of(noise)
    truth = np.mean(power)
    found = noise_psd.estimate(power_of(noise * on), estimator)
    assert abs(10 * np.log10(np.median(found) / truth)) < 1


@pytest.mark.parametrize("estimator", ["white", "stationary", "mmse_spp"])
def test_noise_of_many_channels_is_as_loud_as_that_of_one(estimator):
    rng = np.random.default_rng(0)
    channels = classical.spectra(
        rng.standard_normal((3 * RATE, 6)).astype(np.float32), 512
    )
    found = classical.mean_noise_psd(channels, estimator)
    truth = np.mean(np.abs(channels) ** 2)
    assert abs(10 * np.log10(np.median(found) / truth)) < 0.7


@pytest.mark.parametrize("estimator", noise_psd.ESTIMATORS)
def test_nothing_but_silence_has_the_least_noise(estimator):
    found = noise_psd.estimate(np.zeros((20, 257)), estimator)
    np.testing.assert_array_equal(found, [[noise_psd.SMALLEST]])
