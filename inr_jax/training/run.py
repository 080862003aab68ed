"""The folder of a training that can be interrupted: its log and its checkpoints."""

import json
import pathlib

from inr_jax.errors import InputError
from inr_jax.io import atomic
from inr_jax.io.checkpoints import Checkpoints
from inr_jax.training.state import State

LOG = "log.jsonl"


class TrainingRun:
    """`log.jsonl` and the checkpoints `last` and `best` of one training in a folder.

    A checkpoint is whole or absent, and what follows from it is what would have followed
    without an interruption, the log included.
    """

    def __init__(self, folder: pathlib.Path):
        """Names the folder; nothing is written yet."""
        self.folder = folder
        self._last = Checkpoints(folder / "last", keep=2)
        self._best = Checkpoints(folder / "best", best=True)

    def resume(self, fresh: State) -> State:
        """The newest state, or `fresh` where there is none; the log ends there too."""
        steps = self._last.steps()
        state = self._last.load(steps[-1], fresh) if steps else fresh
        step = int(state.step)
        kept = [line for line in self.log() if line["step"] <= step]
        self._write([json.dumps(line) for line in kept])
        return state

    def save(self, state: State) -> None:
        """Keeps a state to resume from."""
        self._last.save(int(state.step), state, {})

    def save_if_best(self, state: State, score: float) -> None:
        """Keeps the running mean of the weights if its score is the highest."""
        self._best.save(int(state.step), state.ema, {}, score)

    def best(self, like):
        """Weights that scored best, a pytree such as `like`, and their step.

        Raises:
          InputError: none were saved.
        """
        step = self._best.best_step()
        if step is None:
            raise InputError(f"{self.folder}: no training has been validated here")
        return self._best.load(step, like), step

    def append(self, line: dict) -> None:
        """Adds a line to the log."""
        self.folder.mkdir(parents=True, exist_ok=True)
        atomic.append_line(self.folder / LOG, json.dumps(line))

    def log(self) -> list[dict]:
        """All lines of the log."""
        path = self.folder / LOG
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]

    def _write(self, lines):
        if (self.folder / LOG).exists():
            atomic.write_text(self.folder / LOG, "".join(line + "\n" for line in lines))
