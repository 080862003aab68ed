"""Checkpoints are data: whatever is changed in them, reading ends in one line.

  python tests/test_changed_files.py 600

changes them at random for ten minutes.
"""

import json
import pathlib
import re
import sys
import tempfile
import time
import zipfile

import jax
import numpy as np
import pytest
import torch_files
from absl.testing import flagsaver
from conftest import CLIPS, REPOSITORY, TINY

from inr_jax.cli.flags import datasets
from inr_jax.configs.networks import WEIGHTS
from inr_jax.errors import InputError
from inr_jax.io import atomic
from inr_jax.models import pretrained
from inr_jax.models.sepformer import torch_checkpoint

load = pretrained._load.__wrapped__  # no cache


def whole(folder):
    """A checkpoint of each kind and a manifest."""
    params = pretrained.build(TINY).init(jax.random.key(0), np.zeros(64, np.float32))
    pretrained.save(folder / "model", TINY, params, 7)
    state = torch_files.tensors({"a": np.ones((3, 4)), "b": np.arange(5)})
    torch_files.save(folder / "a.ckpt", state)
    paths = sorted(CLIPS.glob("*.flac"))[:2]
    clips = [{"clip": p.stem, "sha256": atomic.sha256(p)} for p in paths]
    manifest = {"root": str(CLIPS), "clips": clips, "flags": {"pairs_dir": None}}
    atomic.write_json(folder / "manifest.json", manifest)
    return folder


def changed(data, rng):
    """A few bytes flipped, dropped, doubled or drawn anew; or the end cut off."""
    data = bytearray(data)
    if rng.random() < 0.2:
        return bytes(data[: rng.integers(len(data))])
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(len(data)))
        compute = rng.integers(4)
        if compute == 0:
            data[at] ^= 1 << rng.integers(8)
        elif compute == 1:
            data[at] = rng.integers(256)
        elif compute == 2:
            del data[at : at + rng.integers(1, 9)]
        else:
            data[at:at] = data[at : at + rng.integers(1, 9)]
    return bytes(data)


def readers(folder):
    """Path to change, what reads it, and whether a change may go unnoticed."""
    model = folder / "model"

    def listed(path):
        with flagsaver.flagsaver(manifest=str(path)):
            datasets.clips()

    def same_settings(before, after):
        return json.loads(before) == json.loads(after)

    return [
        (model / WEIGHTS, lambda path: load(model), lambda *_: False),
        (model / "config.json", lambda path: load(model), same_settings),
        (folder / "a.ckpt", torch_checkpoint.read, lambda *_: True),
        (folder / "manifest.json", listed, lambda *_: True),
    ]


def refused(path, read, unnoticed, rng):
    """Whether a changed file is refused; anything but one line fails."""
    before = path.read_bytes()
    after = changed(before, rng)
    path.write_bytes(after)
    try:
        read(path)
        assert before == after or unnoticed(before, after), after
        return False
    except InputError as error:
        assert "\n" not in str(error), error
        return True
    except BaseException:
        path.with_name("culprit").write_bytes(after)
        raise
    finally:
        path.write_bytes(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return whole(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("which", range(4), ids=["weights", "config", "torch", "list"])
def test_changed_files_are_refused_in_one_line(folder, which):
    rng = np.random.default_rng(which)
    path, read, unnoticed = readers(folder)[which]
    read(path)  # as it is, it is read
    count = sum(refused(path, read, unnoticed, rng) for _ in range(30))
    assert count > 10


def saved(folder, into, **changes):
    """The model's folder with other entries in `config.json`, its hash not renewed."""
    into.mkdir()
    described = json.loads((folder / "model" / "config.json").read_text()) | changes
    atomic.write_json(into / "config.json", described)
    (into / WEIGHTS).write_bytes((folder / "model" / WEIGHTS).read_bytes())
    return into


def test_other_formats_shapes_and_settings_are_refused(folder, tmp_path):
    later = saved(folder, tmp_path / "later", format=2)
    with pytest.raises(InputError, match="its format 2 is not 1"):
        load(later)
    wider = saved(folder, tmp_path / "wider", config={"window": 64})
    with pytest.raises(InputError, match="weights do not fit the config: '"):
        load(wider)
    config = json.loads((folder / "model" / "config.json").read_text())["config"]
    other = saved(folder, tmp_path / "other", config=config | {"dilations": [2, 1]})
    with pytest.raises(InputError, match="changed since it was saved"):
        load(other)
    unknown = saved(folder, tmp_path / "unknown", model="os.system")
    with pytest.raises(InputError, match=r"no trained model: 'os\.system'"):
        load(unknown)


def test_a_folder_that_tells_no_format_is_refused(folder, tmp_path):
    old = saved(folder, tmp_path / "old")
    described = json.loads((old / "config.json").read_text())
    del described["format"], described["sha256"]
    atomic.write_json(old / "config.json", described)
    with pytest.raises(InputError, match="its format None is not 1"):
        load(old)


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "params\nevil"])
def test_names_in_an_archive_lead_nowhere(folder, tmp_path, name):
    into = saved(folder, tmp_path / "model")
    with (
        zipfile.ZipFile(into / WEIGHTS, "a") as archive,
        archive.open(f"{name}.npy", "w") as file,
    ):
        np.lib.format.write_array(file, np.ones(3))
    before = set(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=r"^[^\n]*do not fit the config: '.*evil'$"):
        load(into)
    assert set(tmp_path.rglob("*")) == before
    assert not pathlib.Path("/tmp/evil.npy").exists()


def test_objects_bombs_and_infinities_are_refused(folder, tmp_path, monkeypatch):
    into = saved(folder, tmp_path / "model")
    np.savez(into / WEIGHTS, a=np.array([{}], object))
    with pytest.raises(InputError, match="allow_pickle"):
        load(into)
    with np.load(folder / "model" / WEIGHTS) as arrays:
        weights = dict(arrays)
    weights[next(iter(weights))].flat[0] = np.inf
    np.savez(into / WEIGHTS, **weights)
    with pytest.raises(InputError, match="do not fit"):
        load(into)
    monkeypatch.setattr(pretrained, "_MAX_BYTES", 1000)
    with pytest.raises(InputError, match="unpacks to more than 1000 bytes"):
        load(into)


def test_nothing_else_reads_pickles():
    word = re.compile(
        r"pickle|allow_pickle\s*=\s*True|torch\.load|\bmarshal\b|\bshelve\b"
    )
    found = {
        path.name
        for path in [
            *REPOSITORY.glob("inr_jax/**/*.py"),
            *REPOSITORY.glob("experiments/*.py"),
        ]
        if word.search(path.read_text())
    }
    assert found == {"torch_checkpoint.py"}


if __name__ == "__main__":
    rng = np.random.default_rng(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    place, stop = (
        whole(pathlib.Path(tempfile.mkdtemp())),
        time.monotonic() + int(sys.argv[1]),
    )
    counts = {path.name: [0, 0] for path, *_ in readers(place)}
    while time.monotonic() < stop:
        for reader in readers(place):
            counts[reader[0].name][0] += 1
            counts[reader[0].name][1] += refused(*reader, rng)
    print("changed and refused:", counts)
