import io

import numpy as np
import pytest
import soundfile

from inr_jax import audio, metrics
from inr_jax.errors import InputError

RATE = 16_000


def sound(num_samples=4000, channels=1, seed=0):
    x = np.random.default_rng(seed).uniform(-0.9, 0.9, (num_samples, channels))
    return np.float32(x)


@pytest.mark.parametrize(
    "ending, subtype",
    [
        ("wav", "PCM_16"),
        ("wav", "PCM_24"),
        ("wav", "FLOAT"),
        ("flac", "PCM_16"),
        ("aiff", "PCM_16"),
    ],
)
@pytest.mark.parametrize("rate, channels", [(8000, 1), (44_100, 2), (192_000, 5)])
def test_what_went_in_comes_out(tmp_path, ending, subtype, rate, channels):
    """Written, read and written again: the same samples, bit for bit."""
    path = tmp_path / f"x.{ending}"
    assert audio.write(path, sound(999, channels), rate, subtype) == 0
    first = audio.read(path)
    assert first.samples.shape == (999, channels) and first.samples.dtype == np.float32
    assert (first.sample_rate, first.subtype) == (rate, subtype)
    np.testing.assert_allclose(first.samples, sound(999, channels), atol=2**-15)
    audio.write(path, first.samples, first.sample_rate, first.subtype)
    np.testing.assert_array_equal(audio.read(path).samples, first.samples)


@pytest.mark.parametrize("ending", ["ogg", "mp3", "opus"])
def test_lossy_formats_keep_length_and_lag(tmp_path, speech, ending):
    path = tmp_path / f"x.{ending}"
    audio.write(path, speech, RATE)
    back = audio.read(path).samples[:, 0]
    assert len(back) == len(speech)
    assert metrics.lag(speech, back, RATE) == 0


def test_long_vorbis(tmp_path):
    """libsndfile's encoder crashes where it is given so much at once."""
    path, count = tmp_path / "x.ogg", 4_000_000
    audio.write(path, np.zeros(count, np.float32), RATE)
    assert len(audio.read(path).samples) == count


def test_integers_saturate_and_are_counted(tmp_path):
    loud = np.array([0.0, 1.5, -1.5, 0.5, -1.0])
    assert audio.write(tmp_path / "x.wav", loud, RATE, "PCM_16") == 2
    back = audio.read(tmp_path / "x.wav").samples[:, 0]
    np.testing.assert_allclose(back, [0, 1, -1, 0.5, -1], atol=2**-15)
    assert audio.write(tmp_path / "x.wav", loud, RATE, "FLOAT") == 0
    np.testing.assert_array_equal(audio.read(tmp_path / "x.wav").samples[:, 0], loud)


@pytest.mark.parametrize(
    "subtype", ["ULAW", "ALAW", "IMA_ADPCM", "MS_ADPCM", "GSM610", "NMS_ADPCM_32"]
)
def test_what_is_too_loud_for_a_codec_does_not_wrap_around(tmp_path, subtype):
    square = np.float32(1.02 * np.sign(np.sin(np.arange(8000) * np.pi / 50 + 0.01)))
    assert audio.write(tmp_path / "x.wav", square, 8000, subtype) == len(square)
    back = audio.read(tmp_path / "x.wav").samples[:8000, 0]
    assert np.mean(np.sign(back) == np.sign(square)) > 0.9


@pytest.mark.parametrize("ending", ["ogg", "opus", "mp3", "mka", "ac3", "eac3"])
def test_what_codecs_of_floats_hold_is_not_called_clipped(tmp_path, ending):
    loud = 1.5 * np.sin(np.arange(16_000) * 0.1)
    assert audio.write(tmp_path / f"x.{ending}", loud, RATE) == 0
    assert np.max(audio.read(tmp_path / f"x.{ending}").samples[4000:-4000]) > 1.2


def test_reads_open_files_and_arrays(tmp_path):
    audio.write(tmp_path / "x.wav", sound(), RATE, "FLOAT")
    in_memory = io.BytesIO((tmp_path / "x.wav").read_bytes())
    for source in (tmp_path / "x.wav", str(tmp_path / "x.wav"), in_memory):
        np.testing.assert_array_equal(audio.read(source).samples, sound())
    for array in (sound()[:, 0], sound(), np.float64(sound())):
        np.testing.assert_array_equal(audio.read(array, RATE).samples, sound())
    integers = np.array([-32768, 0, 16384], np.int16)
    np.testing.assert_array_equal(
        audio.read(integers, RATE).samples[:, 0], [-1, 0, 0.5]
    )


@pytest.mark.parametrize("to_rate", [8000, 22_050, 48_000])
def test_resampling_there_and_back(speech, to_rate):
    """Band-limited speech keeps level, length and lag."""
    speech = audio.resample(audio.resample(speech, RATE, 6000), 6000, RATE)
    there = audio.resample(speech, RATE, to_rate)
    assert len(there) == pytest.approx(len(speech) * to_rate / RATE, abs=1)
    back = audio.resample(there, to_rate, RATE)[: len(speech)]
    middle = slice(1000, len(back) - 1000)
    assert metrics.snr(speech[: len(back)][middle], back[middle], RATE) > 60


@pytest.mark.parametrize("count, expected", [(147, 160), (44_100, 48_000)])
def test_resampled_lengths_are_exact(count, expected):
    resampled = audio.resample(np.ones(count, np.float32), 44_100, 48_000)
    assert len(resampled) == expected and resampled[-1] > 0.5


@pytest.mark.slow  # its first import compiles for long
@pytest.mark.parametrize("rates", [(16_000, 44_100), (22_050, 16_000), (8000, 8001)])
def test_resampling_is_that_of_librosa(rates):
    import librosa

    samples = sound(3001, 2)[::-1]
    kwargs = dict(zip(("orig_sr", "target_sr"), rates, strict=True))
    expected = librosa.resample(samples, **kwargs, res_type="soxr_hq", axis=0)
    np.testing.assert_allclose(audio.resample(samples, *rates), expected, atol=1e-6)
    np.testing.assert_allclose(
        audio.resample(samples[:, 1], *rates), expected[:, 1], atol=1e-6
    )


@pytest.mark.parametrize(
    "array, rate, message",
    [
        (np.zeros((2, 4000)), RATE, "transpose"),
        (np.zeros((2, 3, 4)), RATE, r"\(2, 3, 4\)"),
        (np.zeros(0), RATE, "no samples"),
        (np.array([0, np.inf]), RATE, "NaN or infinite"),
        (np.zeros(9), None, "sample_rate"),
        (np.zeros(9), "16k", "must be a positive whole number, got .16k."),
        (np.zeros(9), 16000.5, "sample_rate"),
        (np.zeros(9, bool), RATE, "bool"),
    ],
)
def test_bad_arrays_are_named(array, rate, message):
    with pytest.raises(InputError, match=message):
        audio.read(array, rate)


def test_bad_files_are_named_in_one_line(tmp_path):
    text = tmp_path / "text.wav"
    text.write_text("not sound")
    empty = tmp_path / "empty.flac"
    empty.touch()
    none = tmp_path / "none.wav"
    soundfile.write(none, np.zeros(0), RATE)
    folder = tmp_path / "folder.wav"
    folder.mkdir()
    for path in (text, empty, none, folder, tmp_path / "absent.wav"):
        with pytest.raises(InputError) as error:
            audio.read(path)
        assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "x.wav"
    audio.write(path, sound(), RATE)
    before = path.read_bytes()
    with pytest.raises(InputError, match="x.wav"):
        audio.write(path, sound(10, 2000), RATE)
    with pytest.raises(InputError, match=r"\.xyz"):
        audio.write(tmp_path / "y.xyz", sound(), RATE)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x.wav"]
