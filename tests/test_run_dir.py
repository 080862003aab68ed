import subprocess

import pytest
from conftest import REPOSITORY

from inr_jax.errors import InputError
from inr_jax.io import provenance, run_dir


def test_results_are_joined_by_none_of_other_settings(tmp_path):
    run_dir.keep_settings(tmp_path, {"snr_db": 0})
    (tmp_path / "scores.csv").touch()
    run_dir.keep_settings(tmp_path, {"snr_db": 0})
    with pytest.raises(InputError, match="snr_db = 0, not 5; choose another folder"):
        run_dir.keep_settings(tmp_path, {"snr_db": 5})


def test_a_setting_that_came_later_and_is_off_is_no_other_setting(tmp_path):
    run_dir.keep_settings(tmp_path, {"loss": {"mse": 1.0}})
    (tmp_path / "scores.csv").touch()
    with pytest.raises(InputError, match=r"loss.stoi = None, not 2.0"):
        run_dir.keep_settings(tmp_path, {"loss": {"mse": 1.0, "stoi": 2.0}})
    run_dir.keep_settings(tmp_path, {"loss": {"mse": 1.0, "stoi": 0.0}})


def test_what_a_training_was_validated_on_may_be_unknown(tmp_path):
    """Of one that an earlier version began; another folder than a known one is refused."""
    (tmp_path / "rows.jsonl").touch()
    run_dir.keep_settings(tmp_path, {"seed": 0})
    run_dir.keep_settings(tmp_path, {"seed": 0, "valid_dir": "a"})
    with pytest.raises(InputError, match="valid_dir = a, not b"):
        run_dir.keep_settings(tmp_path, {"seed": 0, "valid_dir": "b"})


def test_a_block_that_fails_before_its_first_result_leaves_nothing(tmp_path):
    folder = tmp_path / "results" / "first"
    with pytest.raises(InputError), run_dir.filled(folder, {"snr_db": 0}):
        raise InputError("no clip could be used")
    assert not list(tmp_path.iterdir())


def test_decoded_sound_is_no_result(tmp_path):
    with pytest.raises(InputError), run_dir.filled(tmp_path, {"snr_db": 0}):
        (tmp_path / run_dir.DECODED).mkdir()
        raise InputError("no weights")
    assert [path.name for path in tmp_path.iterdir()] == [run_dir.DECODED]


def test_a_block_that_fails_later_leaves_results_and_their_settings(tmp_path):
    with pytest.raises(InputError), run_dir.filled(tmp_path, {"snr_db": 0}):
        (tmp_path / "rows.jsonl").touch()
        raise InputError("a clip is missing")
    assert {path.name for path in tmp_path.iterdir()} == {run_dir.NAME, "rows.jsonl"}
    assert run_dir.read_settings(tmp_path) == {"snr_db": 0}


def test_a_start_that_left_no_results_does_not_keep_the_folder(tmp_path):
    run_dir.keep_settings(tmp_path, {"speech_dirs": ["nowhere"]})
    (tmp_path / run_dir.DECODED).mkdir()
    run_dir.keep_settings(tmp_path, {"speech_dirs": ["here"]})
    assert run_dir.read_settings(tmp_path) == {"speech_dirs": ["here"]}


def test_the_commit_is_that_of_the_project_or_none(tmp_path, monkeypatch):
    assert bool(provenance.commit()) == (REPOSITORY / ".git").exists()
    # installed within a repository of another project
    package = tmp_path / "venv" / "provenance.py"
    package.parent.mkdir()
    package.write_text("")
    git = ("git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "a"], check=True)
    monkeypatch.setattr(provenance, "__file__", str(package))
    assert provenance.commit() is None
    monkeypatch.setenv("PATH", "")
    assert provenance.commit() is None
