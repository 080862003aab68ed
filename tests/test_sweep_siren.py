"""The sweep end to end at toy size."""

import csv

import numpy as np
import pytest
from conftest import CLIPS, is_drawn, run_script

from inr_jax.data.datasets import Example
from inr_jax.data.noise import Condition
from inr_jax.errors import InputError
from inr_jax.evaluation import runner
from inr_jax.evaluation import sweep as sweeps
from inr_jax.evaluation.store import Store
from inr_jax.metrics import pool
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
    # as earlier versions left a sweep that was interrupted after its first width
    (tmp_path / "rows.jsonl").unlink()
    with open(tmp_path / "sweep.csv", "w") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(row for row in rows if row["width"] != "8")
    run(f"--output_dir={tmp_path}")
    with open(tmp_path / "sweep.csv") as file:
        assert list(csv.DictReader(file)) == rows
    found = (tmp_path / "rows.jsonl").read_text().splitlines()
    assert sum("work_s" in row for row in found) == 2 * 2 * 2  # those of width 8 alone
    other = run(f"--output_dir={tmp_path}", "--seed=1", expect=2)
    assert "seed = 0, not 1" in other.stderr


def test_each_fit_has_the_signal_and_the_settings_of_its_name():
    clean = 0.5 * np.sin(np.arange(800) / 9)[:, None].astype(np.float32)
    condition = Condition("white", 0.0, 0)
    example = Example("a", condition, clean, clean + np.float32(0.25), 16_000)
    rates = {"noisy": 1e-3, "clean": 1e-2}
    fits = [
        (0, {"fit": kind, "first_omega": 30.0, "learning_rate": rate})
        for kind, rate in rates.items()
    ]
    inputs, scales = sweeps._inputs([example], fits, 0)
    for i, signal in enumerate((example.noisy, example.clean)):
        found = scales[i] * np.asarray(inputs.signal.samples)[i, :800]
        np.testing.assert_allclose(found, signal[:, 0], atol=1e-6)
    np.testing.assert_allclose(inputs.first_omega, [30, 30])
    np.testing.assert_allclose(inputs.learning_rate, [1e-3, 1e-2])


@pytest.mark.parametrize(
    "damage",
    [lambda text: text.replace("0.5", "half"), lambda text: text[:-20]],
)
def test_a_damaged_file_of_scores_is_named(tmp_path, damage):
    names = ("clip", *sweeps.LOOK, *sweeps.SCORES)
    line = ("a", "noisy", 8, 1, 30.0, 1e-3, 50, *5 * [0.5])
    text = "\n".join(",".join(map(str, x)) for x in (names, line, line))
    path = tmp_path / sweeps.CSV
    path.write_text(text)
    condition = Condition("white", 0.0, 0)
    assert len(sweeps.open_store(tmp_path, condition).rows) == 1
    (tmp_path / "rows.jsonl").unlink()
    path.write_text(damage(text))
    with pytest.raises(InputError, match=r"sweep\.csv: damaged, .* delete it"):
        sweeps.open_store(tmp_path, condition)
    assert not (tmp_path / "rows.jsonl").exists()


def test_scores_of_unknown_settings_are_refused(tmp_path):
    (tmp_path / sweeps.CSV).write_text("clip,fit\n")
    done = run(f"--output_dir={tmp_path}", expect=2)
    assert f"{tmp_path}: holds sweep.csv without config.json" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [sweeps.CSV]


def test_a_sweep_that_fails_at_once_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise InputError("no device")

    monkeypatch.setattr(sweeps, "run", fail)
    run(f"--output_dir={tmp_path / 'new'}", expect=2)
    assert not (tmp_path / "new").exists()


class Cut(Exception):
    pass


class Pool:
    """Scores in this process; stops at a row."""

    def __init__(self, rows=None):
        self.rows, self.scored = rows, []

    def submit(self, job):
        if len(self.scored) == self.rows:
            raise Cut
        self.scored.append(job.method)
        return Scored(pool.score(job))


class Scored:
    def __init__(self, row):
        self.row = row

    def done(self):
        return True

    def result(self):
        return self.row


@pytest.mark.parametrize("rows", [1, 6, 9, 20])
def test_what_is_cut_loses_one_look_at_most(tmp_path, monkeypatch, rows):
    """Within a look, at its end or in the next shape: rows are those of a whole sweep."""
    monkeypatch.setattr("inr_jax.fitting.driver.SAVE_EVERY_S", 0.0)
    fitted = []
    trajectories = sweeps.sweep.trajectories

    def counted(*args, **options):
        for step, signals in trajectories(*args, **options):
            fitted.append(step)
            yield step, signals

    monkeypatch.setattr(sweeps.sweep, "trajectories", counted)
    clean = np.sin(np.arange(800, dtype=np.float32) / 9)[:, None]
    drawn = np.random.default_rng(0).standard_normal((2, 800, 1)).astype(np.float32)
    condition = Condition("white", 0.0, 0)
    examples = [
        Example(name, condition, clean, clean + noise, 16_000)
        for name, noise in zip("ab", drawn, strict=True)
    ]
    grid = sweeps.Grid("unit", 6, 2, [4, 8], [0], [30.0], [1e-2])

    def run(folder, workers):
        folder.mkdir(exist_ok=True)
        place = runner.Place(Store(folder), workers, False, lambda rate: ("snr",))
        sweeps.run(place, examples, grid, folder / "unfinished")
        return Store(folder).rows

    whole = run(tmp_path / "whole", Pool())
    assert len(whole) == 2 + 2 * 2 * 3 * 2
    first, second = Pool(rows), Pool()
    with pytest.raises(Cut):
        run(tmp_path / "cut", first)
    fitted.clear()
    found = run(tmp_path / "cut", second)
    assert str(found) == str(whole)  # NaN among them
    assert len(first.scored) + len(second.scored) == len(whole)
    # looks of 4 rows, behind 2 of the noisy clips: none that was done is fitted again
    assert len(fitted) == 6 - max(0, rows - 2) // 4


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
