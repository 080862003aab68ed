"""Processes that share the work on one machine, as they would on several."""

import csv
import json
import os
import socket
import subprocess
import sys

import pytest
import soundfile
from absl.testing import flagsaver
from conftest import REPOSITORY, run_process, run_script

from inr_jax.cli.flags import devices
from inr_jax.errors import InputError
from inr_jax.parallel import distributed

PATIENCE_S = 1200  # machines are busy


@pytest.fixture
def speech_dir(tmp_path, speech):
    """Five beginnings of a sentence."""
    folder = tmp_path / "speech"
    folder.mkdir()
    for i in range(5):
        soundfile.write(folder / f"{i}.wav", speech[5000 * i :][:9600], 16_000)
    return folder


def start(script, *flags, count=2):
    """Starts processes of a script that know each other."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    shared = ("--distributed", f"--coordinator_address={address}")
    path = str(REPOSITORY / "experiments" / script)
    processes = []
    for i in range(count):
        own = (f"--num_processes={count}", f"--process_id={i}")
        processes.append(
            subprocess.Popen(
                [sys.executable, path, *flags, *shared, *own],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=REPOSITORY,
                env=os.environ,
            )
        )
    return processes


def finish(processes):
    """Waits for processes that are to end well; what each printed."""
    try:
        ends = [process.communicate(timeout=PATIENCE_S) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, (_, errors) in zip(processes, ends, strict=True):
        assert process.returncode == 0, errors
    return [out for out, _ in ends]


def rows(folder, name):
    with open(folder / name, newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_fits_are_split_by_process_and_one_table_is_written(tmp_path, speech_dir):
    """Of five clips; one process finds what two have done."""
    flags = (f"--clean_dir={speech_dir}", "--width=8", "--depth=1", "--num_steps=3")
    flags += (f"--output_dir={tmp_path}", "--compilation_cache=")
    shown = finish(start("fit_siren.py", *flags))
    first, second = (
        (tmp_path / f"rows{end}.jsonl").read_text().splitlines() for end in ("", ".1")
    )
    assert {json.loads(line)["clip"] for line in first} == {"0", "2", "4"}
    assert {json.loads(line)["clip"] for line in second} == {"1", "3"}
    assert len(rows(tmp_path, "scores.csv")) == 5 * 4
    assert "Over 5 clips" in shown[0] and "Over" not in shown[1]
    again = run_script("fit_siren.py", *flags)
    assert "5 of 5 clips are done already" in again.stdout
    assert "Over 5 clips" in again.stdout


@pytest.mark.slow
def test_files_are_split_by_process(tmp_path, speech_dir):
    flags = (str(speech_dir), f"--output={tmp_path}/out/", "--method=wiener")
    finish(start("denoise.py", *flags, "--compilation_cache="))
    assert len(list((tmp_path / "out").glob("*.wav"))) == 5
    assert "5 of 5 files are done" in run_script("denoise.py", *flags).stderr


@pytest.mark.slow
def test_an_evaluation_is_split_by_process(tmp_path, speech_dir):
    """Into shards that are merged, and refused where their number changed."""
    flags = (f"--clean_dir={speech_dir}", "--methods=noisy,lowpass", "--noreport")
    flags += ("--compilation_cache=",)
    finish(start("evaluate.py", *flags, f"--output_dir={tmp_path}"))
    shares = [tmp_path / f"shard_{i}" for i in range(2)]
    assert [len(rows(share, "scores.csv")) for share in shares] == [3 * 2, 2 * 2]
    merge = f"--merge={shares[0]},{shares[1]}"
    run_script("evaluate.py", *flags, merge, f"--output_dir={tmp_path / 'whole'}")
    assert len(rows(tmp_path / "whole", "scores.csv")) == 5 * 2
    done = run_script("evaluate.py", *flags, f"--output_dir={shares[0]}", expect=2)
    assert "num_shards = 2, not 1" in done.stderr


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"num_processes": 2}, "--num_processes goes with --distributed"),
        ({"distributed": True, "process_id": 0}, "give all of --coordinator_address"),
        (
            {"num_devices": 99},
            "--num_devices: 99 devices asked for, this process has 4",
        ),
    ],
)
def test_flags_that_make_no_sense(given, message):
    with flagsaver.flagsaver(**given), pytest.raises(InputError, match=message):
        devices.start()


def test_an_address_has_a_port():
    with pytest.raises(InputError, match="'foo', not HOST:PORT"):
        distributed.init_distributed("foo", 1, 0)


@pytest.mark.slow
def test_no_cluster_to_be_found(tmp_path, speech_dir):
    flags = (str(speech_dir), f"--output={tmp_path}/out/", "--method=wiener")
    done = run_process("denoise.py", *flags, "--distributed", expect=2)
    assert "--distributed: coordinator_address should be defined" in done.stderr
    assert done.stderr.count("\n") == 1
