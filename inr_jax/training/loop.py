"""Trains a denoiser: steps, log, checkpoints and validation, from where it stands."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import flax.linen as nn
import jax
import numpy as np

from inr_jax.configs.training import MixingConfig, TrainingConfig
from inr_jax.data import mixing, prefetch
from inr_jax.enhancement import neural
from inr_jax.metrics import pool as scoring
from inr_jax.parallel import distributed, sharding
from inr_jax.plots import style
from inr_jax.plots import training as training_curves
from inr_jax.training import run as training_run
from inr_jax.training import step as training
from inr_jax.training import validation


class Data(NamedTuple):
    """What a training hears.

    Attributes:
      speech: Sources of clean speech.
      noise: Recorded noise, int16 (samples,).
      cases: Noisy clips of other speakers, for validation.
      seed: Of crops and noise.
    """

    speech: Sequence[mixing.Speech]
    noise: np.ndarray
    cases: Sequence[validation.Case]
    seed: int


class Every(NamedTuple):
    """Steps from one line of the log, checkpoint and validation to the next."""

    log: int
    save: int
    validate: int


def train(
    run: training_run.TrainingRun,
    state: training.State,
    model: nn.Module,
    data: Data,
    mixing_config: MixingConfig,
    config: TrainingConfig,
    every: Every,
    on_line: Callable[[dict], None],
) -> None:
    """Steps from where `state` is to the last one of `config`.

    Args:
      run: Keeps log and checkpoints.
      state: As from `run.resume`; its memory is taken over.
      model: What is trained.
      data: What it hears.
      mixing_config: How examples are made.
      config: How it is trained.
      every: When to log, save and validate; all at the last step, too.
      on_line: Called with each line of the log, by the first of several processes.

    Raises:
      FloatingPointError: a term of the loss was not finite; names step and term.
    """
    update = training.compiled_update(model, mixing_config.sample_rate, config)
    split = sharding.shardings()[1]
    places = sharding.local_rows(split, config.batch_size)
    first = distributed.process()[0] == 0
    audio_s = config.batch_size * mixing_config.num_samples / mixing_config.sample_rate
    meter, waited = training_run.Meter(), 0.0

    def make(step):
        pair = mixing.batch(
            data.speech, data.noise, mixing_config, places, data.seed, step
        )
        return jax.make_array_from_process_local_data(split, pair)

    steps = range(int(state.step), config.num_steps)
    with scoring.ScorePool() as pool, prefetch.Prefetch(make, steps) as batches:
        for step, (noisy, clean) in batches:
            state, measured = update(state, noisy, clean)
            meter.add(measured)
            done = step + 1
            last = done == config.num_steps
            if done % every.log == 0 or last:
                line = meter.line(done, audio_s, batches.waited_s - waited)
                run.append(line)
                if first:
                    on_line(line)
                waited = batches.waited_s
                meter.reset()
            if done % every.validate == 0 or last:
                meter.require_finite(done)
                score = 0.0
                if first:
                    line, score = validate(run, state, model, data.cases, pool)
                    on_line(line)
                run.save_if_best(state, distributed.broadcast_from_process_0(score))
                meter.reset()
            if done % every.save == 0 or last:
                meter.require_finite(done)
                run.save(state)


def validate(run, state, model, cases, pool) -> tuple[dict, float]:
    """Scores the running mean of the weights; the log's line and what counts of it."""
    rate, weights = model.config.sample_rate, sharding.local_replica(state.ema)
    estimates = neural.denoise_many(
        model, weights, [case.noisy for case in cases], [rate] * len(cases)
    )
    scores = validation.means(validation.submit(dict(estimates), cases, rate, pool))
    line = {"step": int(state.step), **scores}
    run.append(line)
    style.save(training_curves.draw(run.log()), run.folder / "curves.png")
    return line, training_curves.selection_score(scores)
