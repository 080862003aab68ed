"""Evaluation and ablation end to end at toy size."""

import csv
import json

import pytest
from conftest import CLIPS, run_script

TOY = ("--max_clips=2", "--max_seconds=1", "--compilation_cache=")


def rows_of(folder):
    with open(folder / "scores.csv") as file:
        return list(csv.DictReader(file))


def test_evaluate_and_go_on_where_it_was_killed(tmp_path):
    """In recorded noise (speech stands in for it)."""
    flags = (f"--clean_dir={CLIPS}", f"--noise={CLIPS}", "--snr_db=0,5")
    flags += ("--methods=noisy,wiener,lowpass", f"--output_dir={tmp_path}", *TOY)
    done = run_script("evaluate.py", *flags)
    rows = rows_of(tmp_path)
    assert len(rows) == 2 * 3 * 2 and {row["noise"] for row in rows} == {"clips"}
    for level in (0, 5):
        noisy = [
            float(row["si_sdr"])
            for row in rows
            if row["method"] == "noisy" and float(row["snr_db"]) == level
        ]
        assert noisy == pytest.approx([level] * 2, abs=0.5)
    assert (tmp_path / "table.md").read_text() in done.stdout
    path = tmp_path / "rows.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:5], lines[5][:40]]))  # killed while writing
    run_script("evaluate.py", *flags)

    def without_time(row):
        return {name: value for name, value in row.items() if name != "work_s"}

    assert list(map(without_time, rows_of(tmp_path))) == list(map(without_time, rows))
    kept = [json.loads(line) for line in path.read_text().splitlines()]
    assert kept[:5] == [json.loads(line) for line in lines[:5]]
    fewer = [
        flag.replace("wiener,", "") for flag in flags
    ]  # shows what it is asked for
    run_script("evaluate.py", *fewer)
    assert {row["method"] for row in rows_of(tmp_path)} == {"noisy", "lowpass"}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "give --output_dir"),
        (("--clean_dir=x", "--pairs_dir=y"), "give --output_dir"),
        ((f"--clean_dir={CLIPS}", "--snr_db=a"), "--snr_db must be"),
        ((f"--clean_dir={CLIPS}", "--methods=magic"), "method must be one of"),
        (("--clean_dir=nowhere",), "nowhere: no such folder"),
    ],
)
def test_flags_that_make_no_sense(tmp_path, flags, message):
    flags = (*flags, f"--output_dir={tmp_path / 'new'}", *TOY)
    done = run_script("evaluate.py", *flags, expect=2)
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_ablation(tmp_path):
    rows = "as it is,no divergence term,tracked estimate"
    flags = (f"--clean_dir={CLIPS}", f"--output_dir={tmp_path}", f"--rows={rows}", *TOY)
    done = run_script("ablate_gain_field.py", *flags)
    assert "difference from as it is" in done.stdout
    assert len(rows_of(tmp_path)) == 2 * 3
    done = run_script("ablate_gain_field.py", *flags[:2], "--rows=other", expect=2)
    assert "unknown other" in done.stderr
