"""Keeps the state of fits that are under way, so that a killed run goes on mid-fit."""

import hashlib
import os
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from inr_jax.io.checkpoints import Checkpoints

# Seconds from one checkpoint of a batch to the next; one takes some hundredths.
SAVE_EVERY_S = 20.0


class SavedFits:
    """The newest state of one batch, in a folder; fits are found by fingerprint."""

    def __init__(self, folder: str | os.PathLike, config: Any, like: Any):
        """Opens the folder.

        Args:
          folder: Made when something is saved.
          config: All that fits depend on beside their clips; those of another are not
            found.
          like: State of one fit, as arrays or shapes.
        """
        self._checkpoints = Checkpoints(folder)
        self._config = repr(config)
        self._last_save = time.monotonic()
        self._number = max(self._checkpoints.steps(), default=0)
        self._found = self._read(like) if self._number else {}

    def names(
        self, keys: Sequence[jax.Array], signals: Sequence[np.ndarray], sample_rate: int
    ) -> list[str]:
        """Fingerprints: of all that the fits depend on, beside the config."""
        names = []
        for key, samples in zip(keys, signals, strict=True):
            digest = hashlib.sha256(f"{sample_rate} {len(samples)}".encode())
            digest.update(np.ascontiguousarray(samples, np.float32))
            digest.update(np.asarray(jax.random.key_data(key)).tobytes())
            names.append(digest.hexdigest())
        return names

    def restore(self, names: Sequence[str], states: Any) -> np.ndarray:
        """Fills in what was saved of the fits of a new batch.

        Args:
          names: Of the fits.
          states: Host arrays (fits, ...) as before the first step, changed in place.

        Returns:
          Steps that each fit has done, (fits,).
        """
        steps = np.zeros(len(names), np.int32)
        for i, name in enumerate(names):
            if name in self._found:
                saved, steps[i] = self._found[name]
                for leaf, value in zip(
                    jax.tree.leaves(states), jax.tree.leaves(saved), strict=True
                ):
                    leaf[i] = value
        return steps

    def save(self, names: Sequence[str], states: Any, steps: np.ndarray) -> None:
        """Replaces what the folder holds by this batch, `steps` done of each fit."""
        self._number += 1
        metadata = {
            "config": self._config,
            "names": list(names),
            "steps": [int(n) for n in steps],
        }
        self._checkpoints.save(self._number, states, metadata)
        self._last_save = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether the last save was `SAVE_EVERY_S` ago."""
        return time.monotonic() - self._last_save > SAVE_EVERY_S

    def remove(self) -> None:
        """Deletes the folder."""
        self._checkpoints.remove()

    def _read(self, like):
        metadata = self._checkpoints.metadata(self._number)
        if metadata["config"] != self._config:
            return {}
        names = metadata["names"]
        stacked = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct((len(names), *x.shape), x.dtype), like
        )
        states = jax.device_get(self._checkpoints.load(self._number, stacked))
        return {
            name: (jax.tree.map(lambda leaf: leaf[i], states), metadata["steps"][i])  # noqa: B023
            for i, name in enumerate(names)
        }
