"""The summary of a run of `denoise`, for people and as JSON."""

import io
import json
import re
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from conftest import run_script

from inr_jax.enhancement.levels import LevelMeter, Levels

RATE = 16_000


def speech(seconds=8.0, rate=RATE, channels=1):
    """Harmonic syllables with pauses, a third of the time."""
    times = np.arange(round(seconds * rate)) / rate
    tones = sum(np.sin(2 * np.pi * 150 * k * times) / k for k in range(1, 12))
    voiced = np.sin(2 * np.pi * 0.9 * times) > -0.5
    return np.repeat((0.1 * tones * voiced)[:, None], channels, axis=1)


def noise_for(clean, snr_db, seed=0):
    noise = np.random.default_rng(seed).standard_normal(clean.shape)
    return noise * np.sqrt(np.mean(clean**2) / 10 ** (snr_db / 10))


def measured(noisy, output, rate=RATE, part=None):
    """Levels of a recording that comes in parts."""
    meter, part = LevelMeter(rate), part or len(noisy)
    ratio = len(output) / max(1, len(noisy))
    for start in range(0, len(noisy), part):
        stop = min(start + part, len(noisy))
        meter.add(noisy[start:stop], output[round(ratio * start) : round(ratio * stop)])
    return meter.levels


@pytest.mark.parametrize("snr_db", [-5, 0, 5, 10, 20, 30])
@pytest.mark.parametrize("down_db", [0, 6, 20])
def test_levels_of_speech_in_white_noise(snr_db, down_db):
    clean = speech()
    noise = noise_for(clean, snr_db)
    levels = measured(clean + noise, clean + noise * 10 ** (-down_db / 20))
    assert levels.snr_db == pytest.approx(snr_db, abs=1.5)
    assert levels.noise_reduction_db == pytest.approx(down_db, abs=1.5)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("part", [None, 16_000, 12_345])
def test_levels_do_not_depend_on_rate_channels_or_parts(rate, part):
    clean = speech(4, rate, channels=2)
    noise = noise_for(clean, 8)
    levels = measured(clean + noise, clean + 0.1 * noise, rate, part)
    assert levels.snr_db == pytest.approx(8, abs=1.5)
    assert levels.noise_reduction_db == pytest.approx(20, abs=0.5)


def test_outputs_of_another_rate():
    clean = speech(4)
    noise = noise_for(clean, 8)
    output = np.repeat(clean + 0.1 * noise, 3, axis=0)
    assert measured(clean + noise, output).noise_reduction_db == pytest.approx(
        20, abs=0.5
    )


def test_gaps_of_digital_silence_are_no_noise():
    clean = speech()
    noisy = clean + noise_for(clean, 10)
    noisy[: len(noisy) // 2] = 0
    levels = measured(noisy, 0.5 * noisy)
    assert levels.snr_db == pytest.approx(10, abs=2)
    assert levels.noise_reduction_db == pytest.approx(6.02, abs=0.1)


@pytest.mark.parametrize("count", [0, 1, 100, 16_000])
def test_silence_has_no_levels(count):
    levels = measured(
        np.zeros((max(count, 1), 1))[:count], np.zeros((count, 1)), part=1000
    )
    assert levels.snr_db is None and levels.noise_reduction_db is None


def test_noise_that_is_gone_has_no_decibels():
    noisy = noise_for(speech(2), 0)
    assert measured(noisy, 0 * noisy).noise_reduction_db is None


def test_levels_of_recordings_add_up_as_energy():
    loud, soft = Levels(4.0, 2.0, 1.0), Levels(1.0, 0.5, 0.25)
    assert (loud + soft).snr_db == pytest.approx(10 * np.log10(2))
    assert (loud + soft).noise_reduction_db == pytest.approx(10 * np.log10(2))


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "in"
    place.mkdir()
    for i, seconds in enumerate((1.0, 2.0, 3.5)):
        clean = speech(seconds)
        noisy = clean + noise_for(clean, 10)
        soundfile.write(place / f"{i}.wav", noisy, RATE, "FLOAT")
    (place / "bad.wav").write_bytes(b"")
    return place


def denoise(folder, *flags, method="silence", expect=2):
    args = (str(folder), f"--output={folder.parent / 'out'}", f"--method={method}")
    return run_script("denoise.py", *args, *flags, expect=expect)


def test_for_people(folder):
    done = denoise(folder)
    assert not done.stdout
    *_, line, others = done.stderr.splitlines()
    found = re.fullmatch(
        r"denoised 3 files, 6\.5 s of sound in ([\d.]+) s, real-time factor ([\d.e-]+); "
        r"estimated: SNR before ([-\d.]+) dB, noise ([-\d.]+) dB down",
        line,
    )
    seconds, factor, snr_db, down_db = map(float, found.groups())
    assert factor == pytest.approx(seconds / 6.5, abs=0.02)
    assert snr_db == pytest.approx(10, abs=2) and down_db == 60
    assert others == f"not denoised: 1 failed ({folder}/bad.wav)"
    assert "\x1b" not in done.stderr


def test_for_programs(folder):
    done = denoise(folder, "--json")
    *jobs, summary = map(json.loads, done.stdout.splitlines())
    assert sorted(job["status"] for job in jobs) == ["done"] * 3 + ["failed"]
    for job in jobs:
        assert job["target"].startswith(str(folder.parent / "out"))
        if job["status"] == "failed":
            assert "bad.wav: cannot read" in job["error"]
            continue
        assert job["noise_reduction_db"] == pytest.approx(60, abs=0.01)
        assert job["snr_db"] == pytest.approx(10, abs=2)
        expected = job["work_s"] / job["seconds"]
        assert job["real_time_factor"] == pytest.approx(expected, abs=1e-3)
    assert sorted(job["seconds"] for job in jobs if "seconds" in job) == [1, 2, 3.5]
    summary = summary["summary"]
    assert (summary["done"], summary["failed"], summary["done_already"]) == (3, 1, 0)
    assert summary["seconds"] == 6.5 and not summary["problems"]
    again = [json.loads(line) for line in denoise(folder, "--json").stdout.splitlines()]
    statuses = [job.get("status") for job in again]
    assert statuses == ["done already"] * 3 + ["failed", None]
    assert again[-1]["summary"]["done_already"] == 3
    assert again[-1]["summary"]["real_time_factor"] is None


def test_sound_on_standard_output_stays_clean(folder):
    flags = ("-", "--output=-", "--method=noisy", "--json")
    done = subprocess.run(
        [sys.executable, "-m", "inr_jax", "denoise", *flags],
        input=(folder / "1.wav").read_bytes(),
        capture_output=True,
        check=True,
    )
    assert len(soundfile.read(io.BytesIO(done.stdout))[0]) == 2 * RATE
    lines = [x for x in done.stderr.decode().splitlines() if x.startswith("{")]
    job, summary = map(json.loads, lines)
    assert job["source"] == job["target"] == "-" and job["seconds"] == 2
    assert summary["summary"]["done"] == 1


def test_a_mix_is_measured_as_it_is_written(folder):
    done = denoise(folder, "--max_attenuation_db=12", "--json")
    *_, summary = map(json.loads, done.stdout.splitlines())
    # the estimate itself is 60 dB down
    assert summary["summary"]["noise_reduction_db"] == pytest.approx(12, abs=0.1)


def test_a_run_that_has_nothing_to_do_says_so(folder):
    denoise(folder)
    (folder / "bad.wav").unlink()
    lines = denoise(folder, expect=0).stderr.splitlines()
    assert lines[0] == "3 of 3 files are done"
    assert lines[1].startswith("not denoised: 3 done already (") and len(lines) == 2
