"""The state of a training: weights, their running mean, the optimizer's memory."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax


class State(NamedTuple):
    """All that a training resumes from.

    Attributes:
      params: Weights of the denoiser.
      ema: Their exponential moving average, which is validated and saved as `model/`.
      opt_state: Of the optimizer.
      step: Steps done.
    """

    params: Any
    ema: Any
    opt_state: Any
    step: jax.Array


def fresh(params: Any, optimizer: optax.GradientTransformation) -> State:
    """The state before the first step."""
    # a copy: the state is donated, and one buffer cannot be given away twice
    ema = jax.tree.map(jnp.copy, params)
    return State(params, ema, optimizer.init(params), jnp.zeros((), jnp.int32))


def apply_gradient(
    state: State,
    gradient: Any,
    optimizer: optax.GradientTransformation,
    ema_decay: float,
) -> State:
    """The state after a step."""
    updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    # a short memory at first, or the average would keep what initialisation drew
    decay = jnp.minimum(ema_decay, (1 + state.step) / (10 + state.step))
    ema = optax.incremental_update(params, state.ema, 1 - decay)
    return State(params, ema, opt_state, state.step + 1)
