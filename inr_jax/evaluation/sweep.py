"""Scores of SIREN fits over a grid of settings, at several steps of each fit."""

import collections
import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from inr_jax.configs.fitting import FitConfig, SirenConfig
from inr_jax.data import noise
from inr_jax.data.datasets import Example
from inr_jax.data.noise import Condition
from inr_jax.errors import InputError
from inr_jax.evaluation.source import Source
from inr_jax.fitting import siren, sweep
from inr_jax.metrics import pool
from inr_jax.parallel import bucketing

SCORES = ("snr", "si_sdr", "ssnr", "stoi", "pesq")
GRID = ("width", "depth", "first_omega", "learning_rate")
COLUMNS = ("clip", "fit", *GRID, "step", *SCORES)
# What is fitted; and the noisy clip itself, to compare with.
KINDS = ("noisy", "clean")
UNFITTED = "input"


class Grid(NamedTuple):
    """What all fits of a sweep have in common, and what those of one shape differ in.

    Attributes:
      coordinates: As in `FitConfig`.
      num_steps: Of each fit.
      every: Steps from one score to the next.
      first_omegas: Factors in the first sine.
      learning_rates: Of Adam.
    """

    coordinates: str
    num_steps: int
    every: int
    first_omegas: Sequence[float]
    learning_rates: Sequence[float]


def load(source: Source, condition: Condition) -> tuple[list[Example], list[str]]:
    """The noisy clips of a sweep, all of the sample rate that most of them have.

    Returns:
      The clips, and a line for each that cannot be used.

    Raises:
      InputError: none of them can be used; names the first.
    """
    examples, problems = [], []
    for i in range(len(source.clips)):
        try:
            examples.append(source.load(i, condition))
        except InputError as error:
            problems.append(str(error))
    if not examples:
        raise InputError(f"no clip could be used; the first: {problems[0]}")
    rates = collections.Counter(example.sample_rate for example in examples)
    ((rate, _),) = rates.most_common(1)
    problems += [
        f"{e.name}: {e.sample_rate} Hz, but most clips have {rate} Hz; a sweep takes one "
        "rate"
        for e in examples
        if e.sample_rate != rate
    ]
    return [e for e in examples if e.sample_rate == rate], problems


def noisy_rows(
    examples: Sequence[Example], seed: int, workers: pool.ScorePool
) -> list[dict[str, Any]]:
    """Rows of `COLUMNS` of the noisy clips themselves.

    Args:
      examples: The clips.
      seed: Of their noise.
      workers: They score.
    """
    scores = [
        _submit(workers, e, UNFITTED, seed, e.noisy[:, 0]).result() for e in examples
    ]
    return [
        {"clip": e.name, "fit": UNFITTED} | {name: row[name] for name in SCORES}
        for e, row in zip(examples, scores, strict=True)
    ]


def rows_of_shape(
    examples: Sequence[Example],
    seed: int,
    width: int,
    depth: int,
    grid: Grid,
    workers: pool.ScorePool,
    on_fits: Callable[[float], None] = lambda fits: None,
) -> list[dict[str, Any]]:
    """Rows of `COLUMNS` of all fits of one width and depth, which run as one batch.

    Args:
      examples: The clips, of one sample rate; their first channels are fitted, clean and
        noisy.
      seed: Of first weights.
      width: As in `SirenConfig`.
      depth: The same.
      grid: The fits.
      workers: They score.
      on_fits: Called with fits done since the last call, shares too.

    """
    rate = examples[0].sample_rate
    config = FitConfig(
        SirenConfig(width, depth),
        coordinates=grid.coordinates,
        num_steps=grid.num_steps,
    )
    values = itertools.product(grid.first_omegas, grid.learning_rates)
    fits = list(itertools.product(examples, KINDS, values))
    inputs, scales = _inputs(fits, seed)
    rows, pending = [], []
    for step, signals in sweep.trajectories(inputs, rate, config, grid.every):
        estimates = np.asarray(signals) * scales[:, None]
        for (example, kind, value), estimate in zip(fits, estimates, strict=True):
            place = dict(zip(GRID, (width, depth, *value), strict=True))
            rows.append({"clip": example.name, "fit": kind, **place, "step": step})
            estimate = estimate[: len(example.clean)]
            pending.append(_submit(workers, example, kind, seed, estimate))
        on_fits(len(fits) * grid.every / grid.num_steps)
    for row, scores in zip(rows, pending, strict=True):
        row |= {name: scores.result()[name] for name in SCORES}
    return rows


def num_fits(examples: Sequence[Example], grid: Grid) -> int:
    """Fits of one width and depth."""
    values = len(grid.first_omegas) * len(grid.learning_rates)
    return len(examples) * len(KINDS) * values


def _submit(workers, example, kind, seed, estimate):
    """Scores of an estimate (samples,), as a future."""
    return workers.submit(
        pool.Job(
            *(example.name, kind, seed, example.clean[:, :1], estimate[:, None]),
            *(example.sample_rate, SCORES),
        )
    )


def _inputs(fits, seed):
    """All fits as arrays, signals scaled to a peak of 1, and the scales."""
    signals = [getattr(example, kind)[:, 0] for example, kind, _ in fits]
    scales = np.array([np.max(np.abs(x)) or 1 for x in signals], np.float32)
    size = bucketing.bucket_size(max(map(len, signals)))
    samples = bucketing.pad([x / s for x, s in zip(signals, scales, strict=True)], size)
    seeds = [noise.clip_seed(seed, example.name) for example, _, _ in fits]
    values = np.array([value for _, _, value in fits], np.float32)
    inputs = sweep.Fits(
        jax.vmap(jax.random.key)(np.array(seeds, np.uint32)),
        siren.Signal(samples, np.array([len(x) for x in signals])),
        values[:, 0],
        values[:, 1],
    )
    return inputs, scales
