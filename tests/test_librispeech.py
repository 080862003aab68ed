"""LibriSpeech from a server on this machine: no network is touched."""

import functools
import hashlib
import http.server
import tarfile
import threading

import pytest

from inr_jax.data import librispeech
from inr_jax.errors import InputError


@pytest.fixture
def requests(tmp_path, monkeypatch):
    """Paths asked of a server whose first mirror has nothing, the second all."""
    tree = tmp_path / "LibriSpeech" / "dev-clean" / "84" / "121123"
    tree.mkdir(parents=True)
    (tree / "84-121123-0000.flac").write_bytes(b"sound")
    archive = tmp_path / "served" / "second" / "dev-clean.tar.gz"
    archive.parent.mkdir(parents=True)
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "LibriSpeech", "LibriSpeech")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    monkeypatch.setitem(librispeech.SUBSETS, "dev-clean", digest)
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_request(self, code="-", size="-"):
            asked.append(self.path)

        def log_message(self, *args):
            pass

    handler = functools.partial(Handler, directory=str(tmp_path / "served"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(librispeech, "MIRRORS", (f"{host}/first", f"{host}/second"))
    yield asked
    server.shutdown()
    server.server_close()


def test_falls_back_to_the_next_mirror_and_fetches_once(tmp_path, requests):
    folder = librispeech.fetch("dev-clean", tmp_path / "cache")
    assert (folder / "84" / "121123" / "84-121123-0000.flac").read_bytes() == b"sound"
    expected = ["/first/dev-clean.tar.gz", "/second/dev-clean.tar.gz"]
    assert requests == expected
    assert librispeech.fetch("dev-clean", tmp_path / "cache") == folder
    assert requests == expected
    assert [p.name for p in (tmp_path / "cache").iterdir()] == ["LibriSpeech"]


def test_two_processes_may_fetch_at_once(tmp_path, requests, monkeypatch):
    """The one that ends later finds the folder of the other."""
    fetch = librispeech._fetch

    def sooner(subset, folder):
        fetch(subset, folder)
        theirs = tmp_path / "cache" / "LibriSpeech" / subset
        (theirs / "84").mkdir(parents=True)

    monkeypatch.setattr(librispeech, "_fetch", sooner)
    folder = librispeech.fetch("dev-clean", tmp_path / "cache")
    assert [path.name for path in folder.iterdir()] == ["84"]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["LibriSpeech"]


def test_a_wrong_checksum_is_refused_and_leaves_nothing(
    tmp_path, requests, monkeypatch
):
    monkeypatch.setitem(librispeech.SUBSETS, "dev-clean", "0" * 64)
    with pytest.raises(InputError, match="no mirror"):
        librispeech.fetch("dev-clean", tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_unknown_subsets_are_named(tmp_path):
    with pytest.raises(InputError, match="'train'"):
        librispeech.fetch("train", tmp_path)
