"""The comparison end to end at toy size."""

import csv

import pytest
from conftest import CLIPS, run_script

TOY = ("--max_clips=2", "--max_seconds=1", "--compilation_cache=")


def run(*flags, expect=0):
    return run_script("compare_gain_field.py", *TOY, *flags, expect=expect)


def test_compare(tmp_path):
    """In recorded noise (speech stands in for it), then again without new work."""
    flags = (f"--clean_dir={CLIPS}", f"--noise_dir={CLIPS}", "--snr_db=0,5")
    flags += ("--estimate=tracked", f"--output_dir={tmp_path}")
    done = run(*flags)
    for level in (0, 5):
        with open(tmp_path / f"scores_{level}.csv") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 2 * 4
        noisy = [float(r["si_sdr"]) for r in rows if r["method"] == "noisy"]
        assert noisy == pytest.approx([level] * 2, abs=0.5)
        assert (tmp_path / f"scores_{level}.md").read_text() in done.stdout
    assert "fitting" not in run(*flags).stderr


@pytest.mark.parametrize(
    "flags", [(), ("--clean_dir=x", "--pairs_dir=y"), ("--clean_dir=x", "--snr_db=a")]
)
def test_flags_that_make_no_sense(tmp_path, flags):
    done = run(f"--output_dir={tmp_path / 'new'}", *flags, expect=2)
    assert len(done.stderr.splitlines()) == 1 and not (tmp_path / "new").exists()
