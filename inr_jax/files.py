"""Files that appear whole or not at all."""

import contextlib
import csv
import hashlib
import json
import os
import pathlib
import shutil
from collections.abc import Iterator, Sequence


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Gives a path beside `path` to write to, renamed to `path` when all went well."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield aside
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(folder: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Gives an empty folder beside `folder`, which takes its place when all went well.

    What a killed process left beside `folder` is cleared away by the next.
    """
    folder = pathlib.Path(folder).resolve()
    aside, old = (folder.with_name(f".{folder.name}.{end}") for end in ("part", "old"))
    _remove(aside)
    aside.mkdir(parents=True)
    try:
        yield aside
        _remove(old)
        if folder.exists():
            folder.rename(old)
        aside.rename(folder)
        _remove(old)
    finally:
        _remove(aside)


def _remove(folder: pathlib.Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes UTF-8 text."""
    with replacing(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike, value) -> None:
    """Writes indented JSON."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_csv(
    path: str | os.PathLike, columns: Sequence[str], rows: Sequence[dict]
) -> None:
    """Writes rows under a header; what a row lacks stays empty."""
    with replacing(path) as aside, open(aside, "w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path: str | os.PathLike) -> list[dict[str, str]]:
    """Rows of a CSV file with a header."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def part(path: pathlib.Path, process: int) -> pathlib.Path:
    """The file that one of several processes writes of `path`: the first, itself."""
    return path.with_suffix(f".{process}{path.suffix}") if process else path


def parts(path: pathlib.Path) -> list[pathlib.Path]:
    """What there is of `path` by any process."""
    found = sorted(path.parent.glob(f"{path.stem}.*[0-9]{path.suffix}"))
    return [path, *found] if path.exists() else found


def sha256(path: str | os.PathLike) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
