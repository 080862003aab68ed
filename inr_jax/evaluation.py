"""Scores of many methods on many noisy clips, kept row by row."""

import json
import os
import pathlib
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from inr_jax import audio, datasets, files, noise, scoring, tables

COLUMNS = (
    *("clip", "method", "noise", "snr_db", "seed", "seconds", "work_s"),
    *scoring.METRICS,
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
        """For headings."""
        level = "" if self.snr_db is None else f", {self.snr_db:g} dB"
        return f"{self.noise}{level}, seed {self.seed}"


def examples(
    clips: Sequence[datasets.Clip],
    condition: Condition,
    recordings: Sequence[datasets.Clip] = (),
    max_seconds: float | None = None,
) -> list[datasets.Example]:
    """The noisy clips of a condition; recordings of noise take turns.

    Raises:
      InputError: a file cannot be read.
    """
    return [
        datasets.load(
            clip,
            condition.seed,
            condition.snr_db,
            max_seconds=max_seconds,
            noise_path=recordings[i % len(recordings)].path if recordings else None,
        )
        for i, clip in enumerate(clips)
    ]


class Scores:
    """Rows of an evaluation in a folder; one that is written stays, whatever happens."""

    def __init__(self, folder: pathlib.Path):
        """Reads the rows that are there; a line that was cut short does not count."""
        self.folder = folder
        path = folder / ROWS
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        self.rows = [json.loads(line) for line in whole.splitlines()]
        if whole != text:
            files.write_text(path, whole)

    def missing(
        self, loaded: Sequence[datasets.Example], method: str, condition: Condition
    ) -> list[datasets.Example]:
        """Examples that have no row of this method."""
        known = {row["clip"] for row in self.of(condition) if row["method"] == method}
        return [example for example in loaded if example.name not in known]

    def of(self, condition: Condition) -> list[dict]:
        """Rows of one condition."""
        return [
            row
            for row in self.rows
            if Condition(row["noise"], row["snr_db"], row["seed"]) == condition
        ]

    def add(self, row: dict, condition: Condition, work_s: float) -> None:
        """Keeps a row of `scoring.score`, for good before this returns."""
        row = {**row, **condition._asdict(), "work_s": round(work_s, 3)}
        self.rows.append(row)
        with open(self.folder / ROWS, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def write(
        self,
        methods: Sequence[str],
        conditions: Sequence[Condition],
        against: str = "noisy",
    ) -> str:
        """Writes `scores.csv` and `table.md` and returns the table.

        Args:
          methods: In the order to show.
          conditions: The same.
          against: The method that others are compared with, clip by clip.
        """
        ordered = [
            row
            for condition in conditions
            for method in methods
            for row in sorted(self.of(condition), key=lambda row: row["clip"])
            if row["method"] == method
        ]
        files.write_csv(self.folder / "scores.csv", COLUMNS, ordered)
        text = "\n".join(
            f"## {c.title}\n\n{tables.markdown(self.of(c), methods, against)}"
            for c in conditions
        )
        files.write_text(self.folder / "table.md", text)
        return text


def run(
    scores: Scores,
    loaded: Sequence[datasets.Example],
    method: str,
    denoiser,
    condition: Condition,
    pool: scoring.ScorePool,
    on_clips,
) -> None:
    """Denoises and scores what is missing of one method in one condition.

    Args:
      scores: Gets the rows.
      loaded: Noisy clips.
      method: Its name in the rows.
      denoiser: As from `denoisers.make`.
      condition: What was done to the clips.
      pool: Workers.
      on_clips: Called with clips done since the last call.
    """
    todo = scores.missing(loaded, method, condition)
    on_clips(len(loaded) - len(todo))
    pending = []
    for example, estimate, work_s in _timed(denoiser, todo, condition.seed, on_clips):
        job = scoring.Job(
            example.name,
            method,
            condition.seed,
            example.clean,
            estimate,
            example.sample_rate,
        )
        pending.append((pool.submit(job), work_s))
        while pending and pending[0][0].done():
            row, work_s = pending.pop(0)
            scores.add(row.result(), condition, work_s)
    for row, work_s in pending:
        scores.add(row.result(), condition, work_s)


def _timed(denoiser, todo, seed, on_clips) -> Iterator[tuple]:
    """Example, estimate and seconds of work, as the denoiser yields them."""
    from inr_jax import denoisers

    noisy = [audio.Recording(e.noisy, e.sample_rate) for e in todo]
    seeds = [noise.clip_seed(seed, e.name) for e in todo]
    start = time.monotonic()
    for i, estimate in denoisers.denoise_recordings(denoiser, noisy, seeds, on_clips):
        yield todo[i], estimate, time.monotonic() - start
        start = time.monotonic()
