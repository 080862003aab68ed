import dataclasses
import json
import re
import shutil

import numpy as np
import pytest
from conftest import REPOSITORY, run_script

from inr_jax.configs import methods
from inr_jax.errors import InputError
from inr_jax.evaluation import paper_table, score_plots, tables
from inr_jax.io import atomic, markdown, run_dir
from inr_jax.metrics import pool


def rows(method, values, **changes):
    base = dict.fromkeys(pool.METRICS, 1.0)
    return [
        {"clip": str(i), "method": method, "seed": 0, **base, "ssnr": v, **changes}
        for i, v in enumerate(values)
    ]


def table_of(found, labels):
    return tables.markdown(tables.summarise(found, labels))


def test_bootstrap_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        interval = tables.paired_bootstrap(rng.normal(0.3, 1, 40))
        hits += interval.low <= 0.3 <= interval.high
    assert 0.88 <= hits / 200 <= 0.99


def test_a_constant_difference_has_no_width():
    assert tables.paired_bootstrap(np.full(5, 2.0)) == (2, 2, 2)


def test_means_and_paired_differences():
    """Clips spread far wider than the difference: pairing makes it exact."""
    noisy = np.arange(10.0) * 5
    text = table_of(
        rows("noisy", noisy) + rows("siren", noisy + 1.5), ["noisy", "siren"]
    )
    assert "| noisy | 22.50 |" in text and "| siren | 24.00 |" in text
    assert "| siren | +1.50 [+1.50, +1.50] |" in text
    assert "Over 10 clips;" in text
    assert "Over 1 clip;" in table_of(rows("noisy", [1.0]), ["noisy"])


def test_every_value_stands_under_its_title():
    values = {name: float(i) for i, (name, *_) in enumerate(tables.SHOWN)}
    text = table_of(rows("noisy", [0.0], **values), ["noisy"])
    title, _, line, *_ = text.splitlines()
    assert title == "| mean | SSNR dB | SI-SDR dB | STOI | PESQ | CSIG | CBAK | COVL |"
    assert line == "| noisy | 0.00 | 1.00 | 2.000 | 3.000 | 4.000 | 5.000 | 6.000 |"
    assert [name for name, *_ in tables.SHOWN] == [
        *("ssnr", "si_sdr", "stoi", "pesq", "csig", "cbak", "covl")
    ]


def test_a_point_above_the_line_is_a_clip_that_became_better():
    found = rows("noisy", [1.0]) + rows("a", [3.0])
    figure = score_plots.against_noisy(found, ["noisy", "a"], "ssnr")
    (panel,) = (axes for axes in figure.axes if axes.get_title())
    assert panel.get_title() == "a: 1 of 1 better"
    assert panel.collections[0].get_offsets().tolist() == [[1.0, 3.0]]


def test_cost_is_computing_time_over_length():
    found = rows("a", [1.0], seconds=2.0, work_s=0.5, pesq=3.0, si_sdr=7.0)
    figure = score_plots.over_cost(found, ["a"])
    lines = [axes.lines[0].get_xydata().tolist() for axes in figure.axes if axes.lines]
    assert lines == [[[0.25, 3.0]], [[0.25, 7.0]]]


def test_text_from_a_file_counts_like_numbers():
    typed = rows("noisy", [1.0, 2.0])
    text = [{k: str(v) for k, v in row.items()} for row in typed]
    assert table_of(typed, ["noisy"]) == table_of(text, ["noisy"])


def test_missing_values_are_left_out_and_counted():
    found = rows("noisy", [1.0, 2.0, 3.0]) + rows("siren", [2.0, np.nan, 4.0])
    text = table_of(found, ["noisy", "siren"])
    assert "| siren | 3.00 |" in text and "| siren | +1.00 [" in text
    assert "siren SSNR dB: 1" in text


def test_a_mean_needs_finite_values_of_its_own_method_alone():
    """As where the noisy clips are the clean ones, whose SI-SDR is infinite."""
    found = rows("noisy", [np.inf, np.inf]) + rows("siren", [2.0, 4.0])
    text = table_of(found, ["noisy", "siren"])
    assert "| noisy | none |" in text
    means, _, differences = text.partition("difference from noisy")
    assert "| siren | 3.00 |" in means and "| siren | none |" in differences
    assert "left out: noisy SSNR dB: 2.\n" in text
    assert "Differences leave out those of noisy as well." in text


def test_ssnr_never_stands_without_si_sdr():
    names = [name for name, *_ in tables.SHOWN]
    assert {"ssnr", "si_sdr"} <= set(names)


def test_nothing_finite_is_none():
    text = table_of(rows("noisy", [np.nan]), ["noisy"])
    assert "| noisy | none |" in text


@pytest.mark.parametrize("count", [1, 3])
def test_a_lone_clip_has_an_interval(count):
    interval = tables.paired_bootstrap(np.arange(float(count)))
    assert interval.low <= interval.mean <= interval.high


WHITE = {"noise": "white", "snr_db": 0.0}


def compared(*ours, **settings):
    """The paper's table beside an evaluation of so many rows, with settings of methods."""
    scores = [row for some in ours for row in some]
    return paper_table.compare([paper_table.Evaluation("one", scores, settings)])


def test_the_paper_s_table_beside_ours():
    ours = [
        rows("noisy", [-4.0, -3.0], **WHITE),
        rows("wiener", [1.0, 3.0], **WHITE),
        rows("hyper_siren", [2.0, 2.0], **WHITE),
    ]
    result = compared(*ours)
    text = paper_table.markdown(result)
    assert "| noisy | 2 | -3.82 / -3.50 | 1.00 | 0.813 / 1.000 |" in text
    assert "| wiener | 2 | 2.00 | 1.00 |" in text
    assert "| wiener | +5.50 [+5.00, +6.00] |" in text
    assert "| dnp | not run | -2.52 |  | 0.757 |" in text
    assert "| sepformer | weights not given | 3.50 |" in text
    paper = {line["method"]: line for line in result.lines if line["source"] == "paper"}
    names = ("ssnr", "stoi", "covl", "cbak", "pesq", "csig")
    noisy = [paper["noisy"][name] for name in names]
    assert noisy == [-3.82, 0.813, 1, 1.56, 1.024, 1]
    assert [paper["sepformer"][name] for name in names[-2:]] == [1.359, 2.282]
    wiener = result.lines[-1]
    assert (wiener["ssnr_low"], wiener["ssnr_high"]) == (5.0, 6.0)
    louder = rows("wiener", [9.0], **{**WHITE, "snr_db": "5.0"})
    assert compared(*ours, louder) == result
    with pytest.raises(InputError, match="one: no rows in white noise at 0 dB"):
        compared(louder)


def test_the_paper_s_table_counts_clips_without_a_value():
    result = compared(rows("wiener", [1.0, float("nan"), 3.0], **WHITE))
    text = paper_table.markdown(result)
    assert "| wiener | 3 | 2.00 |" in text
    assert re.search("^Clips without a value, SSNR 1.*: wiener$", text, re.MULTILINE)
    assert result.lines[-1]["without_value"].startswith("SSNR 1")
    none = [{**row, "pesq": ""} for row in rows("wiener", [1.0, 2.0], **WHITE)]
    assert re.search(r"wiener .*\| none \|", paper_table.markdown(compared(none)))
    wrong = [{**row, "pesq": "x"} for row in none]
    with pytest.raises(InputError, match="one: scores.csv has pesq = 'x'"):
        compared(wrong)
    del none[0]["pesq"]
    with pytest.raises(InputError, match="one: scores.csv has no column pesq"):
        compared(none)


def test_the_paper_s_table_says_which_network_of_ours_a_row_is_of():
    text = paper_table.markdown(compared(rows("hyper_siren", [2.0], **WHITE)))
    assert "| hypersound (ours: hyper_siren) | 1 | 0.20 / 2.00 | 1.00 |" in text
    text = paper_table.markdown(compared(rows("hypersound", [2.0], **WHITE)))
    assert "| hypersound (ours: hyper_siren) | not run | 0.20 |" in text
    assert "| hypersound | 1 | 2.00 | 1.00 |" in text


def test_the_paper_s_table_says_which_settings_are_not_the_published_ones():
    """Whatever a command calls a method; it takes the paper's line if no other does."""
    label = "siren:siren.width=64"
    narrow, full = (
        {"method": "siren", **dataclasses.asdict(methods.parse(text).config)}
        for text in (label, "siren")
    )
    text = paper_table.markdown(
        compared(rows(label, [2.0], **WHITE), **{label: narrow})
    )
    assert "| siren (siren.width=64) | 1 | -3.91 / 2.00 |" in text
    both = rows(label, [2.0], **WHITE), rows("siren", [1.0], **WHITE)
    text = paper_table.markdown(compared(*both, **{label: narrow, "siren": full}))
    assert "| siren | 1 | -3.91 / 1.00 |" in text
    assert "| siren (siren.width=64) | 1 | 2.00 |" in text
    # as fit-dnp names it
    dnp = {"method": "dnp", **dataclasses.asdict(methods.parse("dnp").config)}
    steps = {**dnp, "num_steps": 500, "mask": "wiener"}
    text = paper_table.markdown(
        compared(rows("dnp_wiener", [1.0], **WHITE), dnp_wiener=steps)
    )
    assert "| dnp (num_steps=500, mask=wiener) | 1 | -2.52 / 1.00 |" in text


def test_the_paper_s_table_of_several_evaluations_counts_a_clip_once():
    noisy, siren = rows("noisy", [1.0, 3.0], **WHITE), rows("siren", [5.0], **WHITE)
    first = paper_table.Evaluation("one", noisy)
    result = paper_table.compare([first, paper_table.Evaluation("two", noisy + siren)])
    text = paper_table.markdown(result)
    assert "| noisy | 2 | -3.82 / 2.00 |" in text
    assert "Of other clips than noisy: siren" in text
    other = paper_table.Evaluation("two", rows("noisy", [9.0], **WHITE))
    with pytest.raises(InputError, match="one and two: different scores of noisy on"):
        paper_table.compare([first, other])


def test_seeds_of_one_clip_are_no_clips_of_their_own():
    """Means and intervals are those of the means of each clip."""
    rng = np.random.default_rng(0)
    noisy, other = rng.normal(0, 1, (2, 3, 6))
    noisy[1, 2] = np.nan
    found, means = [], []
    for method, values in (("noisy", noisy), ("b", other)):
        for seed, of_seed in enumerate(values):
            found += rows(method, of_seed, **{**WHITE, "seed": seed})
        means += rows(method, np.nanmean(values, axis=0), **WHITE)
    means[-4]["ssnr"] = np.mean(other[[0, 2], 2])  # paired with what noisy has
    many, one = (tables.summarise(x, ["noisy", "b"]) for x in (found, means))
    assert many["noisy"]["ssnr"].mean == pytest.approx(one["noisy"]["ssnr"].mean)
    wide, narrow = (x["b"]["ssnr"].difference for x in (many, one))
    assert wide == pytest.approx(narrow)
    assert many["b"]["ssnr"].num_clips == 6
    line = compared(found).lines[1]
    assert line["clips"] == 6 and not line["without_value"]
    figure = score_plots.over_snr(found, ["noisy"])
    drawn = figure.axes[0].containers[0].lines[0].get_ydata()
    assert drawn == pytest.approx([np.nanmean(noisy, axis=0).mean()])


def test_the_paper_s_table_takes_settings_that_came_later_as_usual_ones():
    config = dataclasses.asdict(methods.parse("wiener").config)
    old = {"method": "wiener", **config}
    old.pop(next(iter(config)))
    text = paper_table.markdown(compared(rows("wiener", [2.0], **WHITE), wiener=old))
    assert "| wiener | 1 | 2.00 |" in text


def test_the_command_writes_the_paper_s_table(tmp_path):
    """Excerpts and whole clips in tables of their own."""
    for folder, length, ssnr in (("whole", None, 1.0), ("parts", 3.0, 2.0)):
        scores = rows("wiener", [ssnr], noise="white", snr_db=0.0)
        run_dir.keep_settings(tmp_path / folder, {"max_seconds": length})
        atomic.write_csv(tmp_path / folder / "scores.csv", scores[0].keys(), scores)
    folders = f"{tmp_path / 'whole'},{tmp_path / 'parts'}"
    flags = (f"--evaluations={folders}", f"--output_dir={tmp_path / 'out'}")
    done = run_script("table1.py", *flags)
    parts, whole = done.stdout.split("whole clips;")
    assert "| wiener | 1 | 2.00 |" in parts and "first 3 s of each clip" in parts
    assert "| wiener | 1 | 1.00 |" in whole
    assert (tmp_path / "out" / "table1.md").read_text() in done.stdout
    lines = atomic.read_csv(tmp_path / "out" / "table1.csv")
    one = ["paper"] * 5 + ["inr_jax"]
    assert [line["source"] for line in lines] == 2 * one
    assert [line["max_seconds"] for line in lines] == [*5 * [""], "3.0", *6 * [""]]
    run_dir.keep_settings(tmp_path / "share", {"num_shards": 2})
    shutil.copy(tmp_path / "whole" / "scores.csv", tmp_path / "share")
    share = f"--evaluations={tmp_path / 'share'}"
    done = run_script("table1.py", share, flags[1], expect=2)
    assert "share: one of 2 shards; join them by inr-jax evaluate" in done.stderr
    done = run_script("table1.py", "--evaluations=nowhere", flags[1], expect=2)
    assert "nowhere/scores.csv: not there" in done.stderr


@pytest.fixture
def evaluated(tmp_path):
    """A folder as evaluations leave it."""
    scores = rows("wiener", [1.0], noise="white", snr_db=0.0)
    settings = {"max_seconds": None, "num_shards": 1}
    methods = {"wiener": {"method": "wiener"}}
    run_dir.keep_settings(tmp_path / "one", settings, methods=methods)
    atomic.write_csv(tmp_path / "one" / "scores.csv", scores[0].keys(), scores)
    return tmp_path / "one"


def table_command(run_command, folder):
    out = folder.parent / "out"
    flags = (f"--evaluations={folder}", f"--output_dir={out}")
    code, _, err = run_command("table", *flags)
    return code, err, out


def test_a_table_of_rows_that_a_spreadsheet_saved(evaluated, run_command):
    path = evaluated / "scores.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    code, _, out = table_command(run_command, evaluated)
    assert code == 0 and "| wiener | 1 | 1.00 |" in (out / "table1.md").read_text()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (",", ";", "no column clip"),
        ("noise", "sound", "no column noise"),
        (",0.0\n", "\n", "a line without snr_db"),
        (",0.0\n", ",zero\n", "snr_db = 'zero'"),
    ],
)
def test_damaged_scores_are_refused(evaluated, run_command, old, new, reason):
    path = evaluated / "scores.csv"
    text = path.read_text()
    assert text != text.replace(old, new)
    path.write_text(text.replace(old, new))
    code, err, out = table_command(run_command, evaluated)
    assert code == 2 and reason in err and len(err.splitlines()) == 1
    assert not out.exists() or not list(out.iterdir())


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("max_seconds", -1, "max_seconds is -1"),
        ("max_seconds", "3", "max_seconds is '3'"),
        ("num_shards", "two", "one of two shards"),
        ("methods", None, "methods are not settings"),
        ("methods", {"wiener": "wiener"}, "methods are not settings"),
    ],
)
def test_damaged_settings_are_refused(evaluated, run_command, name, value, reason):
    config = json.loads((evaluated / "config.json").read_text())
    (config if name == "methods" else config["settings"])[name] = value
    atomic.write_json(evaluated / "config.json", config)
    code, err, _ = table_command(run_command, evaluated)
    assert code == 2 and reason in err and len(err.splitlines()) == 1


def test_rows_of_two_networks_do_not_become_one():
    settings = [{"method": "hyper_siren", "weights_sha256": x} for x in ("a", "b")]
    two = [
        paper_table.Evaluation(name, rows("hyper_siren", [1.0], **WHITE, clip=name), {})
        for name in "xy"
    ]
    paper_table.compare(two)
    two = [
        one._replace(methods={"hyper_siren": its})
        for one, its in zip(two, settings, strict=True)
    ]
    with pytest.raises(InputError, match="x and y: hyper_siren of different weights"):
        paper_table.compare(two)


def test_the_documented_table_is_that_of_the_kept_rows(tmp_path, run_command):
    """From rows to `experiments/results` to `docs/paper.md`, nothing is typed by hand."""
    kept = REPOSITORY / "experiments" / "results" / "table1"
    folders = ",".join(
        map(str, sorted(path for path in kept.iterdir() if path.is_dir()))
    )
    flags = (f"--evaluations={folders}", f"--output_dir={tmp_path}")
    code, _, _ = run_command("table", *flags)
    assert code == 0
    for name in ("table1.md", "table1.csv"):
        assert (tmp_path / name).read_text() == (kept / name).read_text()
    page = (REPOSITORY / "docs" / "paper.md").read_text()
    assert (kept / "table1.md").read_text().strip() in page


def test_a_table_has_as_many_cells_as_titles():
    assert markdown.table(["a", "b"], [[1, "x"]]) == "| a | b |\n|---|---|\n| 1 | x |\n"
    with pytest.raises(ValueError, match="1 cells under 2 titles"):
        markdown.table(["a", "b"], [[1]])
