"""The benchmark of several devices at toy size."""

import json

import pytest
from conftest import run_script

pytestmark = pytest.mark.slow


def test_a_row_for_each_number_of_devices(tmp_path):
    small = ("--devices=1,2", "--clips=1", "--samples=500", "--num_steps=3")
    done = run_script(
        "benchmarks/bench_devices.py", f"--output_dir={tmp_path}", "--rounds=1", *small
    )
    result = json.loads((tmp_path / "bench_devices.json").read_text())
    one, two = result["rows"]
    assert (one["devices"], one["clips"], two["devices"], two["clips"]) == (1, 1, 2, 2)
    assert one["efficiency"] == 1 and two["cpu_s_per_clip"] > 0
    assert two["instructions"] < 1.1 * one["instructions"]
    assert done.stdout.count("clips_per_s") == 2
