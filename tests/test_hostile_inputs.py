"""Whatever lies in a folder: correct output or one line, never a traceback or a hang."""

import contextlib
import io
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from conftest import run_script

from inr_jax import audio
from inr_jax.enhancement import files
from inr_jax.errors import InputError

RATE, COUNT = 16_000, 8000


def sound(count=COUNT, channels=1, burst=500):
    """Bursts that a denoiser keeps, and little between them."""
    rng = np.random.default_rng(0)
    loud = np.arange(count) // burst % 4 == 0
    samples = 0.2 * rng.standard_normal((count, channels))
    return np.where(loud[:, None], samples, 0.01 * samples)


def encoded(samples, rate=RATE, form="WAV", subtype=None):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype, format=form)
    return file.getvalue()


def with_number(data, at, number, size=4):
    """A WAV file, a number of its header changed."""
    return data[:at] + number.to_bytes(size, "little") + data[at + size :]


def with_bad(value):
    samples = sound()
    samples[7] = value
    return encoded(samples, subtype="DOUBLE")


def flac_of(num_samples):
    """A FLAC file whose header declares another length, 36 bits."""
    data = bytearray(encoded(sound(), form="FLAC"))
    data[21:26] = (data[21] >> 4 << 36 | num_samples).to_bytes(5, "big")
    return bytes(data)


def cut(form, count=32_000):
    data = encoded(sound(count), form=form)
    return data[: len(data) // 2]


WAV = encoded(sound())
SIZE, CHANNELS, RATE_AT = 40, 22, 24  # where a WAV header has them
REFUSED = {
    "empty.wav": (b"", "it is empty"),
    "no samples.wav": (encoded(sound(0)), "holds no samples"),
    "header.wav": (WAV[:30], "cannot read"),
    "text.wav": (b"not sound", "Format not recognised"),
    "nan.wav": (with_bad(np.nan), "NaN or infinite"),
    "inf.wav": (with_bad(np.inf), "NaN or infinite"),
    "beyond float32.wav": (with_bad(1e300), "NaN or infinite"),
    "beyond sound.wav": (with_bad(1e30), "above 1e+12 times full scale"),
    "says 0 channels.wav": (with_number(WAV, CHANNELS, 0, 2), "Channel count is zero"),
    "says 0 Hz.wav": (with_number(WAV, RATE_AT, 0), "cannot read"),
    "says 1 Hz.wav": (with_number(WAV, RATE_AT, 1), "1 Hz is outside of 100"),
    "says GHz.wav": (with_number(WAV, RATE_AT, 2**31 - 1), "is outside of 100"),
    "cut.ogg": (cut("OGG", 4000), "file is malformed"),
}
DONE = {  # with the shape and rate of the output
    "one sample.wav": (encoded(sound(1)), (1, 1), RATE),
    "zeros.wav": (encoded(np.zeros(COUNT)), (COUNT, 1), RATE),
    "constant.wav": (encoded(np.full(COUNT, 0.5)), (COUNT, 1), RATE),
    "clipped.wav": (encoded(np.clip(9 * sound(), -1, 1)), (COUNT, 1), RATE),
    "8 kHz.wav": (encoded(sound(), 8000), (COUNT, 1), 8000),
    "192 kHz.wav": (encoded(sound(60_000, burst=5000), 192_000), (60_000, 1), 192_000),
    "24 bits.wav": (encoded(sound(), subtype="PCM_24"), (COUNT, 1), RATE),
    "float64.wav": (encoded(sound(), subtype="DOUBLE"), (COUNT, 1), RATE),
    "8 channels.flac": (encoded(sound(COUNT, 8), form="FLAC"), (COUNT, 8), RATE),
    "says 2 GB.wav": (with_number(WAV, SIZE, 2**31 - 2), (COUNT, 1), RATE),
    "says streamed.wav": (with_number(WAV, SIZE, 2**32 - 1), (COUNT, 1), RATE),
    "says 6000 samples.wav": (with_number(WAV, SIZE, 12_000), (COUNT, 1), RATE),
    "says 0 samples.wav": (with_number(WAV, SIZE, 0), (COUNT, 1), RATE),
    "no length.flac": (flac_of(0), (COUNT, 1), RATE),
    "endless.flac": (flac_of(2**36 - 1), (COUNT, 1), RATE),
    "two\nlines.wav": (WAV, (COUNT, 1), RATE),
    os.fsdecode(b"\xff\xfe.wav"): (WAV, (COUNT, 1), RATE),
}
TINY = 60  # ten thousand take minutes
STRANGE = {
    "broken link.wav": "no such file",
    "link to itself.wav": "no such file",
    "pipe.wav": "is a device or a pipe",
}


def denoise(*args):
    """Runs the command; an exception fails."""
    done = run_script("denoise.py", *args, "--method=wiener", expect=None)
    assert done.returncode in (0, 2)
    errors = [x for x in done.stderr.splitlines() if x.startswith("error: ")]
    assert bool(errors) == (done.returncode == 2)
    return errors


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """All of them in one folder: folder, output folder, lines of errors."""
    folder, out = (tmp_path_factory.mktemp(name) for name in ("in", "out"))
    for name, (data, *_) in {**REFUSED, **DONE}.items():
        (folder / name).write_bytes(data)
    (folder / "folder.wav").mkdir()
    (folder / "tiny").mkdir()
    for i in range(TINY):
        (folder / "tiny" / f"{i}.wav").write_bytes(encoded(sound(160)))
    (folder / "broken link.wav").symlink_to(folder / "nowhere")
    (folder / "link to itself.wav").symlink_to(folder / "link to itself.wav")
    os.mkfifo(folder / "pipe.wav")
    return folder, out, denoise(str(folder), f"--output={out}")


@pytest.mark.parametrize("name", [*REFUSED, *STRANGE])
def test_what_is_no_sound_is_named_in_one_line(run, name):
    folder, out, errors = run
    message = STRANGE.get(name) or REFUSED[name][1]
    (line,) = (line for line in errors if str(folder / name) in line)
    assert message in line
    assert not (out / name).exists()


@pytest.mark.parametrize("name", DONE)
def test_what_is_sound_is_denoised(run, name):
    folder, out, _ = run
    _, shape, rate = DONE[name]
    before, after = audio.read(folder / name), audio.read(out / name)
    assert after.samples.shape == shape
    assert (after.sample_rate, after.subtype) == (rate, before.subtype)
    levels = [np.sqrt(np.mean(x.samples**2)) for x in (before, after)]
    if name in ("zeros.wav", "constant.wav", "one sample.wav"):  # no speech to keep
        assert levels[1] <= levels[0]
    else:
        assert 0.7 < levels[1] / levels[0] <= 1.02


def test_nothing_else_is_said_or_left(run):
    _, out, errors = run
    assert len(errors) == len(REFUSED) + len(STRANGE)
    left = {path.name for path in out.iterdir()}
    assert left == {*DONE, "tiny", files.RECORD}
    tiny = {path.name for path in (out / "tiny").iterdir()}
    assert tiny == {*(f"{i}.wav" for i in range(TINY)), files.RECORD}
    assert len(audio.read(out / "tiny" / "0.wav").samples) == 160


def test_strange_things_by_name(run, tmp_path, monkeypatch):
    folder, _, _ = run
    for name in STRANGE:
        with pytest.raises(InputError, match="no such file"):
            files.jobs([str(folder / name)], str(tmp_path / "x.wav"), None)
    found, left_out = files.jobs([str(folder / "folder.wav")], str(tmp_path), None)
    assert not found and "folder.wav: no audio files" in left_out.problems[0]
    target = tmp_path / "under" / "a.wav"
    target.parent.touch()  # a file where a folder is needed
    with pytest.raises(InputError, match=r"a\.wav: cannot write: "):
        audio.write(target, sound(), RATE)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    assert denoise("-", f"--output={tmp_path / 'y.wav'}")
    assert list(tmp_path.iterdir()) == [target.parent]


@pytest.fixture
def small_disk(tmp_path):
    """A folder that holds 64 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    with contextlib.suppress(OSError):
        if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
            yield place
            subprocess.run(["umount", str(place)], check=True)
            return
    pytest.skip("may not mount a small disk")


def test_a_full_disk(small_disk, tmp_path):
    (small_disk / "full").write_bytes(bytes(11 * 4096))
    audio.write(tmp_path / "in" / "a.wav", sound(20_000), RATE)
    # fits, its record does not
    audio.write(tmp_path / "in" / "b.wav", sound(10_000), RATE)
    args = (str(tmp_path / "in"), f"--output={small_disk}/", "--method=wiener")
    first, *others = run_script("denoise.py", *args, expect=2).stderr.splitlines()
    assert "a.wav: cannot write: No space left on device" in first
    (second,) = (line for line in others if "not noted as done" in line)
    assert "b.wav: is whole" in second and "No space left" in second
    left = {path.name for path in small_disk.iterdir()}
    assert left == {"full", "b.wav", files.RECORD}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_that_may_not_be_read_or_written(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(WAV)
    path.chmod(0)
    (line,) = denoise(str(path), f"--output={tmp_path / 'b.wav'}")
    assert "a.wav: cannot read: Permission denied" in line
    path.chmod(0o600)
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    (line,) = denoise(str(path), f"--output={locked / 'b.wav'}")
    assert "b.wav: cannot write: Permission denied" in line
