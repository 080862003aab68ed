"""A training that an interruption does not hurt: checkpoints, a log, a clear stop."""

import json
import math
import pathlib
import time

import jax
import numpy as np

from inr_jax.errors import InputError
from inr_jax.io import atomic
from inr_jax.io.checkpoints import Checkpoints
from inr_jax.parallel import distributed
from inr_jax.training import step as training

LOG = "log.jsonl"


class TrainingRun:
    """`log.jsonl` and the checkpoints `last` and `best` of one training in a folder.

    A checkpoint is whole or absent, and what follows from it is what would have followed
    without an interruption, the log included. Of several processes all take part, and
    the first alone writes the log.
    """

    def __init__(self, folder: pathlib.Path):
        """Names the folder; nothing is written yet."""
        self.folder = folder
        self._last = Checkpoints(folder / "last", keep=2)
        self._first = distributed.process()[0] == 0
        self._best = Checkpoints(folder / "best")

    def resume(self, fresh: training.State) -> training.State:
        """The newest state, or `fresh` where there is none; the log ends there too.

        Raises:
          InputError: processes see different checkpoints.
        """
        steps = self._last.steps()
        if not distributed.all_equal(steps[-1] if steps else 0):
            raise InputError(f"{self.folder}: must be one folder for all processes")
        state = self._last.load(steps[-1], fresh) if steps else fresh
        step = int(state.step)
        kept = [line for line in self.log() if line["step"] <= step]
        self._write([json.dumps(line) for line in kept])
        return state

    def save(self, state: training.State) -> None:
        """Keeps a state to resume from."""
        self._last.save(int(state.step), state, {})

    def save_if_best(self, state: training.State, score: float) -> bool:
        """Keeps the running mean of the weights if no score was higher."""
        steps = self._best.steps()
        if steps and self._best.metadata(steps[-1])["score"] >= score:
            return False
        self._best.save(int(state.step), state.ema, {"score": score})
        return True

    def best(self, like):
        """Weights that scored best, a pytree such as `like`.

        Raises:
          InputError: none were saved.
        """
        steps = self._best.steps()
        if not steps:
            raise InputError(f"{self.folder}: no training has been validated here")
        return self._best.load(steps[-1], like), steps[-1]

    def append(self, line: dict) -> None:
        """Adds a line to the log."""
        if not self._first:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        atomic.append_line(self.folder / LOG, json.dumps(line))

    def log(self) -> list[dict]:
        """All lines of the log."""
        path = self.folder / LOG
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]

    def _write(self, lines):
        if self._first and (self.folder / LOG).exists():
            atomic.write_text(self.folder / LOG, "".join(line + "\n" for line in lines))


class Meter:
    """Means of what steps measured, and their speed, between two lines of the log."""

    def __init__(self):
        self.reset()

    def reset(self) -> None:
        """Begins anew."""
        self._measured: list[dict[str, jax.Array]] = []
        self._start = time.monotonic()

    def add(self, measured: dict[str, jax.Array]) -> None:
        """Takes what a step measured; it stays on the device."""
        self._measured.append(measured)

    def require_finite(self, step: int) -> list[dict[str, float]]:
        """What was measured; nothing that follows from NaN may be kept.

        Args:
          step: Steps done.

        Raises:
          FloatingPointError: a term was not finite; names the first such step.
        """
        found = jax.device_get(self._measured)
        for i, measured in enumerate(found):
            bad = [name for name, v in measured.items() if not math.isfinite(v)]
            if bad:
                first = step - len(found) + i + 1
                raise FloatingPointError(
                    f"step {first}: {', '.join(bad)} is not finite; "
                    "lower --learning_rate"
                )
        return found

    def line(self, step: int, audio_s: float, waited_s: float) -> dict[str, float]:
        """A line of the log.

        Args:
          step: Steps done.
          audio_s: Seconds of sound in a step.
          waited_s: Seconds that the device waited for data since `reset`.

        Raises:
          FloatingPointError: a term was not finite; names the first such step.
        """
        found = self.require_finite(step)
        elapsed = max(time.monotonic() - self._start, 1e-9)
        means = {k: float(np.mean([m[k] for m in found])) for k in found[0]}
        return {
            "step": step,
            **means,
            "steps_per_s": len(found) / elapsed,
            "audio_s_per_s": len(found) * audio_s / elapsed,
            "audio_hours": step * audio_s / 3600,
            "waiting_share": waited_s / elapsed,
        }
