"""Fits over a grid of hyperparameters, as one program for each shape of the network."""

import dataclasses
import os
from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np

from inr_jax.configs.fitting import FitConfig
from inr_jax.errors import InputError
from inr_jax.fitting import driver, siren
from inr_jax.fitting.siren import Signal
from inr_jax.parallel.compute import ComputeConfig, default_compute


class Fits(NamedTuple):
    """What the fits of a sweep differ in; every leaf has a leading axis of fits.

    Attributes:
      key: Draws the first weights.
      signal: What to fit, scaled to a peak of about 1.
      first_omega: Factor in the first sine.
      learning_rate: Of Adam.
    """

    key: jax.Array
    signal: Signal
    first_omega: jax.Array
    learning_rate: jax.Array


def trajectories(
    fits: Fits,
    sample_rate: int,
    config: FitConfig,
    every: int,
    compute: ComputeConfig | None = None,
    checkpoint_dir: str | os.PathLike | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Runs all fits side by side and shows them while they go.

    A fit that diverges stays as it is: it shows which rates are too high.

    Args:
      fits: Their own `first_omega` and `learning_rate` replace those of `config`.
      sample_rate: In Hz.
      config: What all have in common, `num_steps` included.
      every: Steps from one look to the next; `num_steps` is a multiple.
      compute: By default what suits the device.
      checkpoint_dir: Folder for the state of the sweep. Called again with the same fits,
        the first look is the one after the last checkpoint, which holds no look that
        the caller had not come back from. Deleted after the last look.

    Yields:
      Steps done, and the signals (fits, samples) that the networks represent then.

    Raises:
      InputError: `num_steps` is no multiple of `every`, or `segment_s` is set.
    """
    if config.num_steps % every:
        raise InputError(f"{config.num_steps} steps are no multiple of {every}")
    if config.segment_s is not None:
        raise InputError("a sweep fits whole clips; segment_s must be None")
    compute = compute or default_compute()
    problem = SweepProblem(config, sample_rate)
    keys, rest = list(fits.key), jax.device_get(fits[1:])
    rows = [
        Fits(key, *jax.tree.map(lambda leaf: leaf[i], rest))  # noqa: B023
        for i, key in enumerate(keys)
    ]
    with driver.open_checkpoints(checkpoint_dir) as checkpoints:
        batches = driver.chunks(
            problem,
            rows,
            compute,
            checkpoints,
            steps_per_call=every,
            in_step=True,
        )
        next(batches)  # the start
        for batch in batches:
            estimates = driver.results_of(problem, batch, compute)
            yield int(batch.done[0]), estimates[: len(rows)]


class SweepProblem(siren.SirenProblem):
    """Fits with a rate and a first factor of their own; gives the signals alone.

    Its `config` is what all have in common.
    """

    def config_of(self, inputs):
        network = dataclasses.replace(self.config.siren, first_omega=inputs.first_omega)
        return dataclasses.replace(
            self.config, siren=network, learning_rate=inputs.learning_rate
        )

    def init(self, inputs):
        return siren.init(inputs.key, self.config_of(inputs))

    def result(self, state, inputs, compute):
        own, signal = self.config_of(inputs), inputs.signal
        return siren.on_samples(state.params, signal, self.sample_rate, own, compute)
