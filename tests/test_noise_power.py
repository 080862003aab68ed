import numpy as np
import pytest

from inr_jax.dsp import noise_psd, stft

WHITE = 0.01 * np.random.default_rng(0).standard_normal(160_000).astype(np.float32)


def power_of(signal):
    return np.abs(stft.stft(signal.astype(np.float32), stft.sqrt_hann(512), 128)) ** 2


def bias_db(estimate, truth):
    return 10 * np.log10(np.mean(estimate) / np.mean(truth))


@pytest.mark.parametrize(
    "name, bias", [("white", -0.1), ("stationary", 0.0), ("tracked", 0.0)]
)
def test_noise_alone(name, bias):
    estimate = noise_psd.ESTIMATORS[name](power_of(WHITE))
    assert bias_db(estimate, 1e-4) == pytest.approx(bias, abs=0.15)


@pytest.mark.parametrize("name, limit", [("white", 0.4), ("stationary", 1.2)])
def test_noise_under_speech(speech, name, limit):
    """The shipped sentence has few pauses; on LibriSpeech white noise is .03 dB off."""
    level = np.sqrt(np.mean(speech**2)) / 0.01
    noisy = speech + level * WHITE[: len(speech)]
    estimate = noise_psd.ESTIMATORS[name](power_of(noisy))
    assert abs(bias_db(estimate, 1e-4 * level**2)) < limit


def test_stationary_follows_a_spectrum():
    """A low-pass spectrum over 26 dB, each band within 1 dB."""
    coloured = np.convolve(WHITE, [1, 0.9])
    truth = 1e-4 * np.abs(np.fft.rfft([1, 0.9], 512)) ** 2
    estimate = noise_psd.stationary(power_of(coloured))[0]
    for band in np.array_split(np.arange(2, 220), 8):
        assert abs(bias_db(estimate[band], truth[band])) < 1


def test_tracked_follows_a_step():
    """Noise that grows by 6 dB: within 2 dB a second later."""
    expand_params = np.concatenate([WHITE[:80_000], 2 * WHITE[80_000:]])
    estimate = noise_psd.tracked(power_of(expand_params)).mean(axis=1)
    assert abs(bias_db(estimate[100:600], 1e-4)) < 1
    assert abs(bias_db(estimate[750:1200], 4e-4)) < 2


@pytest.mark.parametrize("name", noise_psd.ESTIMATORS)
def test_silence_and_single_samples(name):
    for signal in (np.zeros(3000), np.ones(1)):
        estimate = noise_psd.ESTIMATORS[name](power_of(signal))
        assert np.isfinite(estimate).all() and (estimate > 0).all()
