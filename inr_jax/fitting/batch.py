"""Fits many SIRENs at once: clips of any length, level and rate, few programs."""

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging

from inr_jax.configs.fitting import FitConfig
from inr_jax.dsp import overlap_add
from inr_jax.errors import InputError
from inr_jax.fitting import fitting, stepping
from inr_jax.fitting.clip_fit import ClipFit, SegmentFit, segment_length
from inr_jax.fitting.fitting import Signal
from inr_jax.nn import siren
from inr_jax.parallel import bucketing, sharding
from inr_jax.parallel.compute import ComputeConfig, default_compute, over_fits


def fit_many(
    keys: Sequence[jax.Array],
    signals: Sequence[np.ndarray],
    sample_rates: Sequence[int],
    config: FitConfig,
    on_steps: Callable[[float], None] = lambda clip_steps: None,
    checkpoint_dir: str | os.PathLike | None = None,
    compute: ComputeConfig | None = None,
    start_from: Sequence[ClipFit] | None = None,
) -> Iterator[tuple[int, ClipFit]]:
    """`fitting.fit` for many clips of any lengths, levels and rates; clips share nothing.

    Clips, or the segments that `config` asks for, are padded to few lengths and each
    length compiles once. Each is divided by its peak for the fit and the estimate
    multiplied by it. A fit that ends worse than it began is fitted again at half the rate,
    the better of both is given, and a warning is logged.

    Args:
      keys: One for each clip, so that a fit does not depend on its neighbours.
      signals: Arrays (samples,) of at least one sample.
      sample_rates: Hz of each.
      config: The same for all.
      on_steps: Called with steps done since the last call, times clips; a segment
        counts as its share of a clip.
      checkpoint_dir: Folder for the state of fits under way. Called again with the
        same clips, or those of them that are left, fits go on from there. Deleted
        when all fits are taken.
      compute: By default what suits the device.
      start_from: A fit for each clip, whose weights the new fit begins with.

    Yields:
      Position in `signals` and fit, as clips finish, shortest first.

    Raises:
      ValueError: a signal is empty, not one-dimensional or not finite.
      InputError: a fit to start from is of another network, length or rate.
    """
    signals = [bucketing.checked(i, signal) for i, signal in enumerate(signals)]
    compute = compute or default_compute()
    starts = start_from or [None] * len(signals)
    pieces = [
        piece
        for clip, (signal, rate) in enumerate(zip(signals, sample_rates, strict=True))
        for piece in _pieces(clip, keys[clip], signal, rate, config, starts[clip])
    ]
    saved = None
    if checkpoint_dir is not None:
        saved = stepping.open_saved(
            checkpoint_dir,
            config,
            lambda key: fitting.init(key, config),
            config.num_steps,
        )

    def run(chosen, batch):
        fits = list(_fit_batch(chosen, batch, config, compute, on_steps, saved))
        diverged = [i for i in range(batch.num_clips) if _diverged(fits[i][0])]
        if diverged:
            rate = config.learning_rate / 2
            slower = dataclasses.replace(config, learning_rate=rate)
            again = list(
                _fit_batch(chosen, batch, slower, compute, lambda steps: None, None)
            )
        for i in diverged:
            logging.warning(
                "signal %d: its fit diverged; again at half the rate", chosen[i].clip
            )
            fits[i] = min(fits[i], again[i], key=lambda pair: _last_loss(pair[0]))
        return fits

    for clip, fits in bucketing.by_clip(
        pieces, sample_rates, compute.batch_samples, compute.num_devices, run
    ):
        yield clip, _joined(fits, len(signals[clip]), sample_rates[clip], config)
    if saved:
        saved.remove()


def program(
    num_clips: int,
    num_samples: int,
    sample_rate: int,
    config: FitConfig,
    compute: ComputeConfig,
) -> str:
    """The compiled text of the steps between two reports, of a full batch, to look at.

    Args:
      num_clips: In the batch, a multiple of the devices.
      num_samples: Of each clip, padding included.
      sample_rate: Hz.
      config: Of the fits.
      compute: Of the batch.
    """
    keys = jax.random.split(jax.random.key(0), num_clips)
    lengths = np.full(num_clips, num_samples)
    signal = Signal(np.zeros((num_clips, num_samples), np.float32), lengths)
    batched = sharding.put_clips(signal, compute.num_devices)
    state, done = _init_many(keys, config, compute), np.zeros(num_clips, np.int32)
    lowered = _advance_many.lower(state, batched, done, sample_rate, config, compute)
    return lowered.compile().as_text()


class _Piece(NamedTuple):
    clip: int
    of: int  # pieces of this clip
    key: jax.Array
    samples: np.ndarray
    params: siren.Params | None  # to begin with


def _pieces(clip, key, signal, sample_rate, config, start_from):
    parts = [signal]
    keys = [key]
    if config.segment_s is not None:
        length = segment_length(config, len(signal), sample_rate)
        parts = overlap_add.split_overlapping(signal, length)
        keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(np.arange(len(parts)))
    params = [None] * len(parts)
    if start_from is not None:
        _check_start(clip, start_from, len(signal), sample_rate, config)
        params = [segment.params for segment in start_from.segments]
    return [
        _Piece(clip, len(parts), *of) for of in zip(keys, parts, params, strict=True)
    ]


def _check_start(clip, fit, num_samples, sample_rate, config):
    """A fit goes on from one of the same network and the same samples."""
    found = (fit.num_samples, fit.sample_rate, fit.config.siren, fit.config.segment_s)
    wanted = (num_samples, sample_rate, config.siren, config.segment_s)
    names = ("samples", "sample rate", "network", "segment_s")
    for name, x, y in zip(names, found, wanted, strict=True):
        if x != y:
            raise InputError(
                f"signal {clip}: the fit to start from has {name} {x}, not {y}"
            )


def _joined(fits, num_samples, sample_rate, config):
    segments, estimates = zip(*fits, strict=True)
    whole = overlap_add.crossfade(list(estimates), num_samples, len(estimates[0]))
    return ClipFit(segments, num_samples, sample_rate, config, whole)


def _diverged(fit):
    return not fit.losses[-1] <= fit.losses[0]  # nor where one is NaN


def _last_loss(fit):
    return fit.losses[-1] if np.isfinite(fit.losses[-1]) else np.inf


def _fit_batch(pieces, batch, config, compute, on_steps, saved):
    clips = [piece.samples for piece in pieces]
    scales = [float(np.max(np.abs(clip))) or 1.0 for clip in clips]
    samples = bucketing.pad(
        [c / s for c, s in zip(clips, scales, strict=True)], batch.size
    )
    batched = sharding.put_clips(
        Signal(samples, np.array([len(c) for c in clips])), compute.num_devices
    )
    shares = np.array([1 / piece.of for piece in pieces])
    shares[batch.num_clips :] = 0  # these only fill the batch

    def report(steps):
        on_steps(float(shares @ steps))

    state, losses = _run(
        pieces, batched, batch.sample_rate, config, compute, report, saved
    )
    estimates = _evaluate_many(
        state.params, batched, batch.sample_rate, config, compute
    )
    params, estimates = jax.device_get((state.params, estimates))
    for i, (clip, scale) in enumerate(zip(clips, scales, strict=True)):
        one = jax.tree.map(lambda leaf: leaf[i], params)  # noqa: B023
        estimate = estimates[i, : len(clip)] * np.float32(scale)
        yield SegmentFit(one, losses[i], scale), estimate


def _run(pieces, batched, sample_rate, config, compute, report, saved):
    keys = [piece.key for piece in pieces]
    names = ()
    if saved:
        names = saved.names(keys, [piece.samples for piece in pieces], sample_rate)

    def advance(state, done):
        return _advance_many(state, batched, done, sample_rate, config, compute)

    state = _init_many(stepping.stack_keys(keys), config, compute)
    if pieces[0].params is not None:
        starts = [piece.params for piece in pieces]
        params = jax.tree.map(lambda *leaves: np.stack(leaves), *starts)
        state = state._replace(params=params)
    return stepping.run(
        state, config.num_steps, compute.steps_per_call, advance, report, saved, names
    )


@jax.jit(static_argnames=("config", "compute"))
def _init_many(keys, config, compute):
    init = jax.vmap(lambda key: fitting.init(key, config))
    return sharding.over_clips(init, compute.num_devices)(keys)


@jax.jit(static_argnames=("sample_rate", "config", "compute"), donate_argnames="state")
def _advance_many(state, signal, done, sample_rate, config, compute):
    """Some steps of every fit; one that has done all of its steps stays as it is."""

    def advance(state, signal, done):
        def update(state, _):
            return fitting.update(state, signal, sample_rate, config, compute)

        return stepping.some_steps(
            update, state, done, config.num_steps, compute.steps_per_call
        )

    lifted = over_fits(advance, compute, config.siren.width, signal.samples.shape[1])
    return sharding.over_clips(lifted, compute.num_devices)(state, signal, done)


@jax.jit(static_argnames=("sample_rate", "config", "compute"))
def _evaluate_many(params, signal, sample_rate, config, compute):
    size = signal.samples.shape[1]

    def one(params, num_samples):
        index = jnp.arange(size, dtype=jnp.float32)
        return fitting.evaluate(
            params, index, num_samples, sample_rate, config, compute
        )

    lifted = over_fits(one, compute, config.siren.width, size)
    return sharding.over_clips(lifted, compute.num_devices)(params, signal.num_samples)
