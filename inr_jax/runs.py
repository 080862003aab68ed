"""A folder of results that an interrupted run goes on filling."""

import importlib.metadata
import json
import os
import pathlib
from collections.abc import Sequence

from inr_jax import datasets, scoring, tables
from inr_jax.errors import InputError
from inr_jax.files import read_csv, write_csv, write_json, write_text

_PACKAGES = ("inr_jax", "jax", "numpy", "librosa", "soxr", "pesq", "pystoi")


class Run:
    """`config.json`, `manifest.csv`, `scores.csv` and `table.md` in one folder.

    A clip is done when its rows are in `scores.csv`, written last. Started again with
    the same settings, a run has those clips in `done`.
    """

    def __init__(
        self, folder: str | os.PathLike, settings: dict, methods: Sequence[str]
    ):
        """Opens or creates the folder.

        Args:
          folder: Where to.
          settings: What the results depend on, as JSON.
          methods: Rows of each clip, in the order of the table.

        Raises:
          InputError: the folder holds results of other settings.
        """
        self.folder = pathlib.Path(folder)
        self.methods = tuple(methods)
        keep_settings(self.folder, settings)
        self._rows = self._read("scores.csv")
        self._manifest = self._read("manifest.csv")

    @property
    def done(self) -> set[str]:
        """Names of clips that are finished."""
        return {row["clip"] for row in self._rows}

    def add(self, example: datasets.Example, rows: Sequence[dict]) -> None:
        """Records a finished clip: its line of the manifest and a row a method."""
        known = [line for line in self._manifest if line["clip"] != example.name]
        self._manifest = [*known, example.manifest]
        self._rows += rows
        write_csv(
            self.folder / "manifest.csv", datasets.MANIFEST_COLUMNS, self._manifest
        )
        write_csv(self.folder / "scores.csv", scoring.COLUMNS, self._rows)

    def table(self) -> str:
        """Writes `table.md` of all clips so far and returns it."""
        text = tables.markdown(tables.summarise(self._rows, self.methods))
        write_text(self.folder / "table.md", text)
        return text

    def _read(self, name):
        path = self.folder / name
        return read_csv(path) if path.exists() else []


def keep_settings(folder: pathlib.Path, settings: dict) -> None:
    """Writes `config.json`: settings and versions.

    Raises:
      InputError: the folder holds results of other settings.
    """
    path = folder / "config.json"
    if path.exists():
        _refuse_other(path, settings)
    write_json(path, {"settings": settings, "versions": versions()})


def read_settings(folder: pathlib.Path) -> dict:
    """What `keep_settings` wrote.

    Raises:
      InputError: it wrote nothing there.
    """
    path = folder / "config.json"
    try:
        return json.loads(path.read_text())["settings"]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{path}: not written by this script") from None


def versions() -> dict[str, str]:
    """Of the packages that results depend on."""
    return {name: importlib.metadata.version(name) for name in _PACKAGES}


def _refuse_other(path, settings):
    before = read_settings(path.parent)
    after = json.loads(json.dumps(settings))
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            raise InputError(
                f"{path.parent}: holds results with {name} = {before.get(name)}, "
                f"not {after.get(name)}; choose another folder"
            )
