"""The benchmark of denoise.py at toy size."""

import json

import pytest
from conftest import CLIPS, run_script

pytestmark = pytest.mark.slow


def test_first_output_and_speed(tmp_path):
    flags = (f"--output_dir={tmp_path}", "--rounds=1", "--seconds=0.5,20")
    done = run_script(
        "benchmarks/bench_denoise.py",
        str(CLIPS / "letter.flac"),
        "--method=log_mmse",
        *flags,
    )
    result = json.loads((tmp_path / "bench_denoise.json").read_text())
    assert "log_mmse: first output after" in done.stdout
    assert 0 < result["cpu_s_per_s"] < result["first_output_s"]
    wrong = run_script(
        "benchmarks/bench_denoise.py",
        "missing.wav",
        *flags,
        "--method=log_mmse",
        expect=2,
    )
    assert "missing.wav: no such file" in wrong.stderr
