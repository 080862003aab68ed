"""Fetches files of a model from the Hugging Face hub, checked by the hub's own hashes."""

import functools
import hashlib
import io
import json
import os
import pathlib
import time
from collections.abc import Sequence
from typing import NamedTuple

from inr_jax.errors import InputError
from inr_jax.io import atomic, download

HUB = "https://huggingface.co"
SOURCE = "source.json"  # beside the files: where they are from, and their SHA-256
MAX_BYTES = 2**30  # of one file
MAX_LISTING_BYTES = 2**24
ATTEMPTS = 3
PAUSE_S = 2.0


class _File(NamedTuple):
    """What the hub tells about a file; `sha256` is None of small ones."""

    size: int
    git_hash: str
    sha256: str | None


def fetch(repository: str, names: Sequence[str], folder: str | os.PathLike) -> None:
    """Brings files of a repository's newest revision into a folder, each whole or not.

    What is there already stays, and nothing is asked of the network where all of it is.

    Args:
      repository: As "owner/name".
      names: Of files.
      folder: Where to; gets `source.json` too: repository, revision, SHA-256 of each.

    Raises:
      InputError: the hub cannot be reached, lacks a file, or what came is not the file.
    """
    folder = pathlib.Path(folder)
    if _is_complete(repository, names, folder):
        return
    revision, listed = _listing(repository, names)
    for name in names:
        if not _matches(folder / name, listed[name]):
            url = f"{HUB}/{repository}/resolve/{revision}/{name}"
            fetch_one = functools.partial(_fetch_one, url, folder / name, listed[name])
            _retry(repository, fetch_one)
    hashes = {name: atomic.sha256(folder / name) for name in names}
    source = {"repository": repository, "revision": revision, "sha256": hashes}
    atomic.write_json(folder / SOURCE, source)


def _is_complete(repository, names, folder):
    try:
        source = json.loads((folder / SOURCE).read_text())
        return source["repository"] == repository and all(
            atomic.sha256(folder / name) == source["sha256"][name] for name in names
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _listing(repository, names):
    """The newest revision, and what the hub tells about each file of it."""
    import pooch

    answer = io.BytesIO()
    url = f"{HUB}/api/models/{repository}?blobs=true"
    fetch = pooch.HTTPDownloader()
    _retry(
        repository,
        lambda: fetch(url, download.Limited(answer, MAX_LISTING_BYTES), None),
    )
    try:
        told = json.loads(answer.getvalue())
        listed = {
            file["rfilename"]: _File(
                file["size"], file["blobId"], (file.get("lfs") or {}).get("sha256")
            )
            for file in told["siblings"]
        }
        revision = told["sha"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{url}: an answer of an unknown form") from None
    for name in names:
        if name not in listed:
            raise InputError(f"{HUB}/{repository}: has no file {name}")
        if listed[name].size > MAX_BYTES:
            raise InputError(f"{HUB}/{repository}: {name} is larger than {MAX_BYTES} B")
    return revision, listed


def _retry(repository, attempt):
    for i in range(ATTEMPTS):
        try:
            return attempt()
        except (OSError, ValueError) as error:
            if i + 1 < ATTEMPTS:
                time.sleep(PAUSE_S)
                continue
            raise InputError(
                f"{HUB}/{repository}: cannot fetch: {_reason(error)}; get the files by "
                "other means into one folder"
            ) from None


def _reason(error):
    answer = getattr(error, "response", None)
    if answer is not None:
        return f"answer {answer.status_code}"
    if isinstance(error, ValueError):
        return str(error)
    return getattr(error, "strerror", None) or type(error).__name__


def _fetch_one(url, path, wanted):
    with atomic.replacing(path) as aside:
        download.to_file(url, aside, wanted.size)
        if not _matches(aside, wanted):
            raise ValueError(f"{path.name}: another hash than the hub's")


def _matches(path, wanted):
    """Whether a file is there and is the one that the hub tells about."""
    if not path.exists() or path.stat().st_size != wanted.size:
        return False
    if wanted.sha256:
        return atomic.sha256(path) == wanted.sha256
    content = path.read_bytes()
    header = f"blob {len(content)}\0".encode()  # as git hashes
    return hashlib.sha1(header + content).hexdigest() == wanted.git_hash
