"""The downloader against archives on disk: no network is touched."""

import hashlib
import tarfile

import pytest

from inr_jax import download
from inr_jax.errors import InputError


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A mirror that is a folder, holding a tiny dev-clean."""
    pytest.importorskip("pooch")
    tree = tmp_path / "LibriSpeech" / "dev-clean" / "84" / "121123"
    tree.mkdir(parents=True)
    (tree / "84-121123-0000.flac").write_bytes(b"sound")
    archive = tmp_path / "dev-clean.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "LibriSpeech", "LibriSpeech")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    monkeypatch.setitem(download.SUBSETS, "dev-clean", digest)
    fetched = []

    def retrieve(url, known_hash, fname, path, progressbar):
        fetched.append(url)
        if "first" in url:
            raise OSError("mirror is down")
        path.mkdir(parents=True, exist_ok=True)
        copy = path / fname
        copy.write_bytes(archive.read_bytes())
        if known_hash != f"sha256:{digest}":
            raise ValueError("checksum")
        return str(copy)

    monkeypatch.setattr("pooch.retrieve", retrieve)
    monkeypatch.setattr(download, "MIRRORS", ("https://first", "https://second"))
    return fetched


def test_falls_back_to_the_next_mirror_and_fetches_once(tmp_path, mirror):
    folder = download.librispeech("dev-clean", tmp_path / "cache")
    assert (folder / "84" / "121123" / "84-121123-0000.flac").read_bytes() == b"sound"
    assert [url.split("/")[2] for url in mirror] == ["first", "second"]
    assert download.librispeech("dev-clean", tmp_path / "cache") == folder
    assert len(mirror) == 2
    assert [p.name for p in (tmp_path / "cache").iterdir()] == ["LibriSpeech"]


def test_a_wrong_checksum_is_refused_and_leaves_nothing(tmp_path, mirror, monkeypatch):
    monkeypatch.setitem(download.SUBSETS, "dev-clean", "0" * 64)
    with pytest.raises(InputError, match="no mirror"):
        download.librispeech("dev-clean", tmp_path / "cache")
    assert not (tmp_path / "cache" / "LibriSpeech").exists()


def test_unknown_subsets_are_named(tmp_path):
    with pytest.raises(InputError, match="'train'"):
        download.librispeech("train", tmp_path)
