"""Evaluation and ablation end to end at toy size."""

import concurrent.futures
import csv
import json
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import CLIPS, REPOSITORY, run_script

from inr_jax import audio
from inr_jax.data import datasets
from inr_jax.evaluation import runner, store

TOY = ("--max_clips=2", "--max_seconds=1", "--compilation_cache=")


def rows_of(folder):
    with open(folder / "scores.csv") as file:
        return list(csv.DictReader(file))


def kill_evaluate(num_rows, flags, path):
    """Kills it, as nothing can prevent, some time after so many rows are in `path`."""
    process = subprocess.Popen(
        [sys.executable, REPOSITORY / "experiments" / "evaluate.py", *flags],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None:
        if path.exists() and path.read_bytes().count(b"\n") >= num_rows:
            time.sleep(random.uniform(0, 0.2))
            process.kill()
            process.wait()
        time.sleep(0.01)
    assert process.returncode == -signal.SIGKILL
    return path.read_text()


@pytest.mark.slow
def test_evaluate_killed_at_random_goes_on_to_the_same_scores(tmp_path):
    """In recorded noise (speech stands in for it)."""
    flags = (f"--clean_dir={CLIPS}", f"--noise={CLIPS}", "--snr_db=0,5", *TOY)
    flags += ("--methods=noisy,wiener,log_mmse", "--noreport")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    done = run_script("evaluate.py", *flags, f"--output_dir={whole}")
    rows = rows_of(whole)
    assert len(rows) == 2 * 3 * 2 and {row["noise"] for row in rows} == {"clips"}
    for level in (0, 5):
        noisy = [
            float(row["si_sdr"])
            for row in rows
            if row["method"] == "noisy" and float(row["snr_db"]) == level
        ]
        assert noisy == pytest.approx([level] * 2, abs=0.5)
    assert (whole / "table.md").read_text() in done.stdout
    flags += (f"--output_dir={killed}",)
    path = killed / "rows.jsonl"
    for least, most in ((1, 5), (6, 10)):
        kept = kill_evaluate(random.randint(least, most), flags, path)
    with open(path, "a") as file:
        file.write('{"clip": "for')  # killed while writing
    run_script("evaluate.py", *flags)

    def without_time(row):
        return {name: value for name, value in row.items() if name != "work_s"}

    assert list(map(without_time, rows_of(killed))) == list(map(without_time, rows))
    assert path.read_text().startswith(kept[: kept.rfind("\n") + 1])
    # shows what it is asked for
    fewer = [flag.replace("wiener,", "") for flag in flags]
    run_script("evaluate.py", *fewer)
    assert {row["method"] for row in rows_of(killed)} == {"noisy", "log_mmse"}


def test_scored_anew_from_what_was_kept(tmp_path):
    flags = (f"--clean_dir={CLIPS}", "--methods=noisy,lowpass", *TOY)
    flags += (f"--output_dir={tmp_path}", "--noreport")
    run_script("evaluate.py", *flags)
    rows, path = rows_of(tmp_path), tmp_path / "rows.jsonl"
    path.write_text(path.read_text().replace('"pesq": ', '"pesq": 9'))
    run_script("evaluate.py", *flags, "--rescore")
    assert rows_of(tmp_path) == rows
    sound = next(iter(tmp_path.rglob("lowpass/*.wav")))
    sound.unlink()
    done = run_script("evaluate.py", *flags, "--rescore", expect=2)
    assert f"{sound.name}: not there" in done.stderr


def test_a_clip_is_read_once_to_score_all_methods_anew(tmp_path, monkeypatch):
    clips = datasets.find_clips(CLIPS)[:2]
    source = store.Source(clips, max_seconds=0.5)
    found = store.Evaluation(tmp_path)
    for condition in (store.Condition("white", level, 0) for level in (0, 5)):
        for method in ("noisy", "silence"):  # as rows come: method by method
            for i, clip in enumerate(clips):
                example = source.load(i, condition)
                estimate = example.noisy if method == "noisy" else 0 * example.noisy
                path = found.sound(clip.name, method, condition)
                audio.write(path, estimate, example.sample_rate, "FLOAT")
                found.add({"clip": clip.name, "method": method, **condition._asdict()})
    read, load = [], datasets.load
    monkeypatch.setattr(
        datasets, "load", lambda *a, **k: read.append(a[:3]) or load(*a, **k)
    )

    class Pool:
        def submit(self, job):
            future = concurrent.futures.Future()
            energy = float(np.sum(job.estimate**2))
            future.set_result(
                {"energy": energy, "clip": job.clip, "method": job.method}
            )
            return future

    runner.rescore(found, source, Pool(), lambda rows: None)
    assert len(read) == len(set(read)) == 2 * 2
    assert len(found.rows) == 2 * 2 * 2
    assert all((row["energy"] > 0) == (row["method"] == "noisy") for row in found.rows)


def test_shards_make_the_whole(tmp_path):
    """In recorded noise, as a clip of a shard must keep its own."""
    flags = (f"--clean_dir={CLIPS}", "--methods=noisy,lowpass", "--max_seconds=1")
    flags += (f"--noise={CLIPS}", "--compilation_cache=", "--noreport")
    whole = tmp_path / "whole"
    run_script("evaluate.py", *flags, f"--output_dir={whole}")
    shards = [tmp_path / str(i) for i in range(2)]
    for i, folder in enumerate(shards):
        share = ("--num_shards=2", f"--shard_index={i}", f"--output_dir={folder}")
        run_script("evaluate.py", *flags, *share)
    merged = (f"--merge={shards[0]},{shards[1]}", f"--output_dir={tmp_path / 'all'}")
    run_script("evaluate.py", *flags, *merged)

    def scores(folder):
        return [{**row, "work_s": ""} for row in rows_of(folder)]

    assert scores(tmp_path / "all") == scores(whole)
    assert len(list((tmp_path / "all").rglob("*.wav"))) == 2 * len(
        list(CLIPS.glob("*.flac"))
    )
    twice = (f"--merge={shards[0]},{shards[0]}", f"--output_dir={tmp_path / 'twice'}")
    done = run_script("evaluate.py", *flags, *twice, expect=2)
    assert "needs each of the 2 shards once" in done.stderr
    listed = (f"--manifest={whole / 'manifest.json'}", "--methods=noisy", *flags[2:])
    again = tmp_path / "again"
    run_script("evaluate.py", *listed, f"--output_dir={again}")
    assert [row["clip"] for row in rows_of(again)] == sorted(
        row["clip"] for row in rows_of(whole) if row["method"] == "noisy"
    )
    assert json.loads((again / "manifest.json").read_text())["root"] == str(CLIPS)


def test_results_that_papers_and_programs_read(tmp_path):
    flags = (f"--clean_dir={CLIPS}", "--methods=noisy,lowpass", "--snr_db=0,5", *TOY)
    run_script("evaluate.py", *flags, f"--output_dir={tmp_path}")
    table = json.loads((tmp_path / "table.json").read_text())
    assert [line["method"] for line in table] == ["noisy", "lowpass"] * 2
    means = [float(row["stoi"]) for row in rows_of(tmp_path)[:2]]
    assert table[0]["clips"] == 2 and table[0]["stoi"] == pytest.approx(sum(means) / 2)
    assert table[1]["stoi_low"] <= table[1]["stoi"] - table[0]["stoi"]
    assert r"lowpass & " in (tmp_path / "table.tex").read_text()
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert len(manifest["clips"]) == 2 and manifest["flags"]["noise"] == "white"
    assert {"jax", "pesq"} <= set(manifest["versions"])
    for name in ("over_cost", "over_snr", "pesq_by_clip", "mel", "waveform"):
        for ending in ("png", "pdf"):
            drawn = tmp_path / "figures" / f"{name}.{ending}"
            assert drawn.stat().st_size > 5000


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "give --clean_dir"),
        (("--clean_dir=x", "--pairs_dir=y"), "give --clean_dir"),
        ((f"--clean_dir={CLIPS}", "--snr_db=a"), "--snr_db must be"),
        ((f"--clean_dir={CLIPS}", "--methods=magic"), "method must be one of"),
        (("--clean_dir=nowhere",), "nowhere: no such folder"),
        ((f"--clean_dir={CLIPS}", "--num_shards=2", "--shard_index=2"), "be below"),
        ((f"--clean_dir={CLIPS}", "--merge=nowhere"), "not written by this script"),
        (("--manifest=nowhere",), "nowhere: no manifest.json"),
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
