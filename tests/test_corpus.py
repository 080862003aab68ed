"""Folders of sound decoded once: bad files, interruptions, changes."""

import json
import os

import numpy as np
import pytest
import soundfile

from inr_jax import audio
from inr_jax.data import bad_files, decoded_cache
from inr_jax.errors import InputError

RATE = 16_000


@pytest.fixture
def folder(tmp_path):
    times = np.arange(4000) / RATE
    place, tone = tmp_path / "speech", 0.04 * np.sin(900 * times)
    audio.write(place / "a.wav", 0.5 * np.sin(2000 * times), RATE)
    audio.write(place / "b.flac", np.stack([0 * times, tone], 1), 8_000)
    return place


def load(folder, **settings):
    """Decoded sound, and the files that it took, of how many."""
    calls = []
    found = decoded_cache.load(
        *(folder, folder.parent / "cache", RATE),
        lambda *done: calls.append(done),
        **settings,
    )
    return found, calls


def test_files_lie_end_to_end_at_one_rate_and_level(folder):
    found, _ = load(folder)
    samples = found.samples
    assert samples.dtype == np.int16 and samples.shape == (12_000,)
    assert not samples.flags.writeable and not found.problems
    assert [len(piece) for piece in found.files] == [4000, 8000]
    for part in (samples[:4000], samples[4000:]):
        assert np.sqrt(np.mean((part / 32768.0) ** 2)) == pytest.approx(0.05, rel=0.01)


def test_is_decoded_once_until_a_file_changes(folder):
    assert load(folder)[1] == [(1, 2), (2, 2)]
    assert not load(folder)[1]
    audio.write(folder / "c.wav", np.ones(100) * 0.1, RATE)
    found, calls = load(folder)
    assert len(found.samples) == 12_100 and len(calls) == 3


def empty(path):
    path.write_bytes(b"")


def no_sound(path):
    path.write_text("not sound")


def not_finite(path):
    soundfile.write(path, np.full(100, np.nan), RATE, "FLOAT")


def header_alone(path):
    soundfile.write(path, np.zeros(0), RATE)


def silent(path):
    soundfile.write(path, np.zeros(1000), RATE)


def beyond_sound(path):
    soundfile.write(path, np.full(100, 1e30), RATE, "DOUBLE")


def link_to_nowhere(path):
    path.symlink_to(path.with_name("nowhere"))


def pipe(path):
    os.mkfifo(path)


BAD = (
    *(empty, no_sound, not_finite, header_alone, silent),
    *(beyond_sound, link_to_nowhere, pipe),
)


@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
def test_a_bad_file_is_named_and_the_others_are_kept(folder, make):
    make(folder / "aa.wav")
    found, calls = load(folder)
    (problem,) = found.problems
    assert str(folder / "aa.wav") in problem and "\n" not in problem
    assert len(found.samples) == 12_000 and list(found.lengths) == [4000, 0, 8000]
    assert [len(piece) for piece in found.files] == [4000, 8000]
    assert calls[-1] == (3, 3)
    again, calls = load(folder)
    assert not calls and again.problems == found.problems


def test_a_mended_file_joins_the_others(folder):
    empty(folder / "aa.wav")
    assert load(folder)[0].problems
    audio.write(folder / "aa.wav", np.ones(100) * 0.1, RATE)
    found, _ = load(folder)
    assert not found.problems and list(found.lengths) == [4000, 100, 8000]


def test_more_than_a_tenth_has_to_be_allowed_and_nothing_is_lost(folder):
    for name in ("a0.wav", "c0.wav"):
        empty(folder / name)
    with pytest.raises(bad_files.TooManyBadFiles) as raised:
        load(folder)
    assert "2 of 4 files cannot be used, more than a tenth; the first: " in str(
        raised.value
    )
    assert "a0.wav" in str(raised.value)
    found, calls = load(folder, allow_bad=True)
    assert calls == [] or calls[0][0] > 2, "what was decoded is not decoded again"
    assert len(found.problems) == 2 and len(found.samples) == 12_000
    with pytest.raises(bad_files.TooManyBadFiles):  # known without decoding
        load(folder)


def test_where_all_are_bad_the_first_is_named(tmp_path):
    place = tmp_path / "speech"
    place.mkdir()
    for name in "ab":
        empty(place / f"{name}.wav")
    with pytest.raises(InputError, match=r"none of its 2 files can be used; .*a\.wav"):
        load(place, allow_bad=True)


def test_what_is_decoded_survives_an_interruption(folder, monkeypatch):
    whole = load(folder)[0].samples.copy()
    audio.write(folder / "c.wav", np.ones(100) * 0.1, RATE)
    read = audio.read

    def interrupted(path):
        if path.name == "c.wav":
            raise KeyboardInterrupt
        return read(path)

    monkeypatch.setattr(audio, "read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load(folder)
    # and what was cut short by a kill is decoded again
    (journal,) = (folder.parent / "cache").glob("*.journal.jsonl")
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) == 2 and json.loads(lines[1])["samples"] == 8000
    journal.write_bytes(lines[0] + lines[1][:-4])
    monkeypatch.setattr(audio, "read", read)
    found, calls = load(folder)
    assert calls == [(2, 3), (3, 3)]
    np.testing.assert_array_equal(found.samples[:12_000], whole)
    assert len(found.samples) == 12_100
    left = sorted(path.suffix for path in (folder.parent / "cache").iterdir())
    assert left == [".npy"] * 4


@pytest.mark.parametrize("count", [0, 64, 1000])
def test_an_array_that_was_cut_short_is_decoded_again(folder, count):
    whole = load(folder)[0].samples.copy()
    path = next(p for p in (folder.parent / "cache").iterdir() if p.stem.isalnum())
    path.write_bytes(path.read_bytes()[:count])
    found, calls = load(folder)
    assert len(calls) == 2
    np.testing.assert_array_equal(found.samples, whole)
