"""The report of `accelerator.py`: JSON and a table that are whole after every row."""

import os
import pathlib
import statistics
import sys
import threading
import time

from measuring import Timing

from inr_jax.io import atomic
from inr_jax.io.markdown import table

COLUMNS = (
    "measurement",
    "result",
    "unit",
    "relative",
    "median s",
    "calls",
    "compile s",
)


class Report:
    """Measurements, done and missing; ends the process in time."""

    def __init__(self, folder: pathlib.Path, deadline: float):
        """Of nothing yet; at `deadline` of `time.perf_counter` the process ends."""
        self._folder, self._writing = folder, threading.Lock()
        self._todo = ["anything"]
        self._rows: list[dict] = []
        self._about, self._machine, self._recommended = "", {}, None
        self._end = threading.Timer(deadline - time.perf_counter(), self._end_now)
        self._end.daemon = True
        self._end.start()

    def begin(self, todo: list[str], about: str, machine: dict) -> None:
        """Takes the names of what will be measured, and what readers should know."""
        with self._writing:
            self._todo, self._about, self._machine = todo, about, machine

    def add(
        self,
        name: str,
        found: Timing | float | Exception,
        against: str | None,
        recommended: str,
    ) -> None:
        """Adds a measurement.

        Args:
          name: One of those to do.
          found: Timing, or SNR in dB, or why there is none.
          against: Name of the measurement that it is compared with.
          recommended: Compute settings by all measurements so far.
        """
        row = {"name": name, "against": against}
        if isinstance(found, Timing):
            row |= found._asdict() | {"per_s": found.per_s}
        elif isinstance(found, Exception):
            row["failed"] = " ".join(str(found).split())[:200]
        else:
            row["snr_db"] = found
        with self._writing:
            self._todo.remove(name)
            self._rows.append(row)
            self._recommended = recommended
            self._write()
        cells = " | ".join(self._cells(row))
        print(f"| {cells} |", file=sys.stderr, flush=True)

    def finish(self) -> None:
        """Writes and prints all."""
        self._end.cancel()
        with self._writing:
            self._write()
            print(self._markdown(), flush=True)

    def _end_now(self):
        # XLA cannot be made to stop compiling
        self.finish()
        os._exit(0)

    def _write(self):
        found = {"machine": self._machine, "about": self._about, "rows": self._rows}
        found |= {"not_measured": self._todo, "recommended": self._recommended}
        atomic.write_json(self._folder / "accelerator.json", found)
        atomic.write_text(self._folder / "accelerator.md", self._markdown())

    def _markdown(self):
        machine = ", ".join(f"{key} {value}" for key, value in self._machine.items())
        parts = [machine, self._about, table(COLUMNS, map(self._cells, self._rows))]
        if self._todo:
            parts.append(f"Not measured, as time ran out: {'; '.join(self._todo)}.")
        parts.append(f"Recommended: `{self._recommended}`")
        return "\n\n".join(part.rstrip() for part in parts) + "\n"

    def _cells(self, row):
        name = row["name"]
        if "failed" in row:
            return [name, "failed", row["failed"], *[""] * 4]
        (other,) = [r for r in self._rows if r["name"] == row["against"]] or [{}]
        if "snr_db" in row:
            more = ""
            if "snr_db" in other:
                more = f"{row['snr_db'] - other['snr_db']:+.2f} dB"
            return [name, f"{row['snr_db']:.2f}", "dB", more, *[""] * 3]
        times = f"{row['per_s'] / other['per_s']:.2f}" if "per_s" in other else ""
        seconds, compile_s = row["seconds"], f"{row['compile_s']:.1f}"
        shown = [f"{statistics.median(seconds):.4g}", str(len(seconds)), compile_s]
        return [name, f"{row['per_s']:.4g}", f"{row['unit']} / s", times, *shown]
