"""One bad file never stops a job: it is named in one line, the others are done."""

import csv
import os

import numpy as np
import pytest
import soundfile
from conftest import CLIPS, COMPILED, in_process, run_script
from toy_training import HYPERSOUND

from inr_jax import audio
from inr_jax.data import bad_files, datasets
from inr_jax.data.noise import Condition
from inr_jax.errors import InputError
from inr_jax.training import validation

RATE, COUNT = 16_000, 16_000


def sound(count=COUNT, seed=0):
    return 0.1 * np.random.default_rng(seed).standard_normal(count)


def put(path, samples, rate=RATE, subtype="FLOAT"):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype)
    return path


def with_nan(path):
    samples = sound()
    samples[7] = np.nan
    put(path, samples)


def cut(path):
    data = put(path, sound()).read_bytes()
    path.write_bytes(data[:30])


BAD = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("not sound"),
    "nan": with_nan,
    "header": lambda path: put(path, np.zeros(0)),
    "cut": cut,
    "nowhere": lambda path: path.symlink_to(path.with_name("nowhere.wav")),
    "loud": lambda path: put(path, np.full(100, 1e30), subtype="DOUBLE"),
}
PAIRS = {  # the noisy file of a pair that cannot be scored
    "3 samples": lambda path: put(path, sound()[:-3]),
    "rate": lambda path: put(path, sound(), 8_000),
    "channels": lambda path: put(path, np.stack([sound()] * 2, 1)),
    "none": lambda path: None,
    **{name: BAD[name] for name in ("empty", "nan", "header", "nowhere")},
}


def evaluate(folder, *flags, expect=2):
    flags = (*flags, f"--output_dir={folder}", "--methods=noisy,lowpass")
    done = run_script(
        "evaluate.py", *flags, "--compilation_cache=", "--noreport", expect=expect
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    if not (folder / "scores.csv").exists():
        return [], lines
    with open(folder / "scores.csv") as file:
        return [row["clip"] for row in csv.DictReader(file)], lines


@pytest.mark.parametrize("kind", PAIRS)
def test_a_pair_that_cannot_be_scored_is_named(tmp_path, kind):
    for name, seed in (("a", 1), ("b", 2), ("c", 3)):
        for side in ("clean", "noisy"):
            put(tmp_path / side / f"{name}.wav", sound(seed=seed))
    path = tmp_path / "noisy" / "b.wav"
    path.unlink()
    PAIRS[kind](path)
    clips, (line,) = evaluate(tmp_path / "out", f"--pairs_dir={tmp_path}")
    assert clips == ["a", "c"] * 2
    assert "b.wav" in line
    if kind == "3 samples":
        assert "15997" in line and "16000" in line
    if kind == "none":
        assert "no file of this name in noisy/" in line


def test_a_bad_clip_among_clean_ones(tmp_path):
    put(tmp_path / "in" / "a.wav", sound())
    put(tmp_path / "in" / "one sample.wav", sound(1))
    put(tmp_path / "in" / "zeros.wav", np.zeros(COUNT))
    for name, make in BAD.items():
        make(tmp_path / "in" / f"{name}.wav")
    clips, lines = evaluate(tmp_path / "out", f"--clean_dir={tmp_path / 'in'}")
    # too short for some metrics: they have no value, the others do
    assert clips == ["a", "one sample", "zeros"] * 2
    assert len(lines) == len(BAD)
    for name in BAD:
        assert sum(f"{name}.wav: " in line for line in lines) == 1


def test_where_no_clip_can_be_used_the_first_is_named(tmp_path):
    (tmp_path / "in").mkdir()
    for name, make in BAD.items():
        make(tmp_path / "in" / f"{name}.wav")
    clips, (line,) = evaluate(tmp_path / "out", f"--clean_dir={tmp_path / 'in'}")
    assert not clips and "no clip could be used; the first: " in line
    assert "cut.wav" in line


NOISE = {
    **{name: BAD[name] for name in ("empty", "nan", "header", "text")},
    "silent": lambda path: put(path, np.zeros(COUNT)),
}


@pytest.mark.parametrize("kind", NOISE)
def test_a_bad_recording_of_noise_is_passed_over(tmp_path, kind):
    for name in "abc":
        put(tmp_path / "in" / f"{name}.wav", sound())
    put(tmp_path / "noise" / "good.wav", sound(seed=9))
    NOISE[kind](tmp_path / "noise" / "bad.wav")
    flags = (f"--clean_dir={tmp_path / 'in'}", f"--noise={tmp_path / 'noise'}")
    clips, (line,) = evaluate(tmp_path / "out", *flags, "--snr_db=0,5")
    assert clips == ["a", "b", "c"] * 4 and "bad.wav: " in line


def test_noise_is_never_digital_silence(tmp_path):
    """Of a recording that is silent for long, the sound is taken."""
    samples = np.zeros(20 * COUNT)
    samples[-COUNT:] = sound(seed=9)
    put(tmp_path / "noise" / "late.wav", samples)
    recordings = datasets.NoiseRecordings(datasets.find_clips(tmp_path / "noise"))
    put(tmp_path / "in" / "a.wav", sound(2000))
    (clip,) = datasets.find_clips(tmp_path / "in")
    for seed in range(5):
        condition = Condition("noise", 3.0, seed)
        example = datasets.load(clip, condition, recording=recordings.at(seed))
        ratio = np.sum(example.clean**2) / np.sum((example.noisy - example.clean) ** 2)
        assert 10 * np.log10(ratio) == pytest.approx(3, abs=0.01)
    with pytest.raises(InputError, match="none of 1 recordings of noise"):
        put(tmp_path / "noise" / "late.wav", np.zeros(9))
        datasets.NoiseRecordings(recordings.clips).at(0)


def test_many_problems_are_a_few_lines(tmp_path):
    put(tmp_path / "in" / "a.wav", sound())
    for i in range(50):
        (tmp_path / "in" / f"bad {i}.wav").write_bytes(b"")
    _, lines = evaluate(tmp_path / "out", f"--clean_dir={tmp_path / 'in'}")
    assert len(lines) == 21 and "30 more problems like these" in lines[-1]


@pytest.mark.parametrize("name", ["a.raw", "a.pcm", "a.txt", "a", "a.wav", "a.flac"])
def test_one_file_that_is_no_sound_is_one_line(tmp_path, name):
    (tmp_path / name).write_bytes(bytes(range(256)) * 16)
    out = tmp_path / "out.wav"
    flags = (str(tmp_path / name), f"--output={out}", "--method=noisy")
    done = run_script("denoise.py", *flags, expect=2)
    (line,) = (x for x in done.stderr.splitlines() if x.startswith("error: "))
    assert name in line and not out.exists()


def test_a_bad_file_in_a_folder_costs_no_other(tmp_path):
    put(tmp_path / "in" / "a.wav", sound())
    for name, make in BAD.items():
        make(tmp_path / "in" / f"{name}.wav")
    (tmp_path / "in" / "b.raw").write_bytes(bytes(1000))
    flags = (str(tmp_path / "in"), f"--output={tmp_path / 'out'}", "--method=noisy")
    done = run_script("denoise.py", *flags, expect=2)
    lines = [x for x in done.stderr.splitlines() if x.startswith("error: ")]
    assert len(lines) == len(BAD) + 1
    assert sum("b.raw" in line for line in lines) == 1
    assert (tmp_path / "out" / "a.wav").exists()


@pytest.fixture
def validated(tmp_path):
    for i in range(12):
        put(tmp_path / "clean" / f"{i:02d}.wav", sound(seed=i))
        put(tmp_path / "noise" / f"{i:02d}.wav", sound(seed=i + 20))
    return tmp_path


@pytest.mark.parametrize("kind", [*BAD, "silent"])
def test_a_bad_clip_or_noise_of_the_validation_is_left_out(validated, kind):
    make = {**BAD, **NOISE}[kind]
    for path in (validated / "clean" / "03.wav", validated / "noise" / "04.wav"):
        path.unlink()
        make(path)
    examples, problems = validation.examples(
        validated / "clean", validated / "noise", RATE
    )
    of_clip, of_noise = problems
    assert "clean/03.wav: " in of_clip and "noise/04.wav: " in of_noise
    assert len(examples) == 2 * 11
    assert "03" not in {example.name for example in examples}


def test_too_many_bad_clips_of_the_validation_have_to_be_allowed(validated):
    for i in (3, 5):
        (validated / "clean" / f"{i:02d}.wav").write_bytes(b"")
    with pytest.raises(bad_files.TooManyBadFiles, match=r"2 of 12 .*03\.wav"):
        validation.examples(validated / "clean", None, RATE)
    examples, problems = validation.examples(
        validated / "clean", None, RATE, allow_bad=True
    )
    assert len(examples) == 10 and len(problems) == 2


def flags_of_training(main, *flags):
    """Runs `main` with the flags of a training; gives its exit code and stderr."""

    def command():
        from inr_jax.cli import app
        from inr_jax.cli.flags import training

        app.run(lambda: main(training))

    done = in_process(command, "train", *flags)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("num_bad", "allowed", "expected"),
    [(0, False, 0), (1, False, 2), (1, True, 0), (3, False, 2), (3, True, 0)],
)
def test_a_training_tells_of_bad_files_and_asks(tmp_path, num_bad, allowed, expected):
    for i in range(8):
        put(tmp_path / "in" / f"{i}.wav", sound(400))
    for i in range(num_bad):
        (tmp_path / "in" / f"bad {i}.wav").write_bytes(b"")
    flags = [f"--speech_dirs={tmp_path / 'in'}", f"--cache_dir={tmp_path / 'cache'}"]
    flags += ["--allow_bad_files"] if allowed else []

    def main(training):
        sound = training.Sound(tmp_path, RATE)
        sound.decoded(training.SPEECH_DIRS.value[0])
        return sound.exit_code

    code, err = flags_of_training(main, *flags)
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert code == expected
    if num_bad == 3 and not allowed:
        (line,) = lines
        assert "more than a tenth" in line and "bad 0.wav" in line
        assert line.endswith("--allow_bad_files trains with the others")
    else:
        assert len(lines) == num_bad


@pytest.mark.slow
def test_a_training_ends_with_a_bad_file_in_every_folder(tmp_path):
    for name in ("speech", "noise", "valid"):
        (tmp_path / name).mkdir()
        for clip in ("forecast", "letter"):
            path = CLIPS / f"{clip}.flac"
            (tmp_path / name / path.name).write_bytes(path.read_bytes())
        BAD["nan"](tmp_path / name / "bad.wav")
    done = run_script(
        "train_hypersound.py",
        *HYPERSOUND,
        f"--compilation_cache={COMPILED}",
        f"--speech_dirs={tmp_path / 'speech'}",
        f"--noise_dir={tmp_path / 'noise'}",
        f"--valid_dir={tmp_path / 'valid'}",
        f"--output_dir={tmp_path / 'out'}",
        expect=2,
    )
    assert (tmp_path / "out" / "model" / "weights.safetensors").exists()
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 3 and all("bad.wav: holds NaN" in line for line in lines)


def test_a_sweep_leaves_out_bad_clips_and_other_rates(tmp_path):
    from inr_jax.evaluation import sweep
    from inr_jax.evaluation.source import Source

    for name in "abc":
        put(tmp_path / f"{name}.wav", sound(800))
    put(tmp_path / "other.wav", sound(800), 8_000)
    for name, make in BAD.items():
        make(tmp_path / f"{name}.wav")
    clips = datasets.find_clips(tmp_path)
    examples, problems = sweep.load(Source(clips), Condition("white", 0.0, 0))
    assert [example.name for example in examples] == ["a", "b", "c"]
    assert len(problems) == len(BAD) + 1
    assert "other: 8000 Hz, but most clips have 16000 Hz" in problems[-1]
    bad = [clip for clip in clips if clip.name in BAD]
    with pytest.raises(
        InputError, match=r"no clip could be used; the first: .*cut\.wav"
    ):
        sweep.load(Source(bad), Condition("white", 0.0, 0))


def test_a_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    """Root may read everything: the system is made to refuse."""
    put(tmp_path / "a.wav", sound(10))
    put(tmp_path / "closed" / "b.wav", sound(10))
    scandir = os.scandir

    def refusing(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    found = datasets.find(tmp_path)
    assert [clip.name for clip in found.clips] == ["a"]
    assert found.problems == [
        f"{tmp_path}: left out folders that may not be read: closed"
    ]
    assert audio.read(tmp_path / "a.wav").num_samples == 10
