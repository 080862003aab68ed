"""The benchmarks at toy size, each in a process of its own."""

import json
import os
import subprocess
import sys

import measuring
import numpy as np
import pytest
from conftest import CLIPS, REPOSITORY


def run(name, *flags, expect=0):
    done = subprocess.run(
        [sys.executable, REPOSITORY / "benchmarks" / name, *flags],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
        env={name: value for name, value in os.environ.items() if name != "XLA_FLAGS"},
    )
    assert done.returncode == expect, done.stderr
    return done


@pytest.mark.slow
def test_a_device_is_measured_in_time(tmp_path):
    def measure():
        run("accelerator.py", "--toy", "--minutes=0.9", f"--output_dir={tmp_path}")

    assert measuring.seconds(measure) < 60
    found = json.loads((tmp_path / "accelerator.json").read_text())
    rows = {row["name"]: row for row in found["rows"]}
    for row in rows.values():
        if "failed" in row:
            assert "PyTorch" in row["name"]
        elif "snr_db" not in row:
            assert row["per_s"] > 0 and 1 <= len(row["seconds"]) <= 5
    assert "fit, 2 at once" in rows
    wanted = ("denoise by gain_field", "train on 2 examples")
    wanted += ("SNR after 3 steps, bfloat16", "fit, 2 at once, block_samples=256")
    assert {*wanted} <= {*rows, *found["not_measured"]}
    table = (tmp_path / "accelerator.md").read_text()
    assert all(f"| {name} |" in table for name in rows)
    assert f"Recommended: `{found['recommended']}`" in table


@pytest.mark.slow
def test_what_there_is_no_time_for_is_named(tmp_path):
    flags = ("--toy", "--minutes=0.05", f"--output_dir={tmp_path}")
    done = run("accelerator.py", *flags)
    assert "Not measured, as time ran out: " in done.stdout
    assert json.loads((tmp_path / "accelerator.json").read_text())["not_measured"]


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
    flags += ("--seconds=0.5,20",)
    done = run("denoise.py", str(CLIPS / "letter.flac"), *flags)
    result = json.loads((tmp_path / "denoise.json").read_text())
    assert "log_mmse: first output after" in done.stdout
    assert 0 < result["cpu_s_per_s"] < result["first_output_s"]
    wrong = run("denoise.py", "missing.wav", *flags, expect=2)
    assert "missing.wav: no such file" in wrong.stderr


def test_peak_memory_sees_an_array_that_is_gone():
    before = measuring.reset_peak()
    np.ones(2**25).sum()  # 256 MiB
    assert measuring.peak_mib() - before > 200
