"""Steps of training a denoiser by AdamW, for `train-hypersound`: sharded over devices.

A denoiser is a Flax module of one signal, noisy samples in and denoised samples out. The
state is on every device, the batch is split over them, those of other processes too.
Examples are made on the host, ahead of the step that needs them.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from inr_jax import audio, losses
from inr_jax.configs.training import MixingConfig, TrainingConfig
from inr_jax.data import augment_numpy, prefetch
from inr_jax.enhancement import api, neural
from inr_jax.parallel import precision, sharding
from inr_jax.training import state as states
from inr_jax.training.loop import Task
from inr_jax.training.state import State
from inr_jax.training.validation import ValidationExample


class Data(NamedTuple):
    """What a training is given.

    Attributes:
      speech: Sources of clean speech.
      noise: Recorded noise, int16 (samples,).
      examples: For validation, of other speakers.
      seed: Of crops and noise.
    """

    speech: Sequence[augment_numpy.Speech]
    noise: np.ndarray
    examples: Sequence[ValidationExample]
    seed: int


def schedule(config: TrainingConfig) -> optax.Schedule:
    """Learning rate over steps.

    "one_cycle" rises from 1/25 of the largest rate over 5 % of the steps and falls to a
    10,000th of where it began (Smith 2018), as HyperSound's released code configures.
    """
    rate, steps = config.learning_rate, config.num_steps
    if config.schedule == "one_cycle":
        return optax.cosine_onecycle_schedule(steps, rate, 0.05, 25.0, 1e4)
    if config.schedule == "cosine":
        return optax.warmup_cosine_decay_schedule(0, rate, config.warmup_steps, steps)
    if not config.warmup_steps:  # as released; optax would stay at 0
        return optax.constant_schedule(rate)
    return optax.linear_schedule(0.0, rate, config.warmup_steps)


def momentum(config: TrainingConfig) -> optax.Schedule:
    """First decay of Adam over steps of "one_cycle": .85 where the rate is largest.

    It falls from 0.95 while the rate rises and comes back as that falls (Smith 2018).
    """
    peak = 0.05 * config.num_steps

    def value(step):
        falling = (config.num_steps - step) / (config.num_steps - peak)
        share = jnp.clip(jnp.where(step < peak, step / peak, falling), 0, 1)
        return 0.95 - 0.1 * (1 - jnp.cos(jnp.pi * share)) / 2

    return value


def optimizer(config: TrainingConfig) -> optax.GradientTransformation:
    """AdamW after clipping the norm of the gradient."""
    adamw, first_decay = optax.adamw, {}
    if config.schedule == "one_cycle":
        adamw = optax.inject_hyperparams(optax.adamw)
        first_decay = {"b1": momentum(config)}
    return optax.chain(
        optax.clip_by_global_norm(config.max_gradient_norm),
        adamw(schedule(config), weight_decay=config.weight_decay, **first_decay),
    )


def init(
    key: jax.Array, model: nn.Module, num_samples: int, config: TrainingConfig
) -> State:
    """A fresh state, on all devices, for signals (num_samples,)."""

    def make(key):
        params = model.init(key, jnp.zeros(num_samples))
        return states.fresh(params, optimizer(config))

    return precision.jit(make, out_shardings=sharding.shardings()[0])(key)


def loss_terms(
    params: Any,
    noisy: jax.Array,
    clean: jax.Array,
    model: nn.Module,
    sample_rate: int,
    config: TrainingConfig,
) -> dict[str, jax.Array]:
    """Weighted terms of the loss of one example, by name.

    Both are divided by the peak of the noisy signal, which a denoiser knows.
    """
    scale = 1 / jnp.maximum(jnp.max(jnp.abs(noisy)), 1e-9)
    estimate = model.apply(params, noisy)
    return losses.terms(
        scale * estimate, scale * clean, clean.shape[0], sample_rate, config.loss
    )


def update(
    state: State,
    noisy: jax.Array,
    clean: jax.Array,
    model: nn.Module,
    sample_rate: int,
    config: TrainingConfig,
) -> tuple[State, dict[str, jax.Array]]:
    """One step on a batch (examples, samples).

    Returns:
      The next state, and `loss`, its terms and `gradient_norm` from before the step.
    """

    def mean_loss(params):
        terms = jax.vmap(
            lambda x, y: loss_terms(params, x, y, model, sample_rate, config)
        )(noisy, clean)
        means = jax.tree.map(jnp.mean, terms)
        return sum(means.values()), means

    (loss, terms), gradient = jax.value_and_grad(mean_loss, has_aux=True)(state.params)
    new = states.apply_gradient(state, gradient, optimizer(config), config.ema_decay)
    return new, {"loss": loss, **terms, "gradient_norm": optax.tree.norm(gradient)}


def compiled_update(
    model: nn.Module, sample_rate: int, config: TrainingConfig
) -> Callable:
    """`update(state, noisy, clean)` over all devices; takes the state's memory over."""
    replicated, split = sharding.shardings()

    def step(state, noisy, clean):
        return update(state, noisy, clean, model, sample_rate, config)

    return precision.jit(
        step,
        donate_argnums=0,
        in_shardings=(replicated, split, split),
        out_shardings=replicated,
    )


@contextlib.contextmanager
def task(
    model: nn.Module,
    data: Data,
    mixing: MixingConfig,
    config: TrainingConfig,
    first_step: int,
) -> Iterator[Task]:
    """What `loop.train` needs; examples are made ahead in a thread until it ends.

    Args:
      model: What is trained.
      data: Speech, noise and examples of the validation.
      mixing: How examples are made.
      config: How it is trained.
      first_step: Steps that the state has done.
    """
    advance = compiled_update(model, mixing.sample_rate, config)
    split = sharding.shardings()[1]
    places = sharding.local_rows(split, config.batch_size)

    def make(step):
        pair = augment_numpy.batch(
            data.speech, data.noise, mixing, places, data.seed, step
        )
        return jax.make_array_from_process_local_data(split, pair)

    def denoise(params):
        denoiser = neural.hypersound(model, sharding.local_replica(params))
        recordings = [
            audio.Recording(example.noisy[:, None], mixing.sample_rate)
            for example in data.examples
        ]
        estimates = api.denoise_recordings(denoiser, recordings, [0] * len(recordings))
        return {x.position: x.samples[:, 0] for x in estimates}

    steps = range(first_step, config.num_steps)
    with prefetch.Prefetch(make, steps) as batches:
        pairs = iter(batches)
        yield Task(
            lambda state: advance(state, *next(pairs)[1]),
            config.num_steps,
            config.batch_size * mixing.num_samples / mixing.sample_rate,
            denoise,
            data.examples,
            mixing.sample_rate,
            lambda: batches.waited_s,
        )
