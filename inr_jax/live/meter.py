"""Measurements of a run: levels, noise reduction, memory."""

import pathlib
from typing import NamedTuple

import numpy as np

from inr_jax.enhancement.levels import LevelMeter
from inr_jax.live.engine import Engine

_LEVEL_S, _NOISE_S = 0.3, 3.0  # what levels and noise are taken over
_SILENCE_DB = -99.0


class Reading(NamedTuple):
    """What an engine does now.

    Attributes:
      input_db: Level of what came in, relative to full scale.
      output_db: Of what it is played as.
      noise_reduction_db: How far the noise went down; None where there is no noise.
    """

    input_db: float
    output_db: float
    noise_reduction_db: float | None


def reading(engine: Engine) -> Reading:
    """Of the last moments."""
    recorded, played = _last(engine, _LEVEL_S)
    meter = LevelMeter(engine.stream.sample_rate)
    meter.add(*_last(engine, _NOISE_S))
    return Reading(
        _decibels(recorded), _decibels(played), meter.levels.noise_reduction_db
    )


def _last(engine, seconds):
    """What was recorded, and what was played for it."""
    count = round(seconds * engine.stream.sample_rate)
    ends = engine.position, engine.played.position
    return [
        ring.read(end - count, end)
        for ring, end in zip((engine.recorded, engine.played), ends, strict=True)
    ]


def _decibels(samples):
    power = float(np.mean(np.square(samples))) if samples.size else 0.0
    return max(_SILENCE_DB, 10 * np.log10(power)) if power else _SILENCE_DB


def memory_mib() -> float | None:
    """Memory of this process; None where the system does not report it."""
    try:
        status = pathlib.Path("/proc/self/status").read_text()
    except OSError:
        return None
    return int(status.split("VmRSS:")[1].split()[0]) / 1024
