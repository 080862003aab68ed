"""A folder of results that an interrupted run goes on filling."""

import importlib.metadata
import json
import os
import pathlib
from collections.abc import Sequence

from inr_jax.data import datasets
from inr_jax.errors import InputError
from inr_jax.evaluation import tables
from inr_jax.io import atomic
from inr_jax.metrics import pool

_PACKAGES = ("inr_jax", "jax", "numpy", "librosa", "soxr", "pesq", "pystoi")


class Run:
    """`config.json`, `manifest.csv`, `scores.csv` and `table.md` in one folder.

    A clip is done when its rows are in `scores.csv`, written last. Started again with
    the same settings, a run has those clips in `done`. Several processes may fill one
    folder: all but the first write `scores.1.csv` and so on.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        settings: dict,
        methods: Sequence[str],
        process: int = 0,
    ):
        """Opens or creates the folder; `done` has the names of finished clips.

        Args:
          folder: Where to.
          settings: What the results depend on, as JSON.
          methods: Rows of each clip, in the order of the table.
          process: Which of those that share the folder; each writes its own rows.

        Raises:
          InputError: the folder holds results of other settings.
        """
        self.folder = pathlib.Path(folder)
        self.methods = tuple(methods)
        keep_settings(self.folder, settings, process)
        self.done = {row["clip"] for row in self._read_all("scores.csv")}
        self._scores, self._manifest = (
            atomic.part(self.folder / name, process)
            for name in ("scores.csv", "manifest.csv")
        )
        self._rows, self._lines = _read(self._scores), _read(self._manifest)

    def add(self, example: datasets.Example, rows: Sequence[dict]) -> None:
        """Records a finished clip: its line of the manifest and a row a method."""
        known = [line for line in self._lines if line["clip"] != example.name]
        self._lines = [*known, example.manifest]
        self._rows += rows
        self.done.add(example.name)
        atomic.write_csv(self._manifest, datasets.MANIFEST_COLUMNS, self._lines)
        atomic.write_csv(self._scores, pool.COLUMNS, self._rows)

    def table(self) -> str:
        """Writes `table.md` of all clips so far, of all processes, and returns it."""
        summaries = tables.summarise(self._read_all("scores.csv"), self.methods)
        text = tables.markdown(summaries)
        atomic.write_text(self.folder / "table.md", text)
        return text

    def _read_all(self, name):
        return [row for path in atomic.parts(self.folder / name) for row in _read(path)]


def keep_settings(folder: pathlib.Path, settings: dict, process: int = 0) -> None:
    """Writes `config.json`: settings and versions.

    Args:
      folder: Where to.
      settings: As JSON.
      process: Of those that share the folder; the first writes.

    Raises:
      InputError: the folder holds results of other settings.
    """
    path = folder / "config.json"
    if path.exists():
        _refuse_other(path, settings)
    if process == 0:
        atomic.write_json(path, {"settings": settings, "versions": versions()})


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


def _read(path):
    return atomic.read_csv(path) if path.exists() else []


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
