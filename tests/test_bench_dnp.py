"""The benchmark of DNP at toy size."""

import json

import pytest
from conftest import run_script

pytestmark = pytest.mark.slow


def test_a_step_is_measured(tmp_path):
    small = ("--seconds=0.1", "--toy", "--rounds=1")
    done = run_script("benchmarks/bench_dnp.py", f"--output_dir={tmp_path}", *small)
    result = json.loads((tmp_path / "bench_dnp.json").read_text())
    assert result["samples"] == 1600 and result["ours_s"] > 0
    assert f"ours_s: {result['ours_s']}" in done.stdout
