"""DNP from the command line: a small network on a fifth of a second."""

import csv
import dataclasses

import pytest
from conftest import CLIPS, run_script

from inr_jax.configs import fitting


@dataclasses.dataclass(frozen=True)
class SmallDnp(fitting.DnpConfig):
    num_levels: int = 2
    num_filters: int = 4


def test_both_masks_are_scored_and_nothing_is_fitted_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "DnpConfig", SmallDnp)
    flags = (f"--clean_dir={CLIPS}", "--max_clips=1", "--max_seconds=0.2")
    flags += ("--num_steps=50", f"--output_dir={tmp_path}", "--compilation_cache=")
    done = run_script("fit_dnp.py", *flags)
    assert "| dnp_lsa |" in done.stdout
    with open(tmp_path / "scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows] == ["noisy", "dnp_wiener", "dnp_lsa"]
    first, second = (float(row["work_s"]) for row in rows[1:])
    assert first == second > 0  # the fit that they share
    assert len({row["ssnr"] for row in rows}) == 3
    before = (tmp_path / "rows.jsonl").read_bytes()
    run_script("fit_dnp.py", *flags)
    assert (tmp_path / "rows.jsonl").read_bytes() == before
    done = run_script("fit_dnp.py", *flags[:-3], f"--output_dir={tmp_path}", expect=2)
    assert "num_steps = 50, not 5000" in done.stderr


@pytest.mark.slow
def test_scores_over_the_steps_are_those_of_fits_of_so_many_steps(tmp_path):
    """Rows of one fit, and of another that ends at the smaller number of steps."""
    small = "dnp:num_levels=2:num_filters=4:num_steps="
    rows = {}
    for name, methods in (("two", f"{small}50,{small}52"), ("one", f"{small}50")):
        flags = (f"--clean_dir={CLIPS}", "--max_clips=1", "--max_seconds=0.2")
        flags += (f"--methods={methods}", "--noaudio", "--noreport")
        run_script("evaluate.py", *flags, f"--output_dir={tmp_path / name}")
        with open(tmp_path / name / "scores.csv", newline="") as file:
            rows[name] = [{**row, "work_s": None} for row in csv.DictReader(file)]
    first, second = rows["two"]
    assert [first] == rows["one"]
    assert first["ssnr"] != second["ssnr"]
