"""Runs fits of one batch to their last step, some steps a call, kept as it goes."""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

if TYPE_CHECKING:
    from inr_jax.fitting.saved_fits import SavedFits

# Of every fit, by (state, steps that each has done): state and losses (fits, steps of a
# call); a fit that has done all of its steps stays as it is.
Advance = Callable[[Any, np.ndarray], tuple[Any, jax.Array]]


def run(
    state: Any,
    num_steps: int,
    steps_per_call: int,
    advance: Advance,
    on_steps: Callable[[np.ndarray], None],
    saved: "SavedFits | None" = None,
    names: Sequence[str] = (),
) -> tuple[Any, np.ndarray]:
    """States and losses (fits, steps) after all steps.

    Args:
      state: Before the first step, a leading axis of fits on every array.
      num_steps: Of each fit.
      steps_per_call: Of `advance`.
      advance: Does some steps.
      on_steps: Called with the steps of each fit (fits,) since the last call.
      saved: Where fits under way are kept, and found.
      names: Of the fits, as `saved` gave them.
    """
    num_fits = len(jax.tree.leaves(state)[0])
    losses = np.zeros((num_fits, num_steps), np.float32)
    done = np.zeros(num_fits, np.int32)
    if saved:
        host_state = jax.tree.map(np.array, state)
        done = saved.restore(names, (host_state, losses))
        state = jax.tree.map(_put_like, host_state, state)
        on_steps(done)
    while done.min() < num_steps:
        state, new = advance(state, done)
        before, done = done, np.minimum(done + steps_per_call, num_steps)
        for i, values in enumerate(np.asarray(new)):
            losses[i, before[i] : done[i]] = values[: done[i] - before[i]]
        on_steps(done - before)
        if saved and (saved.due or done.min() == num_steps):
            saved.save(names, (state, losses), done)
    return state, losses


def _put_like(new, old):
    return jax.device_put(new, old.sharding if old.committed else None)


def stack_keys(keys: Sequence[jax.Array]) -> jax.Array:
    """Keys as one array of keys; the same one may stand in it twice on purpose."""
    return jax.random.wrap_key_data(
        jnp.stack([jax.random.key_data(key) for key in keys])
    )


def some_steps(
    update: Callable, state: Any, done: jax.Array, num_steps: int, count: int
) -> tuple[Any, jax.Array]:
    """`count` steps of one fit, to trace; one that has done all stays as it is.

    Args:
      update: Of a state and the steps done before; gives the next state and a loss.
      state: Before these steps.
      done: Steps done before them.
      num_steps: Of the whole fit.
      count: Of this call.

    Returns:
      The state after them and their losses (count,), 0 where there was none to do.
    """

    def step(state, i):
        return jax.lax.cond(
            done + i < num_steps,
            lambda: update(state, done + i),
            lambda: (state, jnp.zeros(())),
        )

    return jax.lax.scan(step, state, jnp.arange(count))


def open_saved(
    folder: str | os.PathLike, config: Any, init: Callable, num_steps: int
) -> "SavedFits":
    """Where `run` keeps fits under way.

    Args:
      folder: Made when something is saved.
      config: As for `SavedFits`.
      init: Gives the first state of one fit for a key.
      num_steps: Of each fit.
    """
    from inr_jax.fitting import saved_fits

    key = jax.eval_shape(lambda: jax.random.key(0))
    losses = jax.ShapeDtypeStruct((num_steps,), np.float32)
    return saved_fits.SavedFits(folder, config, (jax.eval_shape(init, key), losses))
