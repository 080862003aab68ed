"""Checkpoints are data: whatever is changed in them, reading ends in one line.

  python tests/test_changed_files.py 600

changes them at random for ten minutes.
"""

import hashlib
import json
import pathlib
import sys
import tempfile
import time

import jax
import numpy as np
import pytest
import tiny_weights
import torch_files
from absl.testing import flagsaver
from conftest import CLIPS

from inr_jax.cli.flags import datasets
from inr_jax.errors import InputError
from inr_jax.io import atomic, weights
from inr_jax.models import pretrained
from inr_jax.models.sepformer import torch_checkpoint


def whole(folder):
    """A checkpoint of each kind and a manifest."""
    tiny_weights.save(folder / "model", tiny_weights.CONFIG)
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
            datasets.source()

    def same_settings(before, after):
        return json.loads(before) == json.loads(after)

    return [
        (
            model / weights.WEIGHTS,
            lambda path: pretrained.load(model),
            lambda *_: False,
        ),
        (model / "config.json", lambda path: pretrained.load(model), same_settings),
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


@pytest.mark.slow
@pytest.mark.parametrize("which", range(4), ids=["weights", "config", "torch", "list"])
def test_changed_files_are_refused_in_one_line(folder, which):
    rng = np.random.default_rng(which)
    path, read, unnoticed = readers(folder)[which]
    read(path)  # as it is, it is read
    count = sum(refused(path, read, unnoticed, rng) for _ in range(30))
    assert count > 10


def saved(folder, into, change=lambda tensors: None, **changes):
    """The model's folder with other entries in `config.json` or other tensors."""
    described, tensors = weights.load(folder / "model")
    tensors = {name: x.copy() for name, x in tensors.items()}
    change(tensors)
    weights.save(into, tensors, described | changes)
    return into


@pytest.mark.slow
def test_other_formats_shapes_and_settings_are_refused(folder, tmp_path):
    later = saved(folder, tmp_path / "later", format=3)
    with pytest.raises(InputError, match="its format is 3, this version reads 2"):
        pretrained.load(later)
    wider = saved(folder, tmp_path / "wider", config={"channels": 8})
    with pytest.raises(InputError, match="weights do not fit the config: '"):
        pretrained.load(wider)
    unknown = saved(folder, tmp_path / "unknown", model="os.system")
    with pytest.raises(InputError, match=r"no trained model: 'os\.system'"):
        pretrained.load(unknown)
    former = saved(folder, tmp_path / "former", model="local_hypersound")
    with pytest.raises(InputError, match="local_hypersound was removed; use hyper_ga"):
        pretrained.load(former)
    config = {"sample_rate": 16_000, "target": "harmonics"}
    mask = saved(folder, tmp_path / "mask", model="hypersound", config=config)
    with pytest.raises(InputError, match="hypersound was removed; use hyper_siren"):
        pretrained.load(mask)
    other = saved(folder, tmp_path / "other")
    described = json.loads((other / weights.CONFIG).read_text())
    described["config"]["dilations"] = [2, 1]
    atomic.write_json(other / weights.CONFIG, described)
    with pytest.raises(InputError, match="changed since it was saved"):
        pretrained.load(other)
    del described["format"], described["sha256"]
    atomic.write_json(other / weights.CONFIG, described)
    with pytest.raises(InputError, match="its format is None"):
        pretrained.load(other)


@pytest.mark.slow
def test_folders_of_earlier_versions_are_read(folder, tmp_path):
    """They hold `weights.npz`, and are refused as well where they changed."""
    described, tensors = weights.load(folder / "model")
    described["format"] = 1
    np.savez_compressed(tmp_path / "weights.npz", **tensors)
    text = json.dumps(described, sort_keys=True).encode()
    digest = hashlib.sha256(text + (tmp_path / "weights.npz").read_bytes())
    atomic.write_json(
        tmp_path / "config.json", described | {"sha256": digest.hexdigest()}
    )
    jax.tree.map(
        np.testing.assert_array_equal,
        pretrained.load(tmp_path)[1],
        pretrained.load(folder / "model")[1],
    )
    np.savez(tmp_path / "weights.npz", a=np.array([{}], object))
    with pytest.raises(InputError, match="changed since it was saved"):
        pretrained.load(tmp_path)
    # pickles are never read, even where the digest was made to fit
    digest = hashlib.sha256(text + (tmp_path / "weights.npz").read_bytes())
    described["sha256"] = digest.hexdigest()
    atomic.write_json(tmp_path / "config.json", described)
    with pytest.raises((InputError, ValueError), match="allow_pickle"):
        pretrained.load(tmp_path)


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "params\nevil"])
def test_names_of_tensors_lead_nowhere(folder, tmp_path, name):
    def add(tensors):
        tensors[name] = np.ones(3)

    into = saved(folder, tmp_path / "model", add)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=r"^[^\n]*do not fit the config: '.*evil'$"):
        pretrained.load(into)
    assert set(tmp_path.rglob("*")) == before


def test_infinities_are_refused(folder, tmp_path):
    def change(tensors):
        tensors[next(iter(tensors))].flat[0] = np.inf

    with pytest.raises(InputError, match="do not fit"):
        pretrained.load(saved(folder, tmp_path / "model", change))


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
