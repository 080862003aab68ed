"""Fits DNP's network to many clips: any lengths, few programs, resumed where it stopped."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np

from inr_jax.configs.fitting import DnpConfig
from inr_jax.enhancement import dnp
from inr_jax.fitting import stepping
from inr_jax.fitting.fitting import Signal
from inr_jax.parallel import bucketing, sharding
from inr_jax.parallel.compute import ComputeConfig, default_compute, over_fits


class DnpFit(NamedTuple):
    """What one clip's fit found.

    Attributes:
      score: Fluctuations (whole frames, bins); no frames for a clip under a window.
      losses: (steps,), each before its update.
    """

    score: np.ndarray
    losses: np.ndarray


def fit_many(
    keys: Sequence[jax.Array],
    signals: Sequence[np.ndarray],
    config: DnpConfig,
    on_clips: Callable[[float], None] = lambda clips: None,
    checkpoint_dir: str | os.PathLike | None = None,
    compute: ComputeConfig | None = None,
) -> Iterator[tuple[int, DnpFit]]:
    """Fits each clip, cut to a multiple of 2^levels samples; clips share nothing.

    Clips are padded to few lengths, which changes none of them.

    Args:
      keys: One for each clip.
      signals: Noisy (samples,) of at least one sample, full scale 1: published values
        are for this scale, whatever the level.
      config: The same for all.
      on_clips: Called with clips done since the last call, shares of clips too.
      checkpoint_dir: Folder for the state of fits under way. Called again with the same
        clips, or those of them that are left, fits go on from there. Deleted when all
        fits are taken.
      compute: By default what suits the device.

    Yields:
      Position in `signals` and fit, as clips finish, shortest first.

    Raises:
      ValueError: a signal is empty, not one-dimensional or not finite.
    """
    compute = compute or default_compute()
    signals = [bucketing.checked(i, signal) for i, signal in enumerate(signals)]
    pieces = []
    for i, signal in enumerate(signals):
        cut = len(signal) // 2**config.num_levels * 2**config.num_levels
        if cut >= dnp.WINDOW:
            pieces.append(_Piece(i, keys[i], signal[:cut]))
        else:
            yield i, DnpFit(np.zeros((0, dnp.WINDOW // 2 + 1)), np.zeros(0))
            on_clips(1)
    batches = bucketing.plan(
        [len(piece.samples) for piece in pieces],
        [0] * len(pieces),
        compute.batch_samples,
        compute.num_devices,
    )
    for batch in batches:
        chosen = [pieces[i] for i in batch.clips]
        own = chosen[: batch.num_clips]
        state, losses = _run(chosen, batch, config, compute, on_clips, checkpoint_dir)
        scores = np.asarray(state.score)
        for i, piece in enumerate(own):
            frames = dnp.num_frames(len(piece.samples))
            yield piece.clip, DnpFit(scores[i, :frames].copy(), losses[i])
    if checkpoint_dir:
        shutil.rmtree(checkpoint_dir, ignore_errors=True)


class _Piece(NamedTuple):
    clip: int
    key: jax.Array
    samples: np.ndarray


def _run(pieces, batch, config, compute, on_clips, checkpoint_dir):
    keys = [piece.key for piece in pieces]
    samples = [piece.samples for piece in pieces]
    lengths = np.array([len(one) for one in samples])
    signal = sharding.put_clips(
        Signal(bucketing.pad(samples, batch.size), lengths), compute.num_devices
    )
    saved, names = None, ()
    if checkpoint_dir:
        saved = stepping.open_saved(
            checkpoint_dir,
            (config, batch.size),
            lambda key: dnp.init(key, batch.size, config),
            config.num_steps,
        )
        names = saved.names(keys, samples, 0)

    def advance(state, done):
        return _advance_many(state, done, signal, config, compute)

    def report(steps):
        on_clips(np.sum(steps[: batch.num_clips]) / config.num_steps)

    state = _init_many(stepping.stack_keys(keys), batch.size, config, compute)
    return stepping.run(
        state, config.num_steps, compute.steps_per_call, advance, report, saved, names
    )


@jax.jit(static_argnames=("size", "config", "compute"))
def _init_many(keys, size, config, compute):
    init = jax.vmap(lambda key: dnp.init(key, size, config))
    return sharding.over_clips(init, compute.num_devices)(keys)


@jax.jit(static_argnames=("config", "compute"), donate_argnames="state")
def _advance_many(state, done, signal, config, compute):
    """Some steps of every fit; one that has done all of its steps stays as it is."""

    def advance(state, done, signal):
        def update(state, step):
            return dnp.update(state, step, signal, config)

        return stepping.some_steps(
            update, state, done, config.num_steps, compute.steps_per_call
        )

    size = signal.samples.shape[1]
    lifted = over_fits(advance, compute, config.num_filters, size)
    return sharding.over_clips(lifted, compute.num_devices)(state, done, signal)
