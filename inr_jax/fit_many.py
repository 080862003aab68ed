"""Fits many SIRENs at once: clips of any length, level and rate, few programs."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from inr_jax import batching, fitting, segments, siren
from inr_jax.configs import FitConfig
from inr_jax.fitting import Signal

# Steps in one call of the compiled program: how often progress is reported.
STEPS_PER_CALL = 10


# Units times samples that advance together on a CPU: half a MiB an array stays in cache.
CPU_ACTIVATIONS_AT_ONCE = 2**17


class SegmentFit(NamedTuple):
    """The fit of one segment, or of a whole clip.

    Attributes:
      params: Weights that represent the segment divided by `scale`.
      losses: (steps,) on the scaled segment.
      scale: Its peak, 1 for silence.
      estimate: (samples,) float32 at the level of the clip.
    """

    params: siren.Params
    losses: np.ndarray
    scale: float
    estimate: np.ndarray


class ClipFit(NamedTuple):
    """The fit of one clip: its segments (one, unless they were asked for), joined."""

    segments: list[SegmentFit]
    estimate: np.ndarray


def fit_many(
    keys: Sequence[jax.Array],
    signals: Sequence[np.ndarray],
    sample_rates: Sequence[int],
    config: FitConfig,
    max_batch_samples: int | None = None,
    on_steps: Callable[[float, int], None] = lambda num_clips, num_steps: None,
) -> Iterator[tuple[int, ClipFit]]:
    """`fitting.fit` for many clips of any lengths, levels and rates; clips share nothing.

    Clips, or the segments that `config` asks for, are padded to few lengths and each
    length compiles once. Each is divided by its peak for the fit and the estimate
    multiplied by it.

    Args:
      keys: One for each clip, so that a fit does not depend on its neighbours.
      signals: Arrays (samples,) of at least one sample.
      sample_rates: Hz of each.
      config: The same for all.
      max_batch_samples: Padded samples that run as one program; chosen by backend.
      on_steps: Called with clips and steps done since the last call; a segment counts
        as its share of a clip.

    Yields:
      Position in `signals` and fit, as clips finish, shortest first.

    Raises:
      ValueError: a signal is empty, not one-dimensional or not finite.
    """
    signals = [_checked(i, signal) for i, signal in enumerate(signals)]
    if max_batch_samples is None:
        max_batch_samples = 2**17 if jax.default_backend() == "cpu" else 2**22
    pieces = [
        piece
        for clip, (signal, rate) in enumerate(zip(signals, sample_rates, strict=True))
        for piece in _pieces(clip, keys[clip], signal, _segment_length(config, rate))
    ]
    plan = batching.plan(
        [len(p.samples) for p in pieces],
        [sample_rates[p.clip] for p in pieces],
        max_batch_samples,
    )
    found: dict[int, list[SegmentFit]] = {}
    for batch in plan:
        chosen = [pieces[i] for i in batch.clips]
        for piece, segment in zip(
            chosen[: batch.num_clips],
            _fit_batch(chosen, batch, config, on_steps),
            strict=False,
        ):
            done = found.setdefault(piece.clip, [])
            done.append(segment)
            if len(done) == piece.of:
                yield (
                    piece.clip,
                    _joined(found.pop(piece.clip), len(signals[piece.clip])),
                )


class _Piece(NamedTuple):
    clip: int
    of: int  # pieces of this clip
    key: jax.Array
    samples: np.ndarray


def _segment_length(config, sample_rate):
    if config.segment_s is None:
        return None
    return max(2, round(config.segment_s * sample_rate))


def _pieces(clip, key, signal, length):
    if length is None:
        return [_Piece(clip, 1, key, signal)]
    parts = segments.split(signal, length)
    keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(np.arange(len(parts)))
    return [_Piece(clip, len(parts), k, x) for k, x in zip(keys, parts, strict=True)]


def _joined(fits, num_samples):
    estimates = [fit.estimate for fit in fits]
    return ClipFit(fits, segments.join(estimates, num_samples, len(estimates[0])))


def _fit_batch(pieces, batch, config, on_steps):
    clips = [piece.samples for piece in pieces]
    scales = [float(np.max(np.abs(clip))) or 1.0 for clip in clips]
    samples = batching.pad(
        [c / s for c, s in zip(clips, scales, strict=True)], batch.size
    )
    batched = Signal(jnp.asarray(samples), jnp.array([len(c) for c in clips]))
    share_of_clips = sum(1 / piece.of for piece in pieces[: batch.num_clips])
    state, values = _init_many(jnp.stack([p.key for p in pieces]), config), []
    for first in range(0, config.num_steps, STEPS_PER_CALL):
        state, new = _advance_many(state, batched, first, batch.sample_rate, config)
        values.append(np.asarray(new)[:, : config.num_steps - first])
        on_steps(share_of_clips, values[-1].shape[1])
    values = np.concatenate(values, axis=1)
    estimates = _evaluate_many(state.params, batched, batch.sample_rate, config)
    params, estimates = jax.device_get((state.params, estimates))
    for i, (clip, scale) in enumerate(zip(clips, scales, strict=True)):
        one = jax.tree.map(lambda leaf: leaf[i], params)  # noqa: B023
        yield SegmentFit(
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


def _over_clips(function, width):
    """Maps over the leading axis: as many at once as a CPU's cache holds, else all."""

    def mapped(state, signal):
        count, size = signal.samples.shape
        at_once = count
        if jax.default_backend() == "cpu":
            at_once = min(count, CPU_ACTIVATIONS_AT_ONCE // (size * width))
        if at_once <= 1:  # a batch of one would multiply slower than none
            return jax.lax.map(lambda one: function(*one), (state, signal))
        return jax.lax.map(
            lambda one: function(*one), (state, signal), batch_size=at_once
        )

    return mapped


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

    return _over_clips(advance, config.siren.width)(state, signal)


@jax.jit(static_argnames=("sample_rate", "config"))
def _evaluate_many(params, signal, sample_rate, config):
    def one(params, signal):
        index = jnp.arange(signal.samples.shape[0], dtype=jnp.float32)
        return fitting.evaluate(params, index, signal.num_samples, sample_rate, config)

    return _over_clips(one, config.siren.width)(params, signal)
