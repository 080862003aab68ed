"""The benchmark at toy size."""

import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import REPOSITORY

from inr_jax.io import measuring

pytestmark = pytest.mark.slow

SCRIPT = REPOSITORY / "benchmarks" / "bench_fit.py"


def run(*flags):
    return subprocess.run(
        [sys.executable, SCRIPT, *flags],
        capture_output=True,
        text=True,
        check=False,
    )


def test_rows_hold_what_they_promise(tmp_path):
    small = ("--widths=8", "--clips=1,3", "--samples=500", "--rounds=1")
    done = run(f"--output_dir={tmp_path}", *small)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "bench_fit.json").read_text())
    assert [(row["width"], row["clips"]) for row in result["rows"]] == [(8, 1), (8, 3)]
    for row in result["rows"]:
        assert row["gflops"] > 0 and row["speedup_vs_plain"] > 0
        assert 0 < row["share_of_ceiling"] < 1
    assert result["time_to_quality"]["snr_db"] > 12
    assert (tmp_path / "bench_fit.md").read_text() in done.stdout


@pytest.mark.parametrize("flag", ["--widths=wide", "--clips=0", "--widths="])
def test_sizes_that_make_no_sense(tmp_path, flag):
    done = run(f"--output_dir={tmp_path}", flag)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1


def test_peak_memory_sees_an_array_that_is_gone():
    before = measuring.reset_peak()
    np.ones(2**25).sum()  # 256 MiB
    assert measuring.peak_mib() - before > 200
