"""The benchmarks at toy size, each in a process of its own."""

import csv
import json
import os
import resource
import shutil
import subprocess
import sys
import time

import device_bench
import measuring
import numpy as np
import pytest
import report
import soundfile
from conftest import CLIPS, REPOSITORY, run_script
from toy_training import ONE_TERM

from inr_jax import metrics
from inr_jax.data.datasets import find_clips


def run(name, *flags, expect=0):
    done = subprocess.run(
        [sys.executable, REPOSITORY / "benchmarks" / name, *flags],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
    )
    assert done.returncode == expect, done.stderr
    return done


@pytest.mark.slow
def test_a_device_is_measured_in_time(tmp_path):
    """All of it takes longer on a busy machine."""
    flags = ("--toy", "--minutes=0.5", f"--output_dir={tmp_path}")
    assert measuring.seconds(lambda: run("accelerator.py", *flags)) < 36
    found = json.loads((tmp_path / "accelerator.json").read_text())
    measured = [row["name"] for row in found["rows"]]
    assert measured[0] == "float32 product"
    wanted = {"fit, 2 at once", "denoise by gain_field", "train on 2 examples"}
    assert wanted <= {*measured, *found["not_measured"]}


@pytest.mark.slow
def test_what_there_is_no_time_for_is_named(tmp_path):
    flags = ("--toy", "--minutes=0.05", f"--output_dir={tmp_path}")
    done = run("accelerator.py", *flags)
    assert "Not measured, as time ran out: " in done.stdout
    assert json.loads((tmp_path / "accelerator.json").read_text())["not_measured"]


@pytest.mark.slow
def test_fits_and_compute_settings_of_a_device(tmp_path, capsys):
    bench = device_bench.Bench(toy=True)
    todo = bench.measurements()
    names = [name for name in todo if name.startswith(("fit", "SNR"))]
    found = report.Report(tmp_path, time.perf_counter() + 3600)
    found.begin(names[:], bench.about(), measuring.machine())
    for name in names:
        try:
            result = todo[name].run(measuring.Stopwatch(until=0))
        except ImportError as error:  # no PyTorch
            result = error
        found.add(name, result, todo[name].against, "ComputeConfig()")
    found.finish()
    told = json.loads((tmp_path / "accelerator.json").read_text())
    rows = {row["name"]: row for row in told["rows"]}
    assert list(rows) == names and told["not_measured"] == []
    assert rows["fit, 2 at once, sine=jnp"]["per_s"] > 0
    exact, rounded = (
        rows[f"SNR after 3 steps, {name}"]["snr_db"] for name in ("float32", "bfloat16")
    )
    assert 0 < abs(exact - rounded) < 0.1
    table = (tmp_path / "accelerator.md").read_text()
    assert f"| SNR after 3 steps, bfloat16 | {rounded:.2f} | dB |" in table
    assert table in capsys.readouterr().out
    assert bench.recommended().num_devices == 1


@pytest.mark.slow
@pytest.mark.parametrize("load", ["denoise by gain_field", "mix 2", "train on 2"])
def test_loads_of_sound(load):
    todo = device_bench.Bench(toy=True).measurements()
    (measurement,) = (todo[name] for name in todo if name.startswith(load))
    timing = measurement.run(measuring.Stopwatch(until=0))
    assert timing.unit == "s of sound" and timing.per_s > 0


@pytest.mark.slow
def test_fits(tmp_path):
    small = ("--widths=8", "--clips=1,3", "--samples=500", "--rounds=1")
    done = run("fit.py", f"--output_dir={tmp_path}", *small)
    result = json.loads((tmp_path / "fit.json").read_text())
    assert [(row["width"], row["clips"]) for row in result["rows"]] == [(8, 1), (8, 3)]
    for row in result["rows"]:
        assert row["gflops"] > 0 and row["speedup_vs_plain"] > 0
        assert 0 < row["share_of_ceiling"] < 1
    assert result["time_to_quality"]["snr_db"] > 12
    assert (tmp_path / "fit.md").read_text() in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("flag", ["--widths=wide", "--clips=0", "--widths="])
def test_sizes_that_make_no_sense(tmp_path, flag):
    done = run("fit.py", f"--output_dir={tmp_path}", flag, expect=2)
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_a_step_of_dnp(tmp_path):
    small = ("--seconds=0.1", "--toy", "--rounds=1")
    done = run("dnp.py", f"--output_dir={tmp_path}", *small)
    result = json.loads((tmp_path / "dnp.json").read_text())
    assert result["samples"] == 1600 and result["ours_s"] > 0
    assert f"ours_s: {result['ours_s']}" in done.stdout


@pytest.mark.slow
def test_a_row_for_each_number_of_devices(tmp_path):
    small = ("--devices=1,2", "--clips=1", "--samples=500", "--num_steps=3")
    done = run("devices.py", f"--output_dir={tmp_path}", "--rounds=1", *small)
    result = json.loads((tmp_path / "devices.json").read_text())
    one, two = result["rows"]
    assert (one["devices"], one["clips"], two["devices"], two["clips"]) == (1, 1, 2, 2)
    assert one["efficiency"] == 1 and two["cpu_s_per_clip"] > 0
    assert two["instructions"] < 1.1 * one["instructions"]
    assert done.stdout.count("clips_per_s") == 2


@pytest.mark.slow
def test_first_output_and_speed_of_denoising(tmp_path):
    flags = (f"--output_dir={tmp_path}", "--rounds=1", "--method=log_mmse")
    # on a busy machine a start takes a second more or less
    flags += ("--seconds=0.5,200",)
    done = run("denoise.py", str(CLIPS / "letter.flac"), *flags)
    result = json.loads((tmp_path / "denoise.json").read_text())
    assert "log_mmse: first output after" in done.stdout
    assert 0 < result["cpu_s_per_s"] < result["first_output_s"]
    wrong = run("denoise.py", "missing.wav", *flags, expect=2)
    assert "missing.wav: no such file" in wrong.stderr


@pytest.mark.slow
def test_too_little_sound_to_measure_a_speed_of(tmp_path, monkeypatch):
    none = resource.struct_rusage(16 * [0])
    monkeypatch.setattr(resource, "getrusage", lambda _: none)
    monkeypatch.setattr(os, "sched_setaffinity", lambda *_: None)
    flags = (f"--output_dir={tmp_path}", "--rounds=1", "--method=noisy")
    clip = str(CLIPS / "letter.flac")
    done = run_script("benchmarks/denoise.py", clip, *flags, "--seconds=1,2", expect=2)
    assert "--seconds" in done.stderr and not list(tmp_path.iterdir())


def test_peak_memory_sees_an_array_that_is_gone():
    before = measuring.reset_peak()
    np.ones(2**25).sum()  # 256 MiB
    assert measuring.peak_mib() - before > 200


@pytest.mark.slow
def test_noise_of_the_highs(tmp_path):
    clean = np.random.default_rng(0).standard_normal(48_000)
    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in" / "a.wav", 0.1 * clean, 48_000, "FLOAT")
    flags = ("--kind=highs", "--snr_db=10", f"--clean_dir={tmp_path / 'in'}")
    run("hard_pairs.py", *flags, f"--output_dir={tmp_path / 'out'}")
    clean, noisy = (
        soundfile.read(tmp_path / "out" / side / "a.wav")[0]
        for side in ("clean", "noisy")
    )
    assert metrics.high_sdr(clean, noisy, 48_000) == pytest.approx(10, abs=1e-3)


@pytest.mark.slow
def test_pauses_of_a_gated_recording(tmp_path):
    """They are digital silence, its speech is as it was."""
    rng = np.random.default_rng(0)
    clean = 0.1 * rng.standard_normal(16_000)
    clean[6000:12_000] = 0
    noisy = clean + 0.01 * rng.standard_normal(16_000)
    for side, samples in (("clean", clean), ("noisy", noisy)):
        (tmp_path / "in" / side).mkdir(parents=True)
        soundfile.write(tmp_path / "in" / side / "a.wav", samples, 16_000, "FLOAT")
    flags = ("--kind=gated", f"--output_dir={tmp_path / 'out'}")
    assert "--pairs_dir is missing" in run("hard_pairs.py", *flags, expect=2).stderr
    run("hard_pairs.py", *flags, f"--pairs_dir={tmp_path / 'in'}")
    gated, _ = soundfile.read(tmp_path / "out" / "noisy" / "a.wav")
    assert not np.any(gated[7000:11_000])
    np.testing.assert_allclose(gated[:5000], noisy[:5000], atol=1e-7)


@pytest.mark.slow
@pytest.mark.optimized
def test_both_heads_of_the_gain_field_are_trained(tmp_path):
    flags = (
        *(f"--{name}={CLIPS}" for name in ("speech_dirs", "noise_dir", "valid_dir")),
        *("--set=model.channels=2", "--set=model.frame_channels=4"),
        "--set=model.dilations_after=((1,1),)",
        *("--set=model.dilations_before=((1,1),)", "--set=model.frame_dilations=1"),
        *("--set=mixing.num_samples=4096", "--set=mixing.room_share=0"),
        *ONE_TERM,
        *(f"--set=training.{x}" for x in ("num_steps=1", "warmup_steps=0")),
        *(f"--set=training.{x}" for x in ("decay_steps=1", "batch_size=1")),
        *("--num_devices=1", "--validate_every=1", f"--output_dir={tmp_path}"),
    )
    text = run("emitted_field.py", *flags).stdout
    assert "| siren_of_a_cell |" in text and "| output_of_a_bin |" in text
    assert "| white |" in text


@pytest.mark.slow
@pytest.mark.optimized
def test_emitted_weights_are_fitted_on(tmp_path):
    """Few steps lower the error in white noise; 100 fit the noise."""
    flags = (f"--clean_dir={CLIPS}", "--snr_db=0", "--max_clips=1", "--max_seconds=2")
    flags += (f"--output_dir={tmp_path}", "--steps=0,5,100", "--compilation_cache=")
    text = run("refined_field.py", *flags).stdout
    assert "| hyper_gain:refine_steps=100 |" in text
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").open()]
    start, few, many = (row["si_sdr"] for row in rows)
    assert start < few and many < start - 1
    wrong = run("refined_field.py", *flags[:-2], "--steps=5,0", expect=2)
    assert "--steps: give numbers in ascending order" in wrong.stderr


@pytest.mark.slow
@pytest.mark.optimized
def test_emitted_sirens_are_one_function_at_any_rate(tmp_path):
    shutil.copy(next(CLIPS.glob("letter*")), tmp_path)
    text = run("function_of_time.py", f"--clean_dir={tmp_path}", "--snr_db=5").stdout
    cells = (line.strip("| ").split(" | ") for line in text.splitlines() if "|" in line)
    found = {cell[0]: float(cell[1]) for cell in [*cells][2:]}
    assert found["bytes of the emitted weights, 16-bit"] == 2 * 768 * found["windows"]
    assert found["three times the rate, SI-SDR dB"] > 45
    assert found["half the rate, SI-SDR dB"] > 28
    assert found["random times, SI-SDR dB"] > 80
    clean = found["as emitted"]
    assert clean > found["noisy, SI-SDR dB"] + 7
    assert clean > found["without modulations"] + 5
    assert clean > found["with those of other windows"] + 5
    assert "--clean_dir is missing" in run("function_of_time.py", expect=2).stderr


@pytest.mark.slow
@pytest.mark.optimized
def test_two_speakers_are_separated_by_two_fields(tmp_path):
    """After so few steps not by much; the mask of the clips shows what scores can tell."""
    flags = (f"--speech_dir={CLIPS}", f"--clean_dir={CLIPS}", "--batch_size=1")
    flags += (f"--output_dir={tmp_path}", "--num_steps=2", "--max_clips=3")
    text = run("separation.py", *flags).stdout
    assert "| two fields |" in text
    rows = list(csv.DictReader((tmp_path / "separation.csv").open()))
    assert [row["mixture"] for row in rows] == [c.name for c in find_clips(CLIPS)[:3]]
    masked = [float(row["ratio mask of the clips"]) for row in rows]
    assert min(masked) > 5 and len(set(masked)) == 3  # each another mixture
    assert all(abs(float(row["two fields"])) < 1 for row in rows)
