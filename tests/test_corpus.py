import numpy as np
import pytest

from inr_jax import audio
from inr_jax.data import decoded_cache
from inr_jax.errors import InputError


@pytest.fixture
def folder(tmp_path):
    times = np.arange(4000) / 16_000
    place = tmp_path / "speech"
    audio.write(place / "a.wav", 0.5 * np.sin(2000 * times), 16_000)
    audio.write(place / "b.flac", np.stack([0.02 * np.sin(900 * times)] * 2, 1), 8_000)
    return place


def test_files_lie_end_to_end_at_one_rate_and_level(folder, tmp_path):
    samples = decoded_cache.load(folder, tmp_path / "cache", 16_000)
    assert samples.dtype == np.int16 and samples.shape == (12_000,)
    assert not samples.flags.writeable
    for part in (samples[:4000], samples[4000:]):
        assert np.sqrt(np.mean((part / 32768.0) ** 2)) == pytest.approx(0.05, rel=0.01)


def test_is_decoded_once_until_a_file_changes(folder, tmp_path):
    calls = []

    def load():
        return decoded_cache.load(
            folder, tmp_path / "cache", 16_000, lambda *done: calls.append(done)
        )

    load()
    load()
    assert calls == [(1, 2), (2, 2)]
    audio.write(folder / "c.wav", np.ones(100) * 0.1, 16_000)
    assert len(load()) == 12_100 and len(calls) == 5


def test_an_unreadable_file_is_named_and_nothing_is_kept(folder, tmp_path):
    (folder / "broken.wav").write_bytes(b"not sound")
    with pytest.raises(InputError, match="broken.wav"):
        decoded_cache.load(folder, tmp_path / "cache", 16_000)
    assert not list((tmp_path / "cache").glob("*"))
