"""Files that appear whole or not at all."""

import contextlib
import csv
import functools
import hashlib
import json
import os
import pathlib
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence

# Whatever was not written to for so long is no longer being written.
_STALE_S = 3600.0
_PART = re.compile(r"\.[0-9a-f]{16}\.\d+\.part")
# Names of files in a text need not be UTF-8.
_NAMES = "surrogateescape"


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Gives a path beside `path` to write to, renamed to `path` when all went well."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear_stale(path.parent)
    temporary = _beside(path, f"{os.getpid()}.part")
    try:
        with _naming(path, temporary):
            yield temporary
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _beside(path, ending):
    """A hidden name beside a path, short even where the name of the path is not."""
    name = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
    return path.with_name(f".{name}.{ending}")


def check_writable(folder: str | os.PathLike) -> None:
    """Raises OSError where no file can be made in a folder; the folder need not exist."""
    folder = pathlib.Path(folder).absolute()
    while not os.path.lexists(folder):
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        error.filename = folder  # not the temporary file
        raise


@functools.cache
def _clear_stale(folder):
    """Removes unfinished files of killed processes, once in each process."""
    for left in folder.glob(".*.part"):
        if not _PART.fullmatch(left.name):  # another program's
            continue
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _STALE_S:
                left.unlink()


@contextlib.contextmanager
def _naming(path, temporary=None):
    """Errors of the system name `path`: not the temporary file, and not nothing.

    That of a full disk names nothing.
    """
    try:
        yield
    except OSError as error:
        if error.filename in (None, temporary, str(temporary)):
            error.filename = path
        raise


@contextlib.contextmanager
def replacing_folder(folder: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Gives an empty folder beside `folder`, which takes its place when all went well.

    What a killed process left beside `folder` is cleared away by the next.
    """
    folder = pathlib.Path(folder).resolve()
    temporary, old = (_beside(folder, end) for end in ("part", "old"))
    _remove(temporary)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        _remove(old)
        if folder.exists():
            folder.rename(old)
        temporary.rename(folder)
        _remove(old)
    finally:
        _remove(temporary)


def _remove(folder: pathlib.Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes UTF-8 text."""
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode("utf-8", _NAMES))


def append_line(path: str | os.PathLike, line: str) -> None:
    """Appends a line of UTF-8 text, durably before this returns.

    A line that a killed process left without its end stays a line of its own.
    """
    with _naming(path), open(path, "a+b") as file:
        file.seek(0, os.SEEK_END)
        if file.tell():
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else f"\n{line}"
        file.write(f"{line}\n".encode("utf-8", _NAMES))
        file.flush()
        os.fsync(file.fileno())


def write_json(path: str | os.PathLike, value) -> None:
    """Writes indented JSON."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_csv(
    path: str | os.PathLike, columns: Sequence[str], rows: Sequence[dict]
) -> None:
    """Writes rows under a header; what a row lacks stays empty."""
    with (
        replacing(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8", errors=_NAMES) as f,
    ):
        writer = csv.DictWriter(f, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path: str | os.PathLike) -> list[dict[str, str]]:
    """Rows of a CSV file with a header, behind a byte-order mark or not."""
    with open(path, newline="", encoding="utf-8-sig", errors=_NAMES) as file:
        return list(csv.DictReader(file))


def part(path: pathlib.Path, process: int) -> pathlib.Path:
    """The file that one of several processes writes of `path`: the first, itself."""
    return path.with_suffix(f".{process}{path.suffix}") if process else path


def parts(path: pathlib.Path) -> list[pathlib.Path]:
    """What there is of `path` by any process."""
    others = sorted(path.parent.glob(f"{path.stem}.*[0-9]{path.suffix}"))
    return [path, *others] if path.exists() else others


def sha256(path: str | os.PathLike) -> str:
    """SHA-256 of a file, in hexadecimal; an unchanged one is read once a process."""
    status = os.stat(path)
    identity = status.st_ino, status.st_size, status.st_mtime_ns
    return _sha256(os.fspath(path), *identity)


@functools.lru_cache(maxsize=2**16)
def _sha256(path, *identity):
    del identity
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
