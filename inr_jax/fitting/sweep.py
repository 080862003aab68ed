"""Fits over a grid of hyperparameters, as one program for each shape of the network."""

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp

from inr_jax.configs.fitting import FitConfig
from inr_jax.fitting import fitting
from inr_jax.fitting.fitting import Signal
from inr_jax.parallel.compute import ComputeConfig, default_compute, over_fits


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
) -> Iterator[tuple[int, jax.Array]]:
    """Runs all fits side by side and shows them while they go.

    Args:
      fits: Their own `first_omega` and `learning_rate` replace those of `config`.
      sample_rate: In Hz.
      config: What all have in common, `num_steps` included.
      every: Steps from one look to the next.
      compute: By default what suits the device.

    Yields:
      Steps done, and the signals (fits, samples) that the networks represent then.
    """
    compute = compute or default_compute()
    state = _init(fits, config)
    for done in range(every, config.num_steps + 1, every):
        state, estimates = _advance(state, fits, sample_rate, config, every, compute)
        yield done, estimates


def _own(config, one: Fits):
    network = dataclasses.replace(config.siren, first_omega=one.first_omega)
    return dataclasses.replace(config, siren=network, learning_rate=one.learning_rate)


@jax.jit(static_argnames="config")
def _init(fits, config):
    return jax.vmap(lambda one: fitting.init(one.key, _own(config, one)))(fits)


@jax.jit(
    static_argnames=("sample_rate", "config", "every", "compute"),
    donate_argnames="state",
)
def _advance(state, fits, sample_rate, config, every, compute):
    size = fits.signal.samples.shape[1]

    def advance(state, one):
        own, signal = _own(config, one), one.signal

        def step(state, _):
            return fitting.update(state, signal, sample_rate, own, compute)

        state, _ = jax.lax.scan(step, state, length=every)
        index = jnp.arange(size, dtype=jnp.float32)
        return state, fitting.evaluate(
            state.params, index, signal.num_samples, sample_rate, own, compute
        )

    return over_fits(advance, compute, config.siren.width, size)(state, fits)
