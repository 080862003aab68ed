"""Evaluation end to end at toy size."""

import collections
import concurrent.futures
import csv
import dataclasses
import functools
import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import CLIPS, REPOSITORY, is_drawn, run_script

from inr_jax import audio, metrics
from inr_jax.configs import methods
from inr_jax.data import datasets, noise
from inr_jax.data.noise import Condition
from inr_jax.errors import InputError
from inr_jax.evaluation import manifest, results, runner
from inr_jax.evaluation.report import from_store
from inr_jax.evaluation.source import Source
from inr_jax.evaluation.store import Store
from inr_jax.evaluation.systems import Output, System
from inr_jax.io import run_dir
from inr_jax.metrics import pool
from inr_jax.metrics.dnsmos import NAMES as DNSMOS

TOY = ("--max_clips=2", "--max_seconds=1", "--compilation_cache=")


def rows_of(folder):
    with open(folder / "scores.csv") as file:
        return list(csv.DictReader(file))


def kill_evaluate(num_rows, flags, path):
    """Kills it, as nothing can prevent, once so many rows are in `path`."""
    process = subprocess.Popen(
        [sys.executable, REPOSITORY / "experiments" / "evaluate.py", *flags],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None:
        if path.exists() and path.read_bytes().count(b"\n") >= num_rows:
            process.kill()
            process.wait()
        time.sleep(0.01)
    assert process.returncode == -signal.SIGKILL
    return path.read_text()


@pytest.mark.slow
def test_evaluate_killed_at_random_resumes_to_the_same_scores(tmp_path):
    """In recorded noise, for which speech is used."""
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
    for num_rows in (2, 6):
        kept = kill_evaluate(num_rows, flags, path)
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
    without_methods = [flag for flag in flags if "--methods" not in flag]
    run_script("evaluate.py", *without_methods, "--rescore")
    assert rows_of(tmp_path) == rows  # of all that were kept
    sound = next(iter(tmp_path.rglob("lowpass/*.wav")))
    sound.unlink()
    done = run_script("evaluate.py", *flags, "--rescore", expect=2)
    assert f"{sound.name}: not there" in done.stderr


class Pool:
    """Scores in this thread: the energy of an estimate stands for every metric."""

    def submit(self, job):
        future = concurrent.futures.Future()
        names = {"clip": job.clip, "method": job.method, "seed": job.seed}
        scores = dict.fromkeys(job.metrics, float(np.sum(job.estimate**2)))
        future.set_result({**names, "seconds": 0.5, **scores})
        return future


def system(*labels):
    """Gives back the clips as they are, for each label; notes what it is given."""
    given = []

    def run(examples, seeds, on_clips):
        for i, (example, seed) in enumerate(zip(examples, seeds, strict=True)):
            given.append((example.name, seed))
            on_clips(1)
            yield from (Output(label, i, example.noisy, 1.0) for label in labels)

    return System(labels, run), given


def counted(monkeypatch, module, name, key=str):
    """Counts calls of a function by the `key` of its first argument."""
    calls, function = collections.Counter(), getattr(module, name)

    def counting(first, *args, **kwargs):
        calls[key(first)] += 1
        return function(first, *args, **kwargs)

    monkeypatch.setattr(module, name, counting)
    return calls


CONDITIONS = [Condition("white", level, 0) for level in (0.0, 5.0)]


def test_a_clip_is_decoded_mixed_and_hashed_once(tmp_path, monkeypatch):
    """Whatever the number of conditions, methods and writers."""
    root = tmp_path / "clips"  # no other test has hashed them
    shutil.copytree(CLIPS, root)
    clips = datasets.find_clips(root)[:3]
    source = Source(clips, max_seconds=0.3, root=str(root))
    store, systems = Store(tmp_path), [system("a")[0], system("b", "c")[0]]
    decoded = counted(monkeypatch, audio, "read")
    mixed = counted(monkeypatch, noise, "clip_seed")
    hashed = counted(monkeypatch, hashlib, "file_digest", lambda file: str(file.name))
    rows = []
    place = runner.Place(store, Pool())
    assert not runner.run(place, source, systems, CONDITIONS, rows.append, chunk=2)
    assert sum(rows) == 3 * 3 * 2 == len(store.rows)
    listed = manifest.write(store, source, {"pairs_dir": None})
    assert manifest.read(listed).choose(clips) == clips
    summaries = results.summarise(store, "abc", CONDITIONS)
    results.write(store, summaries)
    from_store.write(store, source, summaries)
    paths = {str(clip.path) for clip in clips}
    assert {path: n for path, n in decoded.items() if path in paths} == dict.fromkeys(
        paths, 1
    )
    assert hashed == dict.fromkeys(paths, 1)
    assert mixed["0"] == 3 * 2 * 3  # a seed of the noise, and of each system


def test_what_is_done_is_not_done_again(tmp_path):
    """A system whose labels are all there gets no clip; one that lacks a row, that one."""
    source = Source(datasets.find_clips(CLIPS)[:2], max_seconds=0.3)
    place = runner.Place(Store(tmp_path), Pool(), keep_audio=False)
    runner.run(place, source, [system("a")[0]], CONDITIONS[:1])
    both, given = system("a", "b")
    place = runner.Place(Store(tmp_path), Pool(), keep_audio=False)
    runner.run(place, source, [both], CONDITIONS[:1])
    assert len(given) == 2 and len((tmp_path / "rows.jsonl").read_text().split()) > 4
    assert (tmp_path / "rows.jsonl").read_text().count("\n") == 4
    runner.run(place, source, [both], CONDITIONS[:1])
    assert len(given) == 2
    assert not list(tmp_path.rglob("*.wav"))


def test_long_clips_run_a_few_at_a_time(tmp_path, monkeypatch):
    """However many may run together, so that memory is bounded."""
    source = Source(datasets.find_clips(CLIPS)[:3], max_seconds=0.3)
    (plain, _), together = system("a"), []

    def run(examples, *rest):
        together.append([example.name for example in examples])
        return plain.run(examples, *rest)

    one = source.load(0, CONDITIONS[0])
    num_bytes = one.clean.nbytes + one.noisy.nbytes
    monkeypatch.setattr(runner, "_LOADED_BYTES", num_bytes)
    place = runner.Place(Store(tmp_path), Pool(), keep_audio=False)
    assert not runner.run(place, source, [plain._replace(run=run)], CONDITIONS[:1])
    names = [clip.name for clip in source.clips]
    assert together == [names[:2], names[2:]]
    assert {row["clip"] for row in place.store.rows} == set(names)


def test_rows_of_long_fits_are_kept_before_the_next_fit_begins(tmp_path):
    class Slow(Pool):
        def submit(self, job):
            return threads.submit(
                lambda: time.sleep(0.05) or Pool().submit(job).result()
            )

    source = Source(datasets.find_clips(CLIPS)[:2], max_seconds=0.3)
    kept, (plain, _) = [], system("a", "b")

    def run(*args):
        for output in plain.run(*args):
            kept.append(len(Store(tmp_path).rows))
            yield output
        kept.append(len(Store(tmp_path).rows))  # where fits delete their state

    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        place = runner.Place(Store(tmp_path), Slow(), keep_audio=False)
        fits = [plain._replace(run=run, resumes=True)]
        runner.run(place, source, fits, CONDITIONS[:1])
    assert kept == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("line", ["{\x00", '{"clip": "a"}', "[]"])
def test_a_damaged_row_is_named_and_what_stands_around_it_stays(tmp_path, line):
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{line}\nbegun")
    with pytest.raises(InputError, match="rows.jsonl: line 1 is damaged; delete that"):
        Store(tmp_path)
    assert path.read_text() == f"{line}\nbegun"


def test_a_clip_that_cannot_be_read_costs_no_other(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "broken.wav").write_text("not sound")
    (tmp_path / "in" / "whole.flac").write_bytes((CLIPS / "letter.flac").read_bytes())
    source = Source(datasets.find_clips(tmp_path / "in"), max_seconds=0.3)
    store = Store(tmp_path / "out")
    (tmp_path / "out").mkdir()
    place = runner.Place(store, Pool(), keep_audio=False)
    (problem,) = runner.run(place, source, [system("a")[0]], CONDITIONS)
    assert "broken.wav" in problem
    assert [row["clip"] for row in store.rows] == ["whole"] * 2


def test_folders_of_estimates_differ_by_label_on_any_file_system(tmp_path):
    store = Store(tmp_path)
    labels = ("siren", "siren:num_steps=2", "hypersound:weights=/a/b", "a b", "a/b")
    paths = [store.audio_path("clip", label, CONDITIONS[0]) for label in labels]
    assert len({path.parent for path in paths}) == len(labels)
    for path in paths:
        assert len(path.relative_to(tmp_path).parts) == 4
        assert not set(":\\?*<>|") & set(str(path.relative_to(tmp_path)))
    assert paths[1].parent.name == "siren,num_steps=2"


def test_rows_of_several_processes_are_one_store(tmp_path):
    """Each writes its own file; a row that was cut short is nobody's."""
    stores = [Store(tmp_path, process) for process in range(2)]
    for i, store in enumerate(stores):
        store.add({"clip": str(i), "method": "a", **CONDITIONS[0]._asdict()})
    with open(tmp_path / "rows.1.jsonl", "a") as file:
        file.write('{"clip": "for')
    whole = Store(tmp_path)
    assert list(whole.done("a", CONDITIONS[0])) == ["0", "1"]
    assert not whole.done("a", CONDITIONS[1]) and not whole.of(CONDITIONS[0], "b")
    whole.replace(whole.rows)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]
    assert len(Store(tmp_path).rows) == 2


def test_scores_of_an_earlier_version_are_refused(tmp_path):
    (tmp_path / "scores.csv").write_text("clip,method\na,noisy\n")
    with pytest.raises(InputError, match="of an earlier version, without rows.jsonl"):
        Store(tmp_path)


def test_a_clip_is_read_once_to_score_all_methods_anew(tmp_path, monkeypatch):
    clips = datasets.find_clips(CLIPS)[:2]
    source, store = Source(clips, max_seconds=0.5), Store(tmp_path)
    for condition in CONDITIONS:
        for method in ("noisy", "silence"):  # as rows come: method by method
            for i, clip in enumerate(clips):
                example = source.load(i, condition)
                estimate = example.noisy if method == "noisy" else 0 * example.noisy
                path = store.audio_path(clip.name, method, condition)
                audio.write(path, estimate, example.sample_rate, "FLOAT")
                store.add({"clip": clip.name, "method": method, **condition._asdict()})
    fresh = Source(clips, max_seconds=0.5)
    decoded = counted(monkeypatch, audio, "read")
    runner.rescore(runner.Place(store, Pool()), fresh, lambda rows: None)
    assert [decoded[str(clip.path)] for clip in clips] == [1, 1]
    assert len(store.rows) == 2 * 2 * 2
    assert all((row["pesq"] > 0) == (row["method"] == "noisy") for row in store.rows)


def fake_dnsmos(monkeypatch):
    """The networks need packages, and seconds: the power of an estimate stands for all."""
    scores = dict.fromkeys(pool.DNSMOS)

    def dnsmos(estimate, sample_rate):
        assert sample_rate == pool.SCORE_RATE
        return {name: metrics.Value(np.mean(estimate**2)) for name in scores}

    monkeypatch.setattr(metrics, "dnsmos", dnsmos)
    module = sys.modules["inr_jax.metrics.dnsmos"]  # the name is that of a function
    monkeypatch.setattr(module, "require_packages", lambda: None)


@pytest.mark.slow
def test_dnsmos_is_added_to_rows_and_tables_where_it_is_asked_for(
    tmp_path, monkeypatch
):
    fake_dnsmos(monkeypatch)
    flags = (f"--clean_dir={CLIPS}", f"--output_dir={tmp_path}", *TOY)
    evaluate = functools.partial(run_script, "evaluate.py", *flags)
    assert "DNSMOS" not in evaluate("--methods=noisy", "--noreport").stdout
    assert not set(DNSMOS) & set(rows_of(tmp_path)[0])
    done = evaluate("--methods=noisy,silence", "--dnsmos", "--noreport", expect=2)
    assert "has rows without DNSMOS; --rescore adds it" in done.stderr
    evaluate("--methods=noisy", "--dnsmos", "--rescore", "--noreport")
    assert [row["method"] for row in rows_of(tmp_path)] == ["noisy"] * 2 + ["clean"] * 2
    # what is added to these rows has it without being asked for
    text = evaluate("--methods=noisy,silence").stdout
    assert (
        "| over-attenuated | DNSMOS SIG | DNSMOS BAK | DNSMOS OVRL | DNSMOS P.808 |"
        in text
    )
    rows = {(row["method"], row["clip"]): row for row in rows_of(tmp_path)}
    assert {method for method, _ in rows} == {"noisy", "silence", "clean"}
    for (method, _), row in rows.items():
        power = float(row["dnsmos_ovrl"])
        assert power < 1e-6 if method == "silence" else power > 1e-4
        assert row["lag"] == "0.0" and (method != "clean" or row["si_sdr"] == "inf")
    table = json.loads((tmp_path / "table.json").read_text())
    assert table[2]["method"] == "clean" and table[2]["dnsmos_bak_low"] < 0
    page = (tmp_path / "report" / "data.js").read_text()
    report = json.loads(page.removeprefix("const REPORT = ").removesuffix(";\n"))
    assert report["metrics"][-1]["title"] == "DNSMOS P.808"
    assert [row["method"] for row in report["table"]] == ["noisy", "silence", "clean"]
    takes = report["clips"][0]["takes"]
    assert [take["method"] for take in takes] == ["clean", "noisy", "silence"]
    assert takes[1]["scores"]["dnsmos_sig"] > 0 and not takes[0]["scores"]


def test_clips_above_16_khz_have_the_sdr_of_their_highs(tmp_path):
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(0)
    for rate in (16_000, 48_000):
        sound = 0.1 * rng.standard_normal((rate, 1)).astype(np.float32)
        audio.write(tmp_path / "in" / f"{rate}.wav", sound, rate, "FLOAT")
    flags = (f"--clean_dir={tmp_path / 'in'}", "--methods=noisy,lowpass", "--noreport")
    flags += ("--snr_db=10", f"--output_dir={tmp_path / 'out'}", "--compilation_cache=")
    text = run_script("evaluate.py", *flags).stdout
    assert (
        "| over-attenuated | SDR 8-20 kHz dB |" in text
        and "noisy SDR 8-20 kHz dB: 1;" in text
    )
    highs = {(r["method"], r["clip"]): r["high_sdr"] for r in rows_of(tmp_path / "out")}
    assert float(highs["noisy", "48000"]) == pytest.approx(10, abs=0.2)
    assert float(highs["lowpass", "48000"]) == pytest.approx(0, abs=0.1)
    assert highs["noisy", "16000"] == ""


@pytest.mark.slow
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
    more = ("--methods=silence", *(flag for flag in flags if "methods" not in flag))
    run_script("evaluate.py", *more, f"--output_dir={tmp_path / 'all'}")
    run_script("evaluate.py", *flags, *merged)  # rows that were added stay
    text = (tmp_path / "all" / "rows.jsonl").read_text()
    assert '"method": "silence"' in text and '"method": "lowpass"' in text
    twice = (f"--merge={shards[0]},{shards[0]}", f"--output_dir={tmp_path / 'twice'}")
    done = run_script("evaluate.py", *flags, *twice, expect=2)
    assert "each of the 2 shards is needed once" in done.stderr
    killed = shards[1] / "rows.jsonl"
    killed.write_text("".join(killed.read_text().splitlines(keepends=True)[:-1]))
    done = run_script("evaluate.py", *flags, *merged, expect=2)
    assert f"{shards[1]}: not finished, lacks lowpass of" in done.stderr
    listed = (f"--manifest={whole / 'manifest.json'}", "--methods=noisy", *flags[2:])
    again = tmp_path / "again"
    run_script("evaluate.py", *listed, f"--output_dir={again}")
    assert [row["clip"] for row in rows_of(again)] == sorted(
        row["clip"] for row in rows_of(whole) if row["method"] == "noisy"
    )
    assert json.loads((again / "manifest.json").read_text())["root"] == str(CLIPS)


@pytest.mark.slow
def test_shards_with_no_clip_and_with_a_killed_method(tmp_path):
    """Two clips that can be read, one that cannot, and a share of none."""
    clips = tmp_path / "clips"
    clips.mkdir()
    shutil.copy(next(CLIPS.glob("letter*")), clips / "0.flac")
    (clips / "1.wav").write_bytes(b"no sound")
    shutil.copy(clips / "0.flac", clips / "2.flac")
    flags = (f"--clean_dir={clips}", "--methods=noisy", "--compilation_cache=")
    flags += ("--noreport", "--max_seconds=1")
    shards = [tmp_path / "shards" / str(i) for i in range(4)]
    for i, (folder, code) in enumerate(zip(shards, (0, 2, 0, 0), strict=True)):
        share = ("--num_shards=4", f"--shard_index={i}", f"--output_dir={folder}")
        done = run_script("evaluate.py", *flags, *share, expect=code)
        assert ("1.wav" in done.stderr) == (i == 1)
        run_script("evaluate.py", *flags, *share, expect=code)  # again
    merged = f"--merge={','.join(map(str, shards))}"
    run_script("evaluate.py", *flags, merged, f"--output_dir={tmp_path / 'all'}")
    assert [row["clip"] for row in rows_of(tmp_path / "all")] == ["0", "2"]
    (shards[0] / "rows.jsonl").write_text("")
    merged = (merged, f"--output_dir={tmp_path / 'never'}")
    done = run_script("evaluate.py", *flags, *merged, expect=2)
    assert "not finished, lacks noisy of 0 in white, 0 dB" in done.stderr
    (shards[2] / "rows.jsonl").write_text("")
    done = run_script("evaluate.py", *flags, *merged, expect=2)
    assert "none of the shards has a row" in done.stderr


@pytest.mark.slow
def test_rows_of_files_that_were_others_are_not_mixed_with_new_ones(tmp_path):
    clips, noises = tmp_path / "clips", tmp_path / "noises"
    for folder, names in ((clips, "bc"), (noises, "xy")):
        folder.mkdir()
        for name, path in zip(names, sorted(CLIPS.glob("*.flac")), strict=False):
            shutil.copy(path, folder / f"{name}.flac")
    flags = ("--methods=noisy", "--compilation_cache=", "--noreport", "--max_seconds=1")

    def evaluate(out, *more, expect=0):
        places = (f"--clean_dir={clips}", f"--output_dir={tmp_path / out}")
        return run_script("evaluate.py", *flags, *places, *more, expect=expect).stderr

    recorded = f"--noise={noises}"
    evaluate("white")
    evaluate("recorded", recorded)
    shutil.copy(clips / "b.flac", clips / "a.flac")
    evaluate("white")  # a clip more, in noise of its own
    error = evaluate("recorded", recorded, expect=2)
    assert "has scores of b in the noise of another recording" in error
    (clips / "a.flac").unlink()
    shutil.copy(noises / "x.flac", noises / "y.flac")
    error = evaluate("recorded", recorded, expect=2)
    assert "in the noise of other recordings; choose another folder" in error
    before = (tmp_path / "white" / "manifest.json").read_text()
    shutil.copy(clips / "b.flac", clips / "c.flac")
    error = evaluate("white", "--methods=lowpass", expect=2)
    assert "has scores of a clip c that was another file" in error
    assert (tmp_path / "white" / "manifest.json").read_text() == before


RECORDED = Condition("n", 0.0, 0)


@pytest.fixture
def place(tmp_path):
    """Clips b and c and two recordings of noise, all different."""
    for folder, names in (("clips", "bc"), ("n", "xy")):
        for name in names:
            write_clip(tmp_path / folder / f"{name}.wav", name)
    return tmp_path


def write_clip(path, text):
    samples = np.random.default_rng(list(text.encode())).uniform(-0.5, 0.5, 160)
    audio.write(path, samples, 16_000)


def source_of(place):
    clips, recordings = (datasets.find_clips(place / x) for x in ("clips", "n"))
    return Source(clips, recordings, root=str(place / "clips"))


def begun(folder, source, conditions=(RECORDED,), methods=("noisy",), **settings):
    """An evaluation whose rows are those of the clips that are not there yet."""
    store = Store(folder)
    manifest.check(store, source)
    described = {label: {} for label in methods}
    run_dir.keep_settings(folder, {"num_shards": 1, **settings}, methods=described)
    manifest.write(store, source, {})
    for condition in conditions:
        for label in methods:
            for clip in source.clips:
                if clip.name not in store.done(label, condition):
                    row = {"clip": clip.name, "method": label, **condition._asdict()}
                    store.add(row)
    return store


def shards_of(place, count=2, folder="shard", **options):
    source = source_of(place)
    folders = [place / f"{folder}_{i}" for i in range(count)]
    for i, path in enumerate(folders):
        share = {"num_shards": count, "shard_index": i}
        begun(path, source.share(i, count), **options, **share)
    return folders


def test_a_clip_that_was_away_is_known_when_it_is_back(place):
    begun(place / "out", source_of(place))
    (place / "clips" / "c.wav").unlink()
    begun(place / "out", source_of(place))
    write_clip(place / "clips" / "c.wav", "another")
    with pytest.raises(InputError, match="a clip c that was another file"):
        begun(place / "out", source_of(place))
    write_clip(place / "clips" / "c.wav", "c")
    begun(place / "out", source_of(place))


def test_a_link_to_nowhere_has_its_turn_of_the_noise(place):
    link = place / "clips" / "a.wav"
    link.symlink_to(place / "nowhere.wav")
    source = Source(
        [datasets.Clip("a", link), *source_of(place).clips], source_of(place).recordings
    )
    store = begun(place / "out", source)
    store.replace([row for row in store.rows if row["clip"] != "a"])
    write_clip(place / "nowhere.wav", "a")
    begun(place / "out", source)
    store.replace([row for row in store.rows if row["clip"] != "a"])
    with pytest.raises(InputError, match="b in the noise of another recording"):
        begun(place / "out", dataclasses.replace(source, clips=source.clips[1:]))


def test_merging_takes_of_a_shard_what_its_share_is_now(place):
    """Clip c was in the other share, in other noise, before a came."""
    folders = shards_of(place)
    write_clip(place / "clips" / "a.wav", "a")
    folders = shards_of(place)
    assert Store(folders[1]).done("noisy", RECORDED) == {"b", "c"}
    results.merge(folders, place / "whole", source_of(place), {})
    assert Store(place / "whole").done("noisy", RECORDED) == {"a", "b", "c"}
    rows = Store(folders[0]).rows
    assert Store(place / "whole").row("c", "noisy", RECORDED) in rows


def test_merging_refuses_shards_of_files_that_have_changed(place):
    folders = shards_of(place)
    results.merge(folders, place / "whole", source_of(place), {})
    manifest.write(Store(place / "whole"), source_of(place), {})
    before = (place / "whole" / "rows.jsonl").read_text()
    write_clip(place / "clips" / "b.wav", "another")
    with pytest.raises(InputError, match="whole: has scores of a clip b that was"):
        results.merge(folders, place / "whole", source_of(place), {})
    with pytest.raises(InputError, match="shard_0: has scores of a clip b that was"):
        results.merge(folders, place / "new", source_of(place), {})
    assert (place / "whole" / "rows.jsonl").read_text() == before
    assert not (place / "new").exists()


def test_merging_says_what_is_missing(place):
    (place / "clips" / "d.wav").write_bytes(b"no sound")
    folders = shards_of(place, methods=("noisy", "wiener"), max_clips=None)
    for folder in folders:  # killed before the second method began
        store = Store(folder)
        rows = [row for row in store.rows if row["method"] == "noisy"]
        store.replace([row for row in rows if row["clip"] != "d"])
    whole = (folders, place / "whole", source_of(place))
    with pytest.raises(InputError, match="shard_0: not finished, lacks wiener of b"):
        results.merge(*whole, {})
    with pytest.raises(InputError, match="max_clips = None, not 2"):
        results.merge(*whole, {"max_clips": 2})
    louder = RECORDED._replace(snr_db=5.0)
    with pytest.raises(InputError, match="lacks noisy of b in n, 5 dB"):
        results.merge(*whole, {}, ["noisy"], [louder])
    results.merge(*whole, {}, ["noisy"])
    assert len(Store(place / "whole").rows) == 2


@pytest.mark.slow
def test_results_that_papers_and_programs_read(tmp_path):
    flags = (f"--clean_dir={CLIPS}", "--methods=noisy,lowpass", "--snr_db=0,5", *TOY)
    run_script("evaluate.py", *flags, f"--output_dir={tmp_path}")
    table = json.loads((tmp_path / "table.json").read_text())
    assert [line["method"] for line in table] == ["noisy", "lowpass"] * 2
    means = [float(row["stoi"]) for row in rows_of(tmp_path)[:2]]
    assert table[0]["clips"] == 2 and table[0]["stoi"] == pytest.approx(sum(means) / 2)
    difference = table[1]["stoi"] - table[0]["stoi"]
    assert table[1]["stoi_low"] <= difference <= table[1]["stoi_high"]
    assert table[1]["stoi_low"] < table[1]["stoi_high"]
    assert r"lowpass & " in (tmp_path / "table.tex").read_text()
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert len(manifest["clips"]) == 2 and manifest["flags"]["noise"] == "white"
    assert {"jax", "pesq"} <= set(manifest["versions"])
    for name in ("over_cost", "over_snr", "pesq_by_clip", "mel", "waveform"):
        for ending in ("png", "pdf"):
            drawn = tmp_path / "figures" / f"{name}.{ending}"
            assert is_drawn(drawn)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "give one of --clean_dir"),
        (("--clean_dir=x", "--pairs_dir=y"), "give one of --clean_dir"),
        ((f"--clean_dir={CLIPS}", "--snr_db=a"), "--snr_db must be"),
        ((f"--clean_dir={CLIPS}", "--methods=magic"), "method must be one of"),
        (("--clean_dir=nowhere",), "nowhere: no such folder"),
        ((f"--clean_dir={CLIPS}", "--num_shards=2", "--shard_index=2"), "be below"),
        ((f"--clean_dir={CLIPS}", "--merge=nowhere"), "holds no settings"),
        (("--merge=nowhere",), "--merge needs the flags of the shards: give one of"),
        (("--manifest=nowhere",), "nowhere: no manifest.json"),
        ((f"--clean_dir={CLIPS}", "--methods=noisy:loud=1"), "no setting 'loud'"),
        ((f"--clean_dir={CLIPS}", "--methods="), "names no method"),
        ((f"--clean_dir={CLIPS}", "--rescore"), "holds no scores"),
        (
            (f"--clean_dir={CLIPS}", "--methods=noisy,hyper_siren:output_rate=32000"),
            "scores are at the rate of the clips",
        ),
        ((f"--pairs_dir={CLIPS}", f"--noise={CLIPS}"), "makes no sense with --pairs"),
        (
            (f"--clean_dir={CLIPS}", "--methods=hyper_gain", "--checkpoint=nowhere"),
            "nowhere: no trained weights",
        ),
        (
            (f"--clean_dir={CLIPS}", "--methods=hypersound:output_rate=-16000"),
            "output_rate must be at least 1",
        ),
        ((f"--clean_dir={CLIPS}", "--sigma=0.1", "--snr_db=0"), "not both"),
        ((f"--pairs_dir={CLIPS}", "--snr_db=0"), "make no sense with --pairs_dir"),
    ],
)
def test_flags_that_make_no_sense(tmp_path, flags, message):
    flags = (*flags, f"--output_dir={tmp_path / 'new'}", *TOY)
    done = run_script("evaluate.py", *flags, expect=2)
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_without_a_clip_that_can_be_used_nothing_is_left(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "broken.wav").write_text("not sound")
    flags = (f"--clean_dir={tmp_path / 'in'}", f"--output_dir={tmp_path / 'out'}")
    done = run_script("evaluate.py", *flags, *TOY, "--methods=noisy", expect=2)
    assert "no clip could be used; the first: " in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_rows_of_one_method_with_other_settings(tmp_path):
    """An ablation: every row has settings of its own, and they are recorded."""
    spec = "gain_field:num_fields=1:num_steps=2"
    methods = f"--methods=noisy,{spec},{spec}:divergence=False"
    flags = (f"--clean_dir={CLIPS}", f"--output_dir={tmp_path}", *TOY)
    done = run_script("evaluate.py", *flags, methods)
    assert f"| {spec} |" in done.stdout and len(rows_of(tmp_path)) == 2 * 3
    recorded = json.loads((tmp_path / "config.json").read_text())["methods"]
    assert recorded[spec]["num_steps"] == 2 and recorded[spec]["divergence"]
    assert not recorded[f"{spec}:divergence=False"]["divergence"]
    # a flag counts for those that have the setting and do not set it themselves
    flags = (*flags, "--noreport")
    run_script("evaluate.py", *flags, f"--methods={spec},dnp", "--dnp_num_steps=1")
    recorded = json.loads((tmp_path / "config.json").read_text())["methods"]
    assert recorded["dnp"]["num_steps"] == 1 and "noisy" in recorded
    done = run_script("evaluate.py", *flags, "--methods=dnp", expect=2)
    assert "holds results with dnp.num_steps = 1, not 5000" in done.stderr


def test_the_flags_of_the_ablation_are_ones_that_it_takes():
    path = REPOSITORY / "experiments" / "configs" / "gain_field_ablation.flags"
    (line,) = (x for x in path.read_text().splitlines() if x.startswith("--methods="))
    parsed = list(map(methods.parse, line.removeprefix("--methods=").split(",")))
    assert len({method.config for method in parsed}) == len(parsed) == 16


def test_white_noise_of_a_given_deviation(tmp_path):
    flags = (f"--clean_dir={CLIPS}", f"--output_dir={tmp_path}", *TOY, "--noreport")
    run_script("evaluate.py", *flags, "--methods=noisy", "--sigma=0.1")
    (noise,) = {row["noise"] for row in rows_of(tmp_path)}
    assert noise == "white of deviation 0.1"
    path = next(iter(tmp_path.rglob("noisy/*.wav")))
    clean = audio.read(CLIPS / f"{path.stem}.flac").samples[:16_000]
    assert np.std(audio.read(path).samples - clean) == pytest.approx(0.1, rel=0.02)
