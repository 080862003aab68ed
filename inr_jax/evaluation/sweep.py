"""Scores of SIREN fits over a grid of settings, at several steps of each fit."""

import collections
import csv
import dataclasses
import itertools
import math
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from inr_jax.configs.fitting import FitConfig, SirenConfig
from inr_jax.data import noise
from inr_jax.data.datasets import Example
from inr_jax.data.noise import Condition
from inr_jax.errors import InputError
from inr_jax.evaluation import runner
from inr_jax.evaluation.source import Source
from inr_jax.evaluation.store import Store
from inr_jax.evaluation.systems import Output
from inr_jax.fitting import siren, sweep
from inr_jax.io import atomic, run_dir
from inr_jax.parallel import bucketing

SCORES = ("snr", "si_sdr", "ssnr", "stoi", "pesq")
GRID = ("width", "depth", "first_omega", "learning_rate")
# What a row is of: which version of the clip is fitted, the settings, and steps done.
LOOK = ("fit", *GRID, "step")
COLUMNS = ("clip", *LOOK, *SCORES)
CSV = "sweep.csv"
KINDS = ("noisy", "clean")
# The noisy clip itself, to compare with: its label, and its `fit` in the CSV file.
NOISY, UNFITTED = "noisy", "input"


class Grid(NamedTuple):
    """The fits of a sweep.

    Attributes:
      coordinates: As in `FitConfig`.
      num_steps: Of each fit.
      every: Steps from one score to the next.
      widths: As in `SirenConfig`.
      depths: The same.
      first_omegas: Factors in the first sine.
      learning_rates: Of Adam.
    """

    coordinates: str
    num_steps: int
    every: int
    widths: Sequence[int]
    depths: Sequence[int]
    first_omegas: Sequence[float]
    learning_rates: Sequence[float]


def load(source: Source, condition: Condition) -> tuple[list[Example], list[str]]:
    """First channels of the noisy clips, all of the sample rate that most clips have.

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
    first_channels = [
        dataclasses.replace(e, clean=e.clean[:, :1], noisy=e.noisy[:, :1])
        for e in examples
        if e.sample_rate == rate
    ]
    return first_channels, problems


def require_settings(folder: pathlib.Path) -> None:
    """Raises InputError where a folder has scores, but does not say of which settings."""
    if (folder / CSV).exists() and not (folder / run_dir.NAME).exists():
        raise InputError(
            f"{folder}: holds {CSV} without {run_dir.NAME}, so it is not known of which "
            "clips, noise and settings; choose another folder"
        )


def open_store(folder: pathlib.Path, condition: Condition) -> Store:
    """The rows of a sweep, of one of an earlier version those of its `CSV`.

    Raises:
      InputError: that file is damaged.
    """
    store, path = Store(folder), folder / CSV
    if not store.rows and path.exists():
        try:
            rows = [_row(line, condition) for line in atomic.read_csv(path)]
        except (KeyError, TypeError, ValueError, csv.Error):
            raise InputError(
                f"{path}: damaged, its scores cannot be read; delete it to start the "
                "sweep anew, or choose another folder"
            ) from None
        store.replace(rows)
    return store


def run(
    place: runner.Place,
    examples: Sequence[Example],
    grid: Grid,
    checkpoint_dir: pathlib.Path,
    on_fits: Callable[[float], None] = lambda fits: None,
) -> None:
    """Fits and scores what is missing; all fits of one width and depth run as one batch.

    Args:
      place: Gets rows of the noisy clips, and of every fit every so many steps.
      examples: As from `load`, of one condition, whose seed draws first weights as well.
      grid: The fits.
      checkpoint_dir: Folder for the state of fits under way, which resume from there.
      on_fits: Called with fits done since the last call, shares too.
    """
    condition = examples[0].condition
    noisy = [Output(NOISY, i, example.noisy) for i, example in enumerate(examples)]
    runner.score(place, examples, noisy)
    names = {example.name for example in examples}
    steps = range(grid.every, grid.num_steps + 1, grid.every)
    for shape in itertools.product(grid.widths, grid.depths):
        settings = _settings(shape, grid)
        fits = list(itertools.product(range(len(examples)), settings))
        if all(
            names <= place.store.done(label(fit, step), condition)
            for fit, step in itertools.product(settings, steps)
        ):
            on_fits(len(fits))
            continue
        config = FitConfig(
            SirenConfig(*shape), coordinates=grid.coordinates, num_steps=grid.num_steps
        )
        inputs, scales = _inputs(examples, fits, condition.seed)
        rate, before = examples[0].sample_rate, 0
        for step, signals in sweep.trajectories(
            inputs, rate, config, grid.every, checkpoint_dir=checkpoint_dir
        ):
            estimates = np.asarray(signals) * scales[:, None]
            outputs = [
                Output(label(fit, step), i, x[: len(examples[i].noisy), None])
                for (i, fit), x in zip(fits, estimates, strict=True)
            ]
            # the state of the fits is saved once all these rows are kept
            runner.score(place, examples, outputs)
            on_fits(len(fits) * (step - before) / grid.num_steps)
            before = step


def num_fits(examples: Sequence[Example], grid: Grid) -> int:
    """Fits of all widths and depths."""
    axes = (examples, KINDS, grid.widths, grid.depths)
    axes += (grid.first_omegas, grid.learning_rates)
    return math.prod(map(len, axes))


def label(fit: Mapping[str, Any], step: int | str) -> str:
    """The method that a row names: a fit by its version of the clip and its `GRID`."""
    look = {**fit, "step": step}
    return ":".join(["siren", *(f"{name}={look[name]}" for name in LOOK)])


def lines(store: Store) -> list[dict[str, Any]]:
    """Each row as a line of `CSV`."""
    return [
        {"clip": row["clip"], "fit": UNFITTED}
        | dict(setting.split("=") for setting in row["method"].split(":")[1:])
        | {name: row[name] for name in SCORES}
        for row in store.rows
    ]


def _row(line, condition):
    """The row of a line of `CSV`; a damaged one raises KeyError, TypeError, ValueError."""
    method = NOISY
    if line["fit"] != UNFITTED:
        kinds = (str, int, int, float, float, int)
        look = {name: kind(line[name]) for name, kind in zip(LOOK, kinds, strict=True)}
        method = label(look, look["step"])
    scores = {name: float(line[name]) for name in SCORES}
    return {"clip": line["clip"], "method": method, **condition._asdict(), **scores}


def _settings(shape, grid):
    """Of all fits of one width and depth to a clip."""
    values = itertools.product(KINDS, grid.first_omegas, grid.learning_rates)
    return [
        dict(zip(("fit", *GRID), (kind, *shape, *value), strict=True))
        for kind, *value in values
    ]


def _inputs(examples, fits, seed):
    """All fits as arrays, signals scaled to a peak of 1, and the scales."""
    signals = [getattr(examples[i], fit["fit"])[:, 0] for i, fit in fits]
    scales = np.array([np.max(np.abs(x)) or 1 for x in signals], np.float32)
    size = bucketing.bucket_size(max(map(len, signals)))
    samples = bucketing.pad([x / s for x, s in zip(signals, scales, strict=True)], size)
    seeds = [noise.clip_seed(seed, examples[i].name) for i, _ in fits]
    first_omegas, learning_rates = (
        np.array([fit[name] for _, fit in fits], np.float32) for name in GRID[2:]
    )
    inputs = sweep.Fits(
        jax.vmap(jax.random.key)(np.array(seeds, np.uint32)),
        siren.Signal(samples, np.array([len(x) for x in signals])),
        first_omegas,
        learning_rates,
    )
    return inputs, scales
