"""Nothing is lost where a script is killed: few kills here, as many as you like by hand."""

import os

import kill_at_random
import pytest

from inr_jax.io import atomic


@pytest.mark.slow
@pytest.mark.parametrize("script", ["denoise", "fit_siren"])
def test_what_is_killed_resumes_to_the_same_result(script, tmp_path):
    kill_at_random.survives(script, 2, tmp_path)


def test_what_a_killed_process_left_goes_when_it_is_old(tmp_path):
    for name in (f".{16 * 'a'}.1.part", f".{16 * 'b'}.2.part", ".other.part"):
        (tmp_path / name).touch()
    for name in (f".{16 * 'a'}.1.part", ".other.part"):
        os.utime(tmp_path / name, (0, 0))
    atomic.write_text(tmp_path / "c.txt", "whole")
    left = {f".{16 * 'b'}.2.part", ".other.part", "c.txt"}
    assert {path.name for path in tmp_path.iterdir()} == left


def test_what_cannot_be_replaced_is_named_itself(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError) as raised:
        atomic.write_text(tmp_path / "folder", "text")
    assert os.fspath(raised.value.filename) == os.fspath(tmp_path / "folder")
