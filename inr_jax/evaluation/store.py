"""Rows of scores and estimates in a folder, from which an evaluation resumes."""

import json
import pathlib
import urllib.parse
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from inr_jax import audio
from inr_jax.data.noise import Condition
from inr_jax.errors import InputError
from inr_jax.io import atomic
from inr_jax.metrics import pool

# Of every row; some have any of `pool.OPTIONAL` as well.
COLUMNS = (
    *("clip", "method", "noise", "snr_db", "seed", "seconds", "work_s"),
    *pool.METRICS,
    "nan_reasons",
)
ROWS = "rows.jsonl"
SCORES = "scores.csv"

# The scores of one clip.
Row = dict[str, Any]


class Store:
    """Rows by condition, method and clip, written durably.

    Several processes may fill one folder, each a file of rows of its own.
    """

    def __init__(self, folder: pathlib.Path, process: int = 0):
        """Reads the rows that are there; a line that was cut short does not count.

        Args:
          folder: Where to; made when something is written.
          process: Which of those that share the folder.

        Raises:
          InputError: the folder holds scores of an earlier version, or damaged rows.
        """
        self.folder = folder
        paths = atomic.parts(folder / ROWS)
        if not paths and _has_lines(folder / SCORES):
            raise InputError(
                f"{folder}: holds {SCORES} of an earlier version, without {ROWS}; "
                "choose another folder"
            )
        self._own = atomic.part(folder / ROWS, process)
        self._rows: dict[Condition, dict[str, dict[str, Row]]] = {}
        for path in paths:
            for row in _read(path, repair=path == self._own):
                self._put(row)

    def of(self, condition: Condition, method: str | None = None) -> list[Row]:
        """Rows of one condition, by clip; of all methods or of one."""
        methods = self._rows.get(condition, {})
        chosen = methods.values() if method is None else [methods.get(method, {})]
        rows = [row for clips in chosen for row in clips.values()]
        return sorted(rows, key=lambda row: row["clip"])

    def done(self, method: str, condition: Condition) -> Collection[str]:
        """Clips that have a row of this method."""
        return self._rows.get(condition, {}).get(method, {}).keys()

    def row(self, clip: str, method: str, condition: Condition) -> Row | None:
        """The row of a clip; None where there is none."""
        return self._rows.get(condition, {}).get(method, {}).get(clip)

    @property
    def rows(self) -> list[Row]:
        """All rows."""
        return [row for condition in self._rows for row in self.of(condition)]

    def add(self, row: Row) -> None:
        """Writes a row, durably before this returns."""
        self._put(row)
        atomic.append_line(self._own, json.dumps(row))

    def replace(self, rows: Sequence[Row]) -> None:
        """Replaces all rows."""
        text = "".join(json.dumps(row) + "\n" for row in rows)
        atomic.write_text(self._own, text)
        for path in atomic.parts(self.folder / ROWS):
            if path != self._own:
                path.unlink()
        self._rows = {}
        for row in rows:
            self._put(row)

    def audio_path(self, clip: str, method: str, condition: Condition) -> pathlib.Path:
        """Path of an estimate: 32-bit float, so that its scores can be computed again."""
        # labels have no commas; a colon and much else is not for names of folders
        folder = urllib.parse.quote(method.replace(":", ","), safe=",= ()+")
        return self.folder / "audio" / condition.title / folder / f"{clip}.wav"

    def estimate(self, clip: str, method: str, condition: Condition) -> np.ndarray:
        """An estimate (samples, channels) that was kept.

        Raises:
          InputError: it was not.
        """
        path = self.audio_path(clip, method, condition)
        if not path.exists():
            raise InputError(f"{path}: not there; this estimate was not kept")
        return audio.read(path).samples

    def _put(self, row):
        methods = self._rows.setdefault(Condition.of_row(row), {})
        methods.setdefault(row["method"], {})[row["clip"]] = row


def _has_lines(path):
    """Whether a table is there and not empty, as that of a share without clips is."""
    return path.exists() and path.read_bytes().strip().count(b"\n") > 0


def _read(path, repair):
    """Rows of a file; one that was cut short is removed from it where asked to."""
    text = path.read_text(encoding="utf-8", errors="replace")
    whole = text[: text.rfind("\n") + 1]
    rows = [
        _row(line, f"{path}: line {number}")
        for number, line in enumerate(whole.split("\n")[:-1], 1)
    ]
    if repair and whole != text:
        atomic.write_text(path, whole)
    return rows


def _row(line, place) -> Row:
    try:
        row = json.loads(line)
        Condition.of_row(row), row["method"], row["clip"]
        return row
    except (ValueError, KeyError, TypeError):
        raise InputError(
            f"{place} is damaged; delete that line, whose score is then made again"
        ) from None
