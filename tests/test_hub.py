"""Fetching from a model hub that stands on this machine: no network is touched."""

import hashlib
import http.server
import json
import threading

import pytest
from conftest import run_script

from inr_jax.errors import InputError
from inr_jax.io import atomic, hub

REPOSITORY = "someone/model"
LARGE, SMALL = bytes(range(256)) * 1000, b"sample_rate: 16000\n"


class Served:
    """What the hub tells and holds; `asked` are the paths of requests."""

    def __init__(self):
        self.asked = []
        self.failures = 0  # of the next requests for files
        self.content = {"masknet.ckpt": LARGE, "hyperparams.yaml": SMALL}
        blob = hashlib.sha1(b"blob %d\0" % len(SMALL) + SMALL).hexdigest()
        digest = hashlib.sha256(LARGE).hexdigest()
        self.listing = {
            "sha": "abc",
            "siblings": [
                {
                    "rfilename": "masknet.ckpt",
                    "size": len(LARGE),
                    "blobId": "0",
                    "lfs": {"sha256": digest, "size": len(LARGE), "pointerSize": 1},
                },
                {"rfilename": "hyperparams.yaml", "size": len(SMALL), "blobId": blob},
            ],
        }

    def answer(self, path):
        """Status and body."""
        self.asked.append(path)
        if path == f"/api/models/{REPOSITORY}?blobs=true":
            return 200, json.dumps(self.listing).encode()
        if self.failures:
            self.failures -= 1
            return 503, b""
        name = path.removeprefix(f"/{REPOSITORY}/resolve/abc/")
        return (200, self.content[name]) if name in self.content else (404, b"")


@pytest.fixture
def served(monkeypatch):
    served = Served()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = served.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(hub, "HUB", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(hub, "PAUSE_S", 0.0)
    yield served
    server.shutdown()
    server.server_close()


def fetch(folder):
    hub.fetch(REPOSITORY, ("masknet.ckpt", "hyperparams.yaml"), folder)


def test_fetches_once_and_notes_hashes(tmp_path, served):
    served.failures = 2  # of three attempts
    fetch(tmp_path / "model")
    assert (tmp_path / "model" / "masknet.ckpt").read_bytes() == LARGE
    assert (tmp_path / "model" / "hyperparams.yaml").read_bytes() == SMALL
    source = json.loads((tmp_path / "model" / hub.SOURCE).read_text())
    assert source["repository"] == REPOSITORY and source["revision"] == "abc"
    assert source["sha256"]["hyperparams.yaml"] == hashlib.sha256(SMALL).hexdigest()
    assert len(source["sha256"]) == 2
    count = len(served.asked)
    fetch(tmp_path / "model")
    assert len(served.asked) == count == 5
    (tmp_path / "model" / "hyperparams.yaml").write_bytes(b"changed")
    fetch(tmp_path / "model")
    assert served.asked[count:] == [
        f"/api/models/{REPOSITORY}?blobs=true",
        f"/{REPOSITORY}/resolve/abc/hyperparams.yaml",
    ]
    names = {p.name for p in (tmp_path / "model").iterdir()}
    assert names == {"masknet.ckpt", "hyperparams.yaml", hub.SOURCE}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("masknet.ckpt", LARGE[::-1], "another hash"),
        ("masknet.ckpt", LARGE[1:], "another hash"),
        ("masknet.ckpt", LARGE * 2, "more bytes than there are to be"),
        ("hyperparams.yaml", SMALL[::-1], "another hash"),
        ("masknet.ckpt", None, "answer 404"),
    ],
)
def test_what_is_not_the_file_is_refused(tmp_path, served, name, content, message):
    if content is None:
        del served.content[name]
    else:
        served.content[name] = content
    with pytest.raises(InputError, match=f"{REPOSITORY}: cannot fetch: .*{message}"):
        fetch(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert name not in left and left <= {"masknet.ckpt"}  # whole ones stay
    assert not left or atomic.sha256(tmp_path / "masknet.ckpt") == (
        hashlib.sha256(LARGE).hexdigest()
    )


def test_listings_that_cannot_be_followed(tmp_path, served):
    whole = served.listing
    huge = whole["siblings"][0] | {"size": 2**40}
    for listing, message in (
        ([], "unknown form"),
        ({"sha": "abc"}, "unknown form"),
        (whole | {"siblings": whole["siblings"][:1]}, "no file hyperparams.yaml"),
        (whole | {"siblings": [huge, whole["siblings"][1]]}, "is larger than"),
    ):
        served.listing = listing
        with pytest.raises(InputError, match=message):
            fetch(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_without_a_network_one_line_and_nothing_written(tmp_path, monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")  # nobody listens there
    folder = tmp_path / "model"
    done = run_script("fetch_sepformer.py", f"--output_dir={folder}", expect=2)
    assert "sepformer-wham16k-enhancement: cannot fetch: ProxyError" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not folder.exists()


def test_files_that_came_by_other_means(tmp_path):
    """Nothing is asked of the network."""
    flags = (f"--output_dir={tmp_path}", "--nofetch")
    done = run_script("fetch_sepformer.py", *flags, expect=2)
    assert "encoder.ckpt: no such file" in done.stderr
    done = run_script("fetch_sepformer.py", expect=2)
    assert "name where to with --output_dir" in done.stderr
