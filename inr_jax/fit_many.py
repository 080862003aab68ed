"""Fits many SIRENs at once: clips of any length, level and rate, few programs."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from inr_jax import batching, fitting, siren
from inr_jax.configs import FitConfig
from inr_jax.fitting import Signal

# Steps in one call of the compiled program: how often progress is reported.
STEPS_PER_CALL = 10


class ClipFit(NamedTuple):
    """The fit of one clip of any level and length.

    Attributes:
      params: Weights that represent the clip divided by `scale`.
      losses: (steps,) on the scaled clip.
      scale: Peak of the clip, 1 for silence.
      estimate: (samples,) float32, the fitted signal at the level of the clip.
    """

    params: siren.Params
    losses: np.ndarray
    scale: float
    estimate: np.ndarray


def fit_many(
    keys: Sequence[jax.Array],
    signals: Sequence[np.ndarray],
    sample_rates: Sequence[int],
    config: FitConfig,
    max_batch_samples: int | None = None,
    on_steps: Callable[[int, int], None] = lambda num_clips, num_steps: None,
) -> Iterator[tuple[int, ClipFit]]:
    """`fitting.fit` for many clips of any lengths, levels and rates; clips share nothing.

    Clips are padded to few lengths and each length compiles once. A clip is divided by
    its peak for the fit and the estimate multiplied by it.

    Args:
      keys: One for each clip, so that a fit does not depend on its neighbours.
      signals: Arrays (samples,) of at least one sample.
      sample_rates: Hz of each.
      config: The same for all.
      max_batch_samples: Padded samples that run as one program; chosen by backend.
      on_steps: Called with clips and steps done since the last call.

    Yields:
      Position in `signals` and fit, as batches finish, shortest clips first.

    Raises:
      ValueError: a signal is empty, not one-dimensional or not finite.
    """
    signals = [_checked(i, signal) for i, signal in enumerate(signals)]
    if max_batch_samples is None:
        max_batch_samples = 2**17 if jax.default_backend() == "cpu" else 2**22
    plan = batching.plan([len(s) for s in signals], sample_rates, max_batch_samples)
    for batch in plan:
        clips = [signals[i] for i in batch.clips]
        yield from zip(
            batch.clips[: batch.num_clips],
            _fit_batch(
                jnp.stack([keys[i] for i in batch.clips]),
                clips,
                batch,
                config,
                on_steps,
            ),
            strict=False,
        )


def _fit_batch(keys, clips, batch, config, on_steps):
    scales = [float(np.max(np.abs(clip))) or 1.0 for clip in clips]
    samples = batching.pad(
        [c / s for c, s in zip(clips, scales, strict=True)], batch.size
    )
    batched = Signal(jnp.asarray(samples), jnp.array([len(c) for c in clips]))
    state, values = _init_many(keys, config), []
    for first in range(0, config.num_steps, STEPS_PER_CALL):
        state, new = _advance_many(state, batched, first, batch.sample_rate, config)
        values.append(np.asarray(new)[:, : config.num_steps - first])
        on_steps(batch.num_clips, values[-1].shape[1])
    values = np.concatenate(values, axis=1)
    estimates = _evaluate_many(state.params, batched, batch.sample_rate, config)
    params, estimates = jax.device_get((state.params, estimates))
    for i, (clip, scale) in enumerate(zip(clips, scales, strict=True)):
        one = jax.tree.map(lambda leaf: leaf[i], params)  # noqa: B023
        yield ClipFit(
            one, values[i], scale, estimates[i, : len(clip)] * np.float32(scale)
        )


def _checked(position, signal):
    signal = np.asarray(signal, np.float32)
    if signal.ndim != 1 or signal.size == 0:
        raise ValueError(
            f"signal {position} must be one-dimensional and not empty, "
            f"got shape {signal.shape}"
        )
    if not np.all(np.isfinite(signal)):
        raise ValueError(f"signal {position} holds NaN or infinite samples")
    return signal


def _over_clips(function):
    """Maps over the leading axis: in turn on a CPU, whose cache one clip fills."""
    if jax.default_backend() == "cpu":
        return lambda *args: jax.lax.map(lambda one: function(*one), args)
    return jax.vmap(function)


@jax.jit(static_argnames="config")
def _init_many(keys, config):
    return jax.vmap(lambda key: fitting.init(key, config))(keys)


@jax.jit(static_argnames=("sample_rate", "config"), donate_argnames="state")
def _advance_many(state, signal, first, sample_rate, config):
    """`STEPS_PER_CALL` steps of every clip; those past `num_steps` leave it as it is."""

    def advance(state, signal):
        def step(state, i):
            return jax.lax.cond(
                first + i < config.num_steps,
                lambda: fitting.update(state, signal, sample_rate, config),
                lambda: (state, jnp.zeros(())),
            )

        return jax.lax.scan(step, state, jnp.arange(STEPS_PER_CALL))

    return _over_clips(advance)(state, signal)


@jax.jit(static_argnames=("sample_rate", "config"))
def _evaluate_many(params, signal, sample_rate, config):
    def one(params, signal):
        index = jnp.arange(signal.samples.shape[0], dtype=jnp.float32)
        return fitting.evaluate(params, index, signal.num_samples, sample_rate, config)

    return _over_clips(one)(params, signal)
