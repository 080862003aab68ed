"""The script end to end at toy size, as a user runs it."""

import csv
import json
import os
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest
import soundfile
from conftest import CLIPS, REPOSITORY, run_process, run_script

from inr_jax.configs.fitting import FitConfig, SirenConfig
from inr_jax.fitting import batch, clip_fit

SCRIPT = REPOSITORY / "experiments" / "fit_siren.py"
TOY = ("--width=8", "--depth=1", "--num_steps=3", "--max_seconds=0.8")
TOY += ("--compilation_cache=",)


def run(*flags, expect=0):
    return run_script("fit_siren.py", *TOY, *flags, expect=expect)


def rows(folder, name="scores.csv"):
    """But for the time that they took."""
    with open(folder / name, newline="") as file:
        return [{**row, "work_s": ""} for row in csv.DictReader(file)]


@pytest.fixture
def clean_dir(tmp_path):
    """Two clips: a mono one, and a stereo one at 8 kHz in another format."""
    folder = tmp_path / "clean"
    folder.mkdir()
    speech = soundfile.read(CLIPS / "letter.flac")[0][8000:24_000]
    soundfile.write(folder / "one.flac", speech, 16_000)
    soundfile.write(folder / "two.wav", np.c_[speech, 0.5 * speech][::2], 8000)
    return folder


def test_from_clips_to_table_and_on_after_an_interruption(tmp_path, clean_dir):
    out = tmp_path / "out"
    flags = (f"--clean_dir={clean_dir}", f"--output_dir={out}")
    done = run(*flags, "--seed=3")
    scores = rows(out)
    assert [r["method"] for r in scores if r["clip"] == "one"] == [
        *("noisy", "silence", "lowpass", "siren")
    ]
    assert len(scores) == 8 and all(r["seed"] == "3" for r in scores)
    assert all(np.isfinite(float(r["si_sdr"])) for r in scores)
    assert {r["lag"] for r in scores if r["method"] == "lowpass"} == {"0.0"}
    for method in ("noisy", "silence", "lowpass", "siren"):
        assert f"| {method} |" in done.stdout
    assert "Over 2 clips" in done.stdout
    assert (out / "table.md").read_text() in done.stdout
    manifest = json.loads((out / "manifest.json").read_text())
    assert [line["clip"] for line in manifest["clips"]] == ["one", "two"]
    assert manifest["flags"]["snr_db"] == 0
    config = json.loads((out / "config.json").read_text())
    assert config["methods"]["siren"]["siren"]["width"] == 8
    for name, shape, rate in (("one", (12_800,), 16_000), ("two", (6400, 2), 8000)):
        for signal in ("clean", "noisy", "siren"):
            samples, found = soundfile.read(out / "clips" / name / f"{signal}.wav")
            assert (samples.shape, found) == (shape, rate)
        for figure in ("mel", "waveform"):
            png = (out / "clips" / name / f"{figure}.png").read_bytes()
            assert png.startswith(b"\x89PNG")
        fits = [
            clip_fit.load_fit(path)
            for path in sorted((out / "clips" / name).glob("*.s*"))
        ]
        estimates = np.stack([fit.estimate for fit in fits], axis=1).squeeze()
        kept = soundfile.read(out / "clips" / name / "siren.wav")[0]
        np.testing.assert_allclose(estimates, kept, atol=1e-5)
    assert not (out / "unfinished").exists()

    # Half of it lost: only the missing clip is done again, with the same result.
    before = (out / "rows.jsonl").read_text()
    with open(out / "rows.jsonl", "w") as file:
        file.write("".join(x for x in before.splitlines(True) if '"two"' not in x))
    again = run(*flags, "--seed=3")
    assert "1 of 2 clips are done already" in again.stdout
    assert rows(out) == scores
    assert "2 of 2 clips" in run(*flags, "--seed=3").stdout

    refused = run(*flags, "--seed=4", expect=2)
    assert "seed = 3, not 4" in refused.stderr


def test_pairs(tmp_path, clean_dir):
    shutil.copytree(clean_dir, tmp_path / "noisy")
    out = tmp_path / "out"
    run(f"--pairs_dir={tmp_path}", f"--output_dir={out}", "--max_clips=1")
    noisy = rows(out)[0]
    assert float(noisy["ssnr"]) == 35 and noisy["si_sdr"] == "inf"


def test_bad_pairs_are_named_and_the_others_are_done(tmp_path, clean_dir):
    noisy_dir, out = tmp_path / "noisy", tmp_path / "out"
    good = soundfile.read(clean_dir / "one.flac")[0]
    bad = {"empty": None, "half": good, "nan": np.r_[good[:-1], np.nan]}
    bad["shorter"] = good[:-3]
    shutil.copytree(clean_dir, noisy_dir)
    for name, samples in bad.items():
        soundfile.write(clean_dir / f"{name}.wav", good, 16_000, "FLOAT")
        path = noisy_dir / f"{name}.wav"
        path.touch()
        if samples is not None:
            soundfile.write(path, samples, 16_000, "FLOAT")
    content = (noisy_dir / "half.wav").read_bytes()
    (noisy_dir / "half.wav").write_bytes(content[: len(content) // 2])
    done = run(f"--pairs_dir={tmp_path}", f"--output_dir={out}", expect=2)
    errors = [x for x in done.stderr.splitlines() if x.startswith("error")]
    assert len(errors) == len(bad)
    for line, name in zip(errors, sorted(bad), strict=True):
        assert f"noisy/{name}.wav: " in line
    assert {row["clip"] for row in rows(out)} == {"one", "two"}


def test_an_unreadable_file_is_named_and_the_others_are_done(tmp_path, clean_dir):
    (clean_dir / "broken.wav").write_text("not sound")
    out = tmp_path / "out"
    done = run(f"--clean_dir={clean_dir}", f"--output_dir={out}", expect=2)
    (line,) = (x for x in done.stderr.splitlines() if x.startswith("error"))
    assert "broken.wav" in line
    assert {row["clip"] for row in rows(out)} == {"one", "two"}


@pytest.mark.slow
def test_a_fit_that_is_not_finite_stays_noisy(tmp_path):
    flags = ("--max_clips=1", "--learning_rate=1e30", "--max_seconds=0.5")
    done = run(f"--clean_dir={CLIPS}", *TOY, *flags, f"--output_dir={tmp_path}")
    assert "is not finite; it is not kept" in done.stderr
    (folder,) = (tmp_path / "clips").iterdir()
    noisy, estimate = (
        soundfile.read(folder / f"{name}.wav")[0] for name in ("noisy", "siren")
    )
    np.testing.assert_array_equal(noisy, estimate)
    assert not (folder / "fit.json").exists()


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--width=0"], "width must be at least 1"),
        (["--width=many"], "width"),
        (["--wdith=3"], "wdith"),
        (["--num_steps=-5"], "num_steps"),
        (["--snr_db=nan"], "snr_db"),
        (["--max_seconds=inf"], "max_seconds"),
        (["--seed=-1"], "seed"),
        (["--learning_rate=nan"], "learning_rate"),
        (["--mse_weight=0"], "at least one loss weight"),
        (["--snr_db=0", "--sigma=0.1"], "not both"),
        (["--snr_db=0,5"], "take one value"),
        (["--stop=sure", "--segment_s=0.1"], "segment_s must be None"),
        (["--coordinates=metres"], "coordinates must be one of unit, seconds"),
        (["--pairs_dir=x"], "give one of --clean_dir"),
        (["--clean_dir=/nowhere/at/all"], "/nowhere/at/all: no such folder"),
        (["--flagfile=/nowhere.flags"], "/nowhere.flags"),
        (["extra"], "'extra'"),
        (["--output_dir="], "--output_dir"),
    ],
)
def test_flags_that_make_no_sense_end_in_one_line(tmp_path, flags, message):
    out = [f"--output_dir={tmp_path / 'out'}"]
    done = run(f"--clean_dir={CLIPS}", *out, *flags, expect=2)
    (line,) = done.stderr.splitlines()
    assert message in line
    assert not (tmp_path / "out").exists()


def test_an_earlier_run_must_have_a_fit_of_the_same_network(tmp_path, clean_dir):
    earlier, out = tmp_path / "earlier", tmp_path / "out"
    flags = (f"--clean_dir={clean_dir}", f"--start_from={earlier}")
    missing = run(*flags, f"--output_dir={out}", expect=2).stderr
    assert f"error: {earlier / 'clips' / 'one' / 'fit'}: no saved fit: " in missing
    assert not out.exists()
    network = SirenConfig(width=4, depth=1, first_omega=3000.0)
    ((_, fit),) = batch.fit_batch(
        *([jax.random.key(0)], [np.ones(12_800, np.float32)], [16_000]),
        FitConfig(network, num_steps=1),
    )
    for clip in ("one", "two"):
        for name in ("fit", "fit_2"):
            path = earlier / "clips" / clip / name
            path.parent.mkdir(parents=True, exist_ok=True)
            fit.save(path)
    other = run(*flags, f"--output_dir={out}", expect=2).stderr
    assert "error: one: the fit to start from has width = 4, not 8; " in other
    assert not out.exists()


def test_a_fit_resumes_from_the_same_earlier_run_however_it_is_spelt(
    tmp_path, clean_dir
):
    earlier, out = tmp_path / "earlier", tmp_path / "out"
    flags = (f"--clean_dir={clean_dir}", "--num_steps=1", "--max_clips=1")
    run(*flags, f"--output_dir={earlier}")
    flags += (f"--output_dir={out}",)
    run(*flags, f"--start_from={earlier}")
    other_spelling = os.path.relpath(earlier, REPOSITORY)  # where `run` runs it
    again = run(*flags, f"--start_from={other_spelling}")
    assert "1 of 1 clips are done already" in again.stdout
    refused = run(*flags, f"--start_from={earlier.name}", expect=2)
    assert f"start_from = {earlier}, not {REPOSITORY / earlier.name}" in refused.stderr


def test_a_folder_without_audio(tmp_path):
    done = run(f"--clean_dir={tmp_path}", f"--output_dir={tmp_path}/out", expect=2)
    assert f"{tmp_path}: no audio files" in done.stderr


@pytest.mark.slow
def test_compiled_programs_are_kept(tmp_path):
    """A second run finds the long one."""
    kept = tmp_path / "compiled"
    flags = (f"--clean_dir={CLIPS}", "--max_clips=1", f"--compilation_cache={kept}")
    run_process("fit_siren.py", *TOY, *flags, f"--output_dir={tmp_path}/one")
    # what compiles in about the shortest time worth keeping may be kept or not
    before = sorted(kept.glob("*run_chunk*"))
    assert before
    run_process("fit_siren.py", *TOY, *flags, f"--output_dir={tmp_path}/two")
    assert sorted(kept.glob("*run_chunk*")) == before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["quick", "paper", "siren_fast"])
def test_configs_parse(name, tmp_path):
    """Every shipped flagfile is one that the script takes."""
    done = run(
        f"--flagfile=experiments/configs/{name}.flags",
        f"--output_dir={tmp_path}/out",
        *TOY,
        f"--clean_dir={CLIPS}",
        "--max_clips=1",
    )
    assert "Over 1 clip;" in done.stdout


def test_the_fast_flags_are_the_fast_config():
    code = (
        "from absl import flags; from inr_jax.cli.commands import fit\n"
        "from inr_jax.configs import fitting\n"
        "flags.FLAGS(['', '--flagfile=configs/siren_fast.flags'])\n"
        "assert fit.config().fit == fitting.FAST"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=SCRIPT.parent)
