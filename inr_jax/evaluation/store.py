"""What an evaluation is about and what it found: clips, conditions, rows, estimates."""

import json
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from inr_jax import audio
from inr_jax.data import datasets
from inr_jax.errors import InputError
from inr_jax.io import atomic
from inr_jax.metrics import pool

COLUMNS = (
    *("clip", "method", "noise", "snr_db", "seed", "seconds", "work_s"),
    *pool.METRICS,
    "nan_reasons",
)
ROWS = "rows.jsonl"


class Condition(NamedTuple):
    """What is done to the clean clips.

    Attributes:
      noise: "white", the name of a folder of recordings, or "as recorded" for pairs.
      snr_db: Level, or None for pairs.
      seed: Of the noise and of methods that draw.
    """

    noise: str
    snr_db: float | None
    seed: int

    @property
    def title(self) -> str:
        """For headings and names of folders."""
        level = "" if self.snr_db is None else f", {self.snr_db:g} dB"
        return f"{self.noise}{level}, seed {self.seed}"


class Source(NamedTuple):
    """Where the clips of an evaluation come from.

    Attributes:
      clips: Clean ones or pairs.
      recordings: Of noise; they take turns. White noise if there are none.
      max_seconds: Only the beginning of each clip, when given.
    """

    clips: Sequence[datasets.Clip]
    recordings: Sequence[datasets.Clip] = ()
    max_seconds: float | None = None

    def share(self, index: int, count: int) -> "Source":
        """Every `count`-th clip from `index` on, in the noise that it has in the whole."""
        noise = self.recordings
        own = range(index, len(self.clips), count)
        return self._replace(
            clips=[self.clips[i] for i in own],
            recordings=[noise[i % len(noise)] for i in own] if noise else (),
        )

    def load(self, position: int, condition: Condition) -> datasets.Example:
        """A noisy clip of a condition.

        Raises:
          InputError: a file cannot be read.
        """
        noise_path = None
        if self.recordings:
            noise_path = self.recordings[position % len(self.recordings)].path
        return datasets.load(
            self.clips[position],
            condition.seed,
            condition.snr_db,
            max_seconds=self.max_seconds,
            noise_path=noise_path,
        )


class Evaluation:
    """Rows and estimates in a folder; what is written stays, whatever happens."""

    def __init__(self, folder: pathlib.Path):
        """Reads the rows that are there; a line that was cut short does not count."""
        self.folder = folder
        path = folder / ROWS
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        self.rows = [json.loads(line) for line in whole.splitlines()]
        if whole != text:
            atomic.write_text(path, whole)

    def of(self, condition: Condition) -> list[dict]:
        """Rows of one condition, by clip."""
        found = [
            row
            for row in self.rows
            if Condition(row["noise"], row["snr_db"], row["seed"]) == condition
        ]
        return sorted(found, key=lambda row: row["clip"])

    def done(self, method: str, condition: Condition) -> set[str]:
        """Clips that have a row of this method."""
        return {row["clip"] for row in self.of(condition) if row["method"] == method}

    def add(self, row: dict) -> None:
        """Keeps a row, for good before this returns."""
        self.rows.append(row)
        atomic.append_line(self.folder / ROWS, json.dumps(row))

    def replace(self, rows: Sequence[dict]) -> None:
        """Has these rows instead of those it had."""
        atomic.write_text(
            self.folder / ROWS, "".join(json.dumps(row) + "\n" for row in rows)
        )
        self.rows = list(rows)

    def sound(self, clip: str, method: str, condition: Condition) -> pathlib.Path:
        """Where an estimate is: 32-bit float, so that scores of it are the same."""
        return self.folder / "audio" / condition.title / method / f"{clip}.wav"

    def estimate(self, clip: str, method: str, condition: Condition) -> np.ndarray:
        """An estimate (samples, channels) that was kept.

        Raises:
          InputError: it was not.
        """
        path = self.sound(clip, method, condition)
        if not path.exists():
            raise InputError(f"{path}: not there; evaluate without --noaudio first")
        return audio.read(path).samples
