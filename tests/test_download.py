"""Fetching from a model hub that stands on this machine: no network is touched."""

import hashlib
import http.server
import re
import sys
import threading
import time

import numpy as np
import pytest
import torch_files
from absl.testing import flagsaver

from inr_jax.cli.commands import download
from inr_jax.configs.sepformer import SepformerConfig
from inr_jax.errors import InputError
from inr_jax.models.sepformer import modeling, weights
from inr_jax.models.sepformer.params import TABLE, shapes

REPOSITORY, COMMIT = "someone/model", "0" * 40
TINY = SepformerConfig(
    channels=8, chunk=10, num_blocks=1, num_layers=1, num_heads=2, hidden=12
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """What the hub holds, by name."""
    folder = tmp_path_factory.mktemp("hub")
    tensors = {}
    for name, shape in shapes(TINY).items():
        part, _, own = name.partition(".")
        table = (
            modeling.positional_encoding(*shape[1:])[None]
            if name.endswith(TABLE)
            else None
        )
        value = np.ones(shape, np.float32) if table is None else table
        tensors.setdefault(part, {})[own] = value
    for part, own in tensors.items():
        torch_files.save(folder / f"{part}.ckpt", torch_files.tensors(own))
    (folder / "hyperparams.yaml").write_text("sample_rate: 16000\n")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def hub(files, monkeypatch):
    """Its requests as (method, file); `content` is what it holds."""
    pytest.importorskip("huggingface_hub")

    class Handler(http.server.BaseHTTPRequestHandler):
        asked, content = [], dict(files)

        def do_HEAD(self):
            self.answer()

        def do_GET(self):
            self.wfile.write(self.answer())

        def answer(self):
            name = re.sub(rf"^/{REPOSITORY}/resolve/\w+/", "", self.path)
            self.asked.append((self.command, name))
            body = self.content.get(name)
            self.send_response(404 if body is None else 200)
            if body is None:
                self.send_header("X-Error-Code", "EntryNotFound")
            body = body or b""
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            return body

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    set_endpoint(monkeypatch, address)
    yield Handler
    server.shutdown()
    server.server_close()


def set_endpoint(monkeypatch, address):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture
def fetch(monkeypatch):
    monkeypatch.setattr(weights, "PUBLISHED", TINY)
    read = weights.read
    monkeypatch.setattr(
        weights, "read", lambda folder, config=TINY: read(folder, config)
    )

    def run(folder, **given):
        given = {"output_dir": str(folder), "repository": REPOSITORY, **given}
        with flagsaver.flagsaver(**given):
            download.main()

    return run


def test_files_are_fetched_once_read_and_copied(tmp_path, hub, fetch, files, capsys):
    fetch(tmp_path / "model", copy_dir=str(tmp_path / "copy"))
    assert "SepFormer for 16000 Hz" in capsys.readouterr().out
    for name, content in files.items():
        assert (tmp_path / "model" / name).read_bytes() == content
    assert weights.read(tmp_path / "copy")[0] == TINY
    hub.asked.clear()
    fetch(tmp_path / "model")
    assert {method for method, _ in hub.asked} == {"HEAD"}
    # a revision that is a commit cannot have changed
    hub.asked.clear()
    fetch(tmp_path / "model", revision=COMMIT)
    assert not hub.asked


def test_what_the_hub_lacks_is_named(tmp_path, hub, fetch):
    del hub.content["decoder.ckpt"]
    with pytest.raises(InputError, match=f"{REPOSITORY}: cannot fetch decoder.ckpt: "):
        fetch(tmp_path)


def test_broken_files_are_refused(tmp_path, hub, fetch):
    hub.content["masknet.ckpt"] = hub.content["masknet.ckpt"][:-100]
    with pytest.raises(InputError, match=r"masknet\.ckpt: cannot read"):
        fetch(tmp_path)


def test_without_a_network_one_line(tmp_path, fetch, monkeypatch):
    pytest.importorskip("huggingface_hub")
    set_endpoint(monkeypatch, "http://127.0.0.1:1")  # nobody listens there
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between its tries
    with pytest.raises(InputError, match=r"^[^\n]*cannot fetch encoder.ckpt: [^\n]+$"):
        fetch(tmp_path)


def test_without_the_extra_it_is_named(tmp_path, fetch, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"pip install 'inr_jax\[hub\]'"):
        fetch(tmp_path)


def test_files_that_came_by_other_means(tmp_path, fetch):
    """Nothing is asked of the network."""
    with pytest.raises(InputError, match="lacks encoder.ckpt, .* `inr-jax download"):
        fetch(tmp_path, fetch=False)
    with pytest.raises(InputError, match="name where to with --output_dir"):
        fetch("", fetch=False)
