"""The weights that come with the library denoise."""

import shutil

import numpy as np
import pytest

import inr_jax
from inr_jax import audio, metrics
from inr_jax.data import noise
from inr_jax.errors import InputError
from inr_jax.io import weights
from inr_jax.models import pretrained

# SI-SDR dB at which clean speech passes, at least.
METHODS = {"hyper_gain": 25, "hyper_gain_live": 25, "hyper_siren": 18}


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_shipped_weights_denoise_a_sentence(method, speech):
    noisy = noise.add_white(speech, 0, 5.0)
    found = inr_jax.denoise(noisy, 16_000, method=method)
    assert found.shape == noisy.shape
    assert metrics.lag(speech, found, 16_000) == 0
    gains = [
        metric(speech, found, 16_000) - metric(speech, noisy, 16_000)
        for metric in (metrics.si_sdr, metrics.ssnr, metrics.pesq)
    ]
    assert np.all(np.array(gains) > (6, 4, 0.3))


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_shipped_weights_pass_clean_speech(method, speech):
    found = inr_jax.denoise(speech, 16_000, method=method)
    assert metrics.si_sdr(speech, found, 16_000) > METHODS[method]


@pytest.mark.parametrize("model", METHODS)
def test_shipped_weights_fit_their_settings(model, tmp_path):
    # a folder from elsewhere is checked when it is loaded
    copy = shutil.copytree(weights.trained_dir(model), tmp_path / model)
    assert model.startswith(pretrained.name_of(pretrained.load(copy)[0].config))


def test_a_folder_of_the_name_of_a_model_is_not_taken_for_it(tmp_path, monkeypatch):
    for model in METHODS:
        (tmp_path / model).mkdir()
    monkeypatch.chdir(tmp_path)
    for model in METHODS:
        pretrained.load_pretrained(model)
        with pytest.raises(InputError, match="no trained weights"):
            pretrained.load_pretrained(f"./{model}/.")


def denoised(speech, rate, snr_db, method):
    """The speech at a rate, in white noise, and its estimate."""
    clean = audio.resample(speech, 16_000, rate)
    noisy = noise.add_white(clean, 0, snr_db)
    return clean, noisy, inr_jax.denoise(noisy, rate, method=method)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["hyper_gain", "hyper_gain_live"])
def test_shipped_weights_denoise_a_telephone_band(method, speech):
    """At 8 kHz the STFT has fewer bins than the field."""
    clean, noisy, found = denoised(speech, 8000, 5.0, method)
    before, after = (metrics.si_sdr(clean, x, 8000) for x in (noisy, found))
    assert after > before + 5


@pytest.mark.slow
@pytest.mark.parametrize("method", ["hyper_gain", "hyper_gain_live"])
def test_shipped_weights_take_noise_above_8_khz_out(method, speech):
    """Where the speech has nothing."""
    _, noisy, found = denoised(speech, 48_000, 10.0, method)
    before, after = (
        np.sum(np.abs(np.fft.rfft(x)[len(x) // 5 :]) ** 2) for x in (noisy, found)
    )  # from 9.6 kHz on
    assert after < before / 30
