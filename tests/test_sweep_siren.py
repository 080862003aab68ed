"""The sweep end to end at toy size."""

import csv

import pytest
from conftest import CLIPS, is_drawn, run_script

from inr_jax.plots import sweep

TOY = ("--widths=4,8", "--depths=0", "--first_omegas=30", "--learning_rates=1e-2")
TOY += ("--num_steps=4", "--every=2", "--max_clips=2", "--max_seconds=0.8")
TOY += (f"--clean_dir={CLIPS}", "--compilation_cache=")


def run(*flags, expect=0):
    return run_script("sweep_siren.py", *TOY, *flags, expect=expect)


def test_sweep_and_again(tmp_path):
    done = run(f"--output_dir={tmp_path}")
    with open(tmp_path / "sweep.csv") as file:
        rows = list(csv.DictReader(file))
    # clips, plus clips x fits x widths x looks
    assert len(rows) == 2 + 2 * 2 * 2 * 2
    assert all(-60 < float(row["si_sdr"]) < 20 for row in rows)
    assert (tmp_path / "sweep.md").read_text() in done.stdout
    for ending in ("png", "svg"):
        assert is_drawn(tmp_path / f"sweep.{ending}")
    kept = [row for row in rows if row["width"] != "8"]
    with open(tmp_path / "sweep.csv", "w") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(kept)
    again = run(f"--output_dir={tmp_path}")
    assert again.stderr.count("0 s left") == 1  # width 4 is not done again
    with open(tmp_path / "sweep.csv") as file:
        assert list(csv.DictReader(file)) == rows
    other = run(f"--output_dir={tmp_path}", "--seed=1", expect=2)
    assert "seed = 0, not 1" in other.stderr


@pytest.mark.parametrize(
    "flag, word",
    [
        ("--widths=0", "widths"),
        ("--learning_rates=nan", "learning_rates"),
        ("--every=3", "every"),
        ("--clean_dir=", "clean_dir"),
    ],
)
def test_flags_that_make_no_sense(tmp_path, flag, word):
    done = run(f"--output_dir={tmp_path / 'new'}", flag, expect=2)
    assert word in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "new").exists()


def row(fit="noisy", step=1, si_sdr=0.0, clip="a", width=8):
    place = {"width": width, "depth": 1, "first_omega": 30, "learning_rate": 1e-3}
    scores = {"si_sdr": si_sdr, "ssnr": 0, "stoi": 0.5, "pesq": 1}
    return {"clip": clip, "fit": fit, "step": step} | place | scores


def test_the_best_is_where_the_mean_over_clips_peaks():
    rows = [row("input")]
    for step, pair in ((1, (0, 1)), (2, (4, 4)), (3, (9, -9))):
        rows += [
            row(step=step, si_sdr=s, clip=c) for s, c in zip(pair, "ab", strict=True)
        ]
    rows += [row(step=1, si_sdr=2, width=16)]
    curves = sweep.mean_over_clips(rows)
    small, large = sweep.best_of_each_shape(curves, "noisy")
    assert small.best_step() == 2 and small.scores[2]["si_sdr"] == 4
    assert large.width == 16
    assert "| 2 | 0.00 | 4.00 |" in sweep.table_of_best(curves)
