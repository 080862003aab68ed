"""Means and speed of the steps between two lines of the log."""

import math
import time

import jax
import numpy as np


class Meter:
    """Collects what steps measured."""

    def __init__(self, step_s: float):
        """Begins with no steps.

        Args:
          step_s: Seconds of sound in a step.
        """
        self._step_s = step_s
        self.reset()

    def reset(self) -> None:
        """Begins anew."""
        self._measured: list[dict[str, jax.Array]] = []
        self._start = time.monotonic()

    def add(self, measured: dict[str, jax.Array]) -> None:
        """Takes what a step measured; it stays on the device."""
        self._measured.append(measured)

    def line(self, step: int) -> dict[str, float]:
        """A line of the log.

        Args:
          step: Number of the last step that was added.

        Raises:
          FloatingPointError: a term was not finite; names the first such step.
        """
        measured = self._finite(step)
        elapsed = max(time.monotonic() - self._start, 1e-9)
        means = {k: float(np.mean([m[k] for m in measured])) for k in measured[0]}
        return {
            "step": step,
            **means,
            "steps_per_s": len(measured) / elapsed,
            "audio_s_per_s": len(measured) * self._step_s / elapsed,
            "audio_hours": step * self._step_s / 3600,
        }

    def _finite(self, step):
        measured = jax.device_get(self._measured)
        for i, one in enumerate(measured):
            bad = [name for name, value in one.items() if not math.isfinite(value)]
            if bad:
                first = step - len(measured) + i + 1
                raise FloatingPointError(
                    f"step {first}: {', '.join(bad)} is not finite; try a lower "
                    "learning rate"
                )
        return measured
