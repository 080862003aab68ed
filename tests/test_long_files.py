import jax
import numpy as np
import pytest
import soundfile
from conftest import TINY

from inr_jax import audio
from inr_jax.enhancement import api, chunking, files, registry
from inr_jax.errors import InputError
from inr_jax.models import pretrained
from inr_jax.models.stft_mask import StftMaskNet

RATE = 22_050


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    params = StftMaskNet(TINY).init(jax.random.key(0), np.zeros(64, np.float32))
    pretrained.save(folder, TINY, params, 0)
    return registry.Options(trained_dir=folder)


@pytest.fixture(autouse=True)
def short_pieces(monkeypatch):
    monkeypatch.setattr(chunking, "LONG_S", 2)
    monkeypatch.setattr(chunking, "PIECE_S", 2)


def noisy(seconds):
    rng = np.random.default_rng(0)
    return 0.2 * rng.standard_normal((round(seconds * RATE), 2)).astype(np.float32)


def denoise(folder, options, mix=files.DryWetMix(), name="in.wav"):  # noqa: B008
    denoiser = registry.make("local_hypersound", options)
    (job,), _ = files.jobs(
        [str(folder / name)], str(folder / "out.wav"), str(folder / "rest.wav")
    )
    assert chunking.is_long(job)
    reach, shares = registry.receptive_field("local_hypersound", options), []
    chunking.denoise(denoiser, reach, job, mix, 0, shares.append)
    assert sum(shares) == pytest.approx(1) and len(shares) > 1


@pytest.mark.parametrize("seconds", [4.0, 7.3])
def test_pieces_give_what_the_whole_gives(tmp_path, options, seconds):
    audio.write(tmp_path / "in.wav", noisy(seconds), RATE, "FLOAT")
    denoise(tmp_path, options, files.DryWetMix(wet=0.9))
    recording = audio.read(tmp_path / "in.wav")
    denoiser = registry.make("local_hypersound", options)
    ((_, whole),) = api.denoise_recordings(denoiser, [recording], [0])
    expected = 0.9 * whole + 0.1 * recording.samples
    found = audio.read(tmp_path / "out.wav")
    assert (found.sample_rate, found.subtype) == (RATE, "FLOAT")
    np.testing.assert_allclose(found.samples, expected, atol=1e-4)
    rest = audio.read(tmp_path / "rest.wav").samples
    np.testing.assert_allclose(found.samples + rest, recording.samples, atol=1e-6)


def test_a_file_that_goes_wrong_leaves_nothing(tmp_path, options):
    samples = noisy(7)
    samples[5 * RATE] = np.nan
    audio.write(tmp_path / "in.wav", samples, RATE, "FLOAT")
    with pytest.raises(InputError, match=r"in\.wav: holds NaN"):
        denoise(tmp_path, options)
    path = tmp_path / "cut.flac"
    audio.write(path, noisy(7), RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 5 // 7])
    with pytest.raises(InputError, match=r"cut\.flac: "):
        denoise(tmp_path, options, name=path.name)
    assert {path.name for path in tmp_path.iterdir()} == {"in.wav", "cut.flac"}


def test_a_finer_grid(tmp_path, options):
    audio.write(tmp_path / "in.wav", noisy(5), RATE)
    denoiser = registry.make(
        "local_hypersound",
        registry.Options(trained_dir=options.trained_dir, output_rate=48_000),
    )
    (job,), _ = files.jobs([str(tmp_path / "in.wav")], str(tmp_path / "out.wav"), None)
    reach = registry.receptive_field("local_hypersound", options)
    chunking.denoise(denoiser, reach, job, files.DryWetMix(output_rate=48_000), 0)
    assert soundfile.info(tmp_path / "out.wav").frames == 5 * 48_000


def test_pipes_short_files_and_other_methods_are_heard_at_once(tmp_path, options):
    audio.write(tmp_path / "in.wav", noisy(1), RATE)
    (job,), _ = files.jobs([str(tmp_path / "in.wav")], "out.wav", None)
    assert not chunking.is_long(job)
    (job,), _ = files.jobs(["-"], "-", None)
    assert not chunking.is_long(job)
    assert registry.receptive_field("wiener", options) is None
