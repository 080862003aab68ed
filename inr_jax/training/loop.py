"""The training loop: steps, log, validation and checkpoints, resumable."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from inr_jax.data.datasets import Example
from inr_jax.metrics.pool import ScorePool
from inr_jax.plots import style
from inr_jax.plots import training as plots
from inr_jax.training import validation
from inr_jax.training.meter import Meter
from inr_jax.training.run import TrainingRun
from inr_jax.training.state import State


class Task(NamedTuple):
    """What is trained.

    Attributes:
      step: Takes a state, whose memory it may take over, to the next one and to what it
        measured, scalars by name.
      num_steps: Number of the last step.
      step_s: Seconds of sound in a step.
      denoise: Takes weights to estimates (samples,) of the validation examples, by their
        positions.
      examples: For validation, of other speakers.
      metrics: That validation scores.
    """

    step: Callable[[State], tuple[State, dict[str, jax.Array]]]
    num_steps: int
    step_s: float
    denoise: Callable[[Any], Mapping[int, np.ndarray]]
    examples: Sequence[Example]
    metrics: Sequence[str] = validation.METRICS["all"]


class Intervals(NamedTuple):
    """Steps from one line of the log, checkpoint and validation to the next."""

    log: int
    save: int
    validate: int

    def due(self, step: int, last: int) -> "Intervals":
        """Which of the three are due after a step, as booleans; all after the last."""
        return Intervals(*(step == last or step % every == 0 for every in self))


def train(
    run: TrainingRun,
    state: State,
    task: Task,
    intervals: Intervals,
    on_line: Callable[[dict], None],
) -> None:
    """Steps from where `state` is to the last one.

    The log gets a line before each validation and checkpoint, too: each step counts in
    exactly one line, also of a run that was interrupted.

    Args:
      run: Keeps log and checkpoints.
      state: As from `run.resume`; its memory is taken over.
      task: What is trained.
      intervals: When to log, save and validate.
      on_line: Called with each line of the log.

    Raises:
      FloatingPointError: a term of the loss was not finite; names step and term. Nothing
        that follows from it is kept.
    """
    meter = Meter(task.step_s)

    def log(line):
        run.append(line)
        on_line(line)

    with ScorePool() as pool:
        for step in range(int(state.step) + 1, task.num_steps + 1):
            state, measured = task.step(state)
            meter.add(measured)
            due = intervals.due(step, task.num_steps)
            if not any(due):
                continue
            log(meter.line(step))
            if due.validate:
                scores = _validate(state, task, pool)
                log({"step": step, **scores})
                style.save(plots.draw(run.log()), run.folder / "curves.png")
                run.save_if_best(state, validation.selection_score(scores))
            if due.save:
                run.save(state)
            meter.reset()


def _validate(state, task, pool) -> dict[str, float]:
    """Mean scores of the running mean of the weights."""
    estimates = task.denoise(state.ema)
    return validation.mean_scores(estimates, task.examples, task.metrics, pool)
