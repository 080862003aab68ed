"""One step of training a denoiser from noisy to clean, on all devices.

A denoiser is a Flax module of one signal, noisy samples in and denoised samples out. The
state is on every device, the batch is split over them, those of other processes too.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from inr_jax import losses
from inr_jax.configs.training import TrainingConfig
from inr_jax.parallel import sharding


class State(NamedTuple):
    """All that a training goes on from.

    Attributes:
      params: Weights of the denoiser.
      ema: Their running mean, which is what is validated and shipped.
      opt_state: Of `optimiser`.
      step: Steps done.
    """

    params: Any
    ema: Any
    opt_state: Any
    step: jax.Array


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

    It falls from .95 while the rate rises and comes back as that falls (Smith 2018).
    """
    peak = 0.05 * config.num_steps

    def value(step):
        falling = (config.num_steps - step) / (config.num_steps - peak)
        share = jnp.clip(jnp.where(step < peak, step / peak, falling), 0, 1)
        return 0.95 - 0.1 * (1 - jnp.cos(jnp.pi * share)) / 2

    return value


def optimiser(config: TrainingConfig) -> optax.GradientTransformation:
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

    def fresh(key):
        params = model.init(key, jnp.zeros(num_samples))
        # a copy: the state is donated, and one buffer cannot be given away twice
        ema = jax.tree.map(jnp.copy, params)
        step = jnp.zeros((), jnp.int32)
        return State(params, ema, optimiser(config).init(params), step)

    return jax.jit(fresh, out_shardings=sharding.shardings()[0])(key)


def with_params(state: State, params: Any) -> State:
    """A fresh state that begins with these weights."""
    host, everywhere = jax.device_get(params), sharding.shardings()[0]
    copies = (jax.device_put(host, everywhere) for _ in range(2))
    return State(*copies, state.opt_state, state.step)


def loss_terms(
    params: Any,
    noisy: jax.Array,
    clean: jax.Array,
    model: nn.Module,
    sample_rate: int,
    config: TrainingConfig,
) -> dict[str, jax.Array]:
    """Weighted terms of the loss of one example, by name.

    Both sides are divided by the peak of the noisy one: what a denoiser can know.
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
    updates, opt_state = optimiser(config).update(
        gradient, state.opt_state, state.params
    )
    params = optax.apply_updates(state.params, updates)
    # a short memory at first, or the mean would keep what initialisation drew
    decay = jnp.minimum(config.ema_decay, (1 + state.step) / (10 + state.step))
    ema = optax.incremental_update(params, state.ema, 1 - decay)
    measured = {"loss": loss, **terms, "gradient_norm": optax.tree.norm(gradient)}
    return State(params, ema, opt_state, state.step + 1), measured


def compiled_update(
    model: nn.Module, sample_rate: int, config: TrainingConfig
) -> Callable:
    """`update(state, noisy, clean)` over all devices; takes the state's memory over."""
    replicated, split = sharding.shardings()

    def step(state, noisy, clean):
        return update(state, noisy, clean, model, sample_rate, config)

    return jax.jit(
        step,
        donate_argnums=0,
        in_shardings=(replicated, split, split),
        out_shardings=replicated,
    )
