import numpy as np
import pytest
import tiny_weights

from inr_jax import audio
from inr_jax.configs import methods
from inr_jax.enhancement import api, files, neural, registry

RATE = 22_050


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_weights.save(tmp_path_factory.mktemp("model"), tiny_weights.CONFIG)


@pytest.fixture(autouse=True)
def short_parts(monkeypatch):
    monkeypatch.setattr(files, "READ_AT_ONCE_S", 2)
    monkeypatch.setattr(neural, "HYPER_WINDOW_S", 2.0)


def noisy(seconds):
    rng = np.random.default_rng(0)
    return 0.2 * rng.standard_normal((round(seconds * RATE), 2)).astype(np.float32)


def denoise(folder, settings, mix=files.DryWetMix(), name="in.wav"):  # noqa: B008
    denoiser = registry.make("hyper_gain", settings)
    (job,), _ = files.jobs(
        [str(folder / name)], str(folder / "out.wav"), str(folder / "rest.wav")
    )
    shares = []
    (outcome,) = files.denoise(denoiser, [job], {}, mix, 0, shares.append)
    assert sum(shares) == pytest.approx(1)
    return outcome.error, len(shares)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [4.0, 7.3])
def test_parts_give_what_the_whole_gives(tmp_path, weights, seconds, monkeypatch):
    audio.write(tmp_path / "in.wav", noisy(seconds), RATE, "FLOAT")
    settings = methods.HyperGainMethod(weights)
    error, num_parts = denoise(tmp_path, settings, files.DryWetMix(wet=0.9))
    assert not error and num_parts > 2
    recording = audio.read(tmp_path / "in.wav")
    monkeypatch.setattr(neural, "HYPER_WINDOW_S", 100.0)
    denoiser = registry.make("hyper_gain", settings)
    (whole,) = api.denoise_recordings(denoiser, [recording], [0])
    expected = 0.9 * whole.samples + 0.1 * recording.samples
    found = audio.read(tmp_path / "out.wav")
    assert (found.sample_rate, found.subtype) == (RATE, "FLOAT")
    np.testing.assert_allclose(found.samples, expected, atol=1e-4)
    rest = audio.read(tmp_path / "rest.wav").samples
    np.testing.assert_allclose(found.samples + rest, recording.samples, atol=1e-6)


@pytest.mark.slow
def test_a_file_that_goes_wrong_leaves_nothing(tmp_path, weights):
    samples = noisy(7)
    samples[5 * RATE] = np.nan
    audio.write(tmp_path / "in.wav", samples, RATE, "FLOAT")
    settings = methods.HyperGainMethod(weights)
    error, _ = denoise(tmp_path, settings)
    assert "in.wav: holds NaN" in error
    path = tmp_path / "cut.flac"
    audio.write(path, noisy(7), RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 5 // 7])
    left = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert left == {"in.wav", "cut.flac"}
    error, _ = denoise(tmp_path, settings, name=path.name)  # what is there is done
    assert not error
    assert 4.5 < len(audio.read(tmp_path / "out.wav").samples) / RATE < 5.1
