import numpy as np
import pytest
import soundfile

from inr_jax import audio
from inr_jax.data import datasets, noise
from inr_jax.data.noise import Condition
from inr_jax.errors import InputError

RATE = 16_000
WHITE, RECORDED = Condition("white", 0.0, 1), Condition("as recorded", None, 0)


def put(path, num_samples=800, seed=0, rate=RATE, channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    x = np.random.default_rng(seed).uniform(-0.5, 0.5, (num_samples, channels))
    soundfile.write(path, x, rate)
    return path


def test_librispeech_tree_gives_names(tmp_path):
    for speaker, chapter, number in [
        (84, 121123, 1),
        (84, 121123, 0),
        (1272, 128104, 3),
    ]:
        name = f"{speaker}-{chapter}-{number:04d}.flac"
        put(tmp_path / "dev-clean" / str(speaker) / str(chapter) / name)
    (tmp_path / "dev-clean" / "84" / "121123" / "84-121123.trans.txt").write_text("A")
    clips = datasets.find_clips(tmp_path)
    assert [clip.name for clip in clips] == [
        "1272-128104-0003",
        "84-121123-0000",
        "84-121123-0001",
    ]


def test_any_folder_gives_unique_names(tmp_path):
    for name in ("a.wav", "a.flac", "sub/a.wav", ".hidden.wav", "b.WAV"):
        put(tmp_path / name)
    names = [clip.name for clip in datasets.find_clips(tmp_path)]
    assert names == ["a", "a.wav", "b", "sub/a"]


def test_folders_without_audio_are_named(tmp_path):
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(InputError, match="no audio"):
        datasets.find_clips(tmp_path)
    with pytest.raises(InputError, match="absent: no such folder"):
        datasets.find_clips(tmp_path / "absent")


def test_choice_is_seeded_and_in_order(tmp_path):
    clips = [datasets.Clip(str(i), tmp_path) for i in range(50)]
    drawn = datasets.choose(clips, 10, seed=1)
    assert drawn == datasets.choose(clips, 10, seed=1) != datasets.choose(clips, 10, 2)
    assert [int(c.name) for c in drawn] == sorted({int(c.name) for c in drawn})
    assert datasets.choose(clips, None, 0) == datasets.choose(clips, 99, 0) == clips


def test_noise_is_added_at_a_level_from_a_seed(tmp_path):
    path = put(tmp_path / "x.wav", 1600, channels=2)
    (clip,) = datasets.find_clips(tmp_path)
    example = datasets.load(clip, Condition("white", 5, 7), max_seconds=0.05)
    assert example.clean.shape == example.noisy.shape == (800, 2)
    np.testing.assert_array_equal(example.clean, audio.read(path).samples[:800])
    again = noise.add_white(example.clean, noise.clip_seed(7, "x"), snr_db=5)
    np.testing.assert_array_equal(example.noisy, again)


def test_a_clip_gets_the_same_noise_whatever_is_beside_it(tmp_path):
    put(tmp_path / "x.wav")
    alone = datasets.load(datasets.find_clips(tmp_path)[0], WHITE)
    put(tmp_path / "a.wav", seed=5)
    beside = datasets.load(datasets.find_clips(tmp_path)[1], WHITE)
    np.testing.assert_array_equal(alone.noisy, beside.noisy)


def test_pairs_meet_by_name_and_strays_are_told(tmp_path):
    put(tmp_path / "clean" / "a.wav", seed=1)
    put(tmp_path / "noisy" / "a.flac", seed=2)
    put(tmp_path / "clean" / "b.wav")
    put(tmp_path / "noisy" / "c.wav")
    (pair,), alone, _ = datasets.find_pairs(tmp_path)
    example = datasets.load(pair, RECORDED)
    np.testing.assert_array_equal(
        example.noisy, audio.read(tmp_path / "noisy" / "a.flac").samples
    )
    assert example.name == "a"
    assert ["b.wav" in alone[0], "c.wav" in alone[1], len(alone)] == [True, True, 2]


@pytest.mark.parametrize(
    "other, message",
    [
        ({"rate": 8000}, "8000 Hz"),
        ({"num_samples": 801}, "801"),
        ({"channels": 2}, "2"),
    ],
)
def test_pairs_that_differ_are_refused_with_both_sides(tmp_path, other, message):
    put(tmp_path / "clean" / "a.wav")
    put(tmp_path / "noisy" / "a.wav", **other)
    (pair,), *_ = datasets.find_pairs(tmp_path)
    with pytest.raises(InputError, match=message):
        datasets.load(pair, RECORDED)


def test_the_beginning_may_be_longer_than_the_clip():
    clip = audio.Recording(np.zeros((800, 1), np.float32), 16_000)
    lengths = {0.0001: 2, 0.00001: 1, 0.05: 800, 1.0: 800, 1e308: 800}
    for seconds, count in lengths.items():
        assert len(datasets.beginning(clip, seconds).samples) == count


def test_pairs_without_a_common_name(tmp_path):
    put(tmp_path / "clean" / "a.wav")
    put(tmp_path / "noisy" / "b.wav")
    with pytest.raises(InputError, match="same name"):
        datasets.find_pairs(tmp_path)
