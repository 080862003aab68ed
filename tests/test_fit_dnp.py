"""The command of DNP: a small network on a fifth of a second, two steps."""

import csv
import dataclasses

from conftest import CLIPS, run_script

from inr_jax.configs import fitting


@dataclasses.dataclass(frozen=True)
class SmallDnp(fitting.DnpConfig):
    num_levels: int = 2
    num_filters: int = 4


def test_both_masks_are_scored_and_nothing_is_fitted_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "DnpConfig", SmallDnp)
    flags = (f"--clean_dir={CLIPS}", "--max_clips=1", "--max_seconds=0.2")
    flags += ("--num_steps=2", f"--output_dir={tmp_path}", "--compilation_cache=")
    done = run_script("fit_dnp.py", *flags)
    assert "| dnp_lsa |" in done.stdout
    with open(tmp_path / "scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows] == ["noisy", "dnp_wiener", "dnp_lsa"]
    first, second = (float(row["work_s"]) for row in rows[1:])
    assert first == second > 0  # half of the fit that they share
    assert float(rows[0]["ssnr"]) != float(rows[1]["ssnr"])
    before = (tmp_path / "rows.jsonl").read_bytes()
    run_script("fit_dnp.py", *flags)
    assert (tmp_path / "rows.jsonl").read_bytes() == before
    done = run_script("fit_dnp.py", *flags[:-3], f"--output_dir={tmp_path}", expect=2)
    assert "num_steps = 2, not 5000" in done.stderr
