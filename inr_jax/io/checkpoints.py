"""Checkpoints of pytrees: orbax's `Checkpointer` and its policies of what to keep."""

import functools
import math
import os
import pathlib
import shutil
from typing import Any

import jax
from orbax.checkpoint import v1 as ocp


class Checkpoints:
    """A folder of numbered checkpoints; one that was cut short is never seen."""

    def __init__(self, folder: str | os.PathLike, keep: int = 1, best: bool = False):
        """Names the folder, which appears when it is used.

        Args:
          folder: Where they are.
          keep: How many are kept.
          best: Whether those that scored best are, instead of the latest.
        """
        self.folder = pathlib.Path(folder).absolute()
        policies = ocp.training.preservation_policies
        self._policy = policies.LatestN(keep)
        if best:
            self._policy = policies.BestN(get_metric_fn=_score, n=keep)

    @functools.cached_property
    def _orbax(self) -> ocp.training.Checkpointer:
        return ocp.training.Checkpointer(
            self.folder,
            preservation_policy=self._policy,
            cleanup_tmp_directories=True,
        )

    def steps(self) -> list[int]:
        """Numbers of the checkpoints, oldest first."""
        return [checkpoint.step for checkpoint in self._found()]

    def best_step(self) -> int | None:
        """Number of the checkpoint of the highest score, if there is one."""
        scores = {c.step: self._score_of(c) for c in self._found()}
        return max(scores, key=scores.__getitem__, default=None)

    def save(
        self, step: int, tree: Any, metadata: dict, score: float | None = None
    ) -> None:
        """Writes checkpoint `step`, and removes what is not to be kept.

        Args:
          step: Its number.
          tree: Pytree of arrays.
          metadata: JSON saved with it.
          score: By which the best are kept.
        """
        self._orbax.save(
            step,
            tree,
            force=True,
            overwrite=True,
            metrics=None if score is None else {"score": score},
            custom_metadata=metadata,
        )

    def metadata(self, step: int) -> dict:
        """The metadata that `save` was given."""
        return self._orbax.metadata(step).custom_metadata

    def load(self, step: int, like: Any) -> Any:
        """The arrays of a checkpoint, where those of `like` are or on the first device.

        Args:
          step: Its number.
          like: Pytree of arrays or `jax.ShapeDtypeStruct`, equal in structure, shapes.

        Raises:
          ValueError: structure or shapes differ.
        """
        first = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])

        def abstract(x):
            sharding = getattr(x, "sharding", None) or first
            return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding)

        return self._orbax.load(step, jax.tree.map(abstract, like))

    def remove(self) -> None:
        """Deletes the folder with all checkpoints."""
        if self.folder.exists():
            self._orbax.close()
            del self._orbax
            shutil.rmtree(self.folder)

    def _found(self):
        return self._orbax.checkpoints if self.folder.exists() else ()

    def _score_of(self, checkpoint):
        try:
            # earlier versions kept the score with the arrays
            return _score(checkpoint.metrics or self.metadata(checkpoint.step))
        except (KeyError, ValueError, OSError):  # half deleted when it was killed
            return -math.inf


def _score(metrics) -> float:
    """NaN is worse than any number."""
    score = metrics["score"]
    return -math.inf if math.isnan(score) else score
