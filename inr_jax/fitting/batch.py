"""Fits many SIRENs at once: clips of any length, level and rate, few programs."""

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np

from inr_jax import audio
from inr_jax.configs.fitting import FitConfig
from inr_jax.dsp import overlap_add
from inr_jax.errors import InputError
from inr_jax.fitting import driver
from inr_jax.fitting.clip_fit import ClipFit, SegmentFit, segment_length
from inr_jax.fitting.siren import Inputs, Signal, SirenProblem
from inr_jax.nn import siren
from inr_jax.parallel import bucketing
from inr_jax.parallel.compute import ComputeConfig, default_compute


def fit_batch(
    keys: Sequence[jax.Array],
    signals: Sequence[np.ndarray],
    sample_rates: Sequence[int],
    config: FitConfig,
    on_steps: Callable[[float], None] = lambda clip_steps: None,
    checkpoint_dir: str | os.PathLike | None = None,
    compute: ComputeConfig | None = None,
    start_from: Sequence[ClipFit] | None = None,
    names: Sequence[str] | None = None,
) -> Iterator[tuple[int, ClipFit]]:
    """`fit` for many clips of any lengths, levels and rates; clips share nothing.

    Clips, or the segments that `config` asks for, are padded to few lengths and each
    length compiles once. Each is divided by its peak for the fit and the estimate
    multiplied by it. A fit that ends worse than it began is fitted again at half the rate,
    the better of both is given, and a warning is logged.

    Args:
      keys: One for each clip, so that a fit does not depend on its neighbours.
      signals: Arrays (samples,) of at least one sample, of any dtype that `audio.read`
        takes.
      sample_rates: Hz of each.
      config: The same for all.
      on_steps: Called with steps done since the last call, times clips; a segment
        counts as its share of a clip.
      checkpoint_dir: Folder for the state of fits under way. Called again with the
        same clips, or those of them that are left, fits resume from there. Deleted
        when all fits are taken.
      compute: By default what suits the device.
      start_from: A fit for each clip, whose weights the new fit begins with.
      names: Of the clips, for messages; "signal 0" and so on by default.

    Yields:
      Position in `signals` and fit, as clips finish, shortest first.

    Raises:
      InputError: a signal is empty, not one-dimensional or not finite, a rate is no
        positive whole number, there are not as many of keys and rates as of signals, or a
        fit to start from is of another network, length or rate.
    """
    signals, names = driver.checked(signals, names)
    if not len(keys) == len(signals) == len(sample_rates):
        raise InputError(
            f"{len(signals)} signals need as many keys and sample rates, got {len(keys)} "
            f"and {len(sample_rates)}"
        )
    sample_rates = [
        audio.checked_rate(rate, f"{name}: sample_rate")
        for rate, name in zip(sample_rates, names, strict=True)
    ]
    compute = compute or default_compute()
    starts = start_from or [None] * len(signals)
    for name, start, signal, rate in zip(
        names, starts, signals, sample_rates, strict=True
    ):
        if start is not None:
            _check_start(name, start, len(signal), rate, config)
    pieces = [
        piece
        for clip, (signal, rate) in enumerate(zip(signals, sample_rates, strict=True))
        for piece in _pieces(clip, keys[clip], signal, rate, config, starts[clip])
    ]
    for clip, fits in driver.run_clips(
        lambda rate: SirenProblem(config, rate),
        pieces,
        sample_rates,
        compute,
        on_steps,
        checkpoint_dir,
        names=names,
    ):
        fits = [piece.fit(one) for piece, one in fits]
        yield clip, _joined(fits, len(signals[clip]), sample_rates[clip], config)


def fitter(
    config: FitConfig,
    checkpoint_dir: str | os.PathLike | None = None,
    start_from: Sequence[ClipFit] | None = None,
) -> Callable[..., Iterator[tuple[int, ClipFit]]]:
    """`fit(keys, signals, sample_rates, names, on_signals)`: `fit_batch` of one config.

    Args:
      config: As for `fit_batch`.
      checkpoint_dir: The same.
      start_from: The same.

    Returns:
      A function whose `on_signals` is called with signals done since the last call, shares
      too.
    """

    def fit(keys, signals, sample_rates, names, on_signals):
        return fit_batch(
            keys,
            signals,
            sample_rates,
            config,
            lambda steps: on_signals(steps / config.num_steps),
            checkpoint_dir,
            start_from=start_from,
            names=names,
        )

    return fit


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
    silence = Signal(np.zeros(num_samples, np.float32), np.int32(num_samples))
    fits = [Inputs(jax.random.key(0), silence)] * num_clips
    return driver.compiled_text(SirenProblem(config, sample_rate), fits, compute)


class _Piece(NamedTuple):
    """A segment of a clip, or all of it."""

    clip: int
    of: int  # pieces of this clip
    key: jax.Array
    samples: np.ndarray
    start: siren.Params | None

    @property
    def scale(self):
        return float(np.max(np.abs(self.samples))) or 1.0

    def inputs(self, size) -> Inputs:
        (padded,) = bucketing.pad([self.samples / self.scale], size)
        return Inputs(self.key, Signal(padded, np.int32(len(self.samples))), self.start)

    def fit(self, fitted: driver.Fitted) -> tuple[SegmentFit, np.ndarray, float]:
        """The fit, its estimate (samples,), and the seconds that it took."""
        params, estimate = fitted.result
        estimate = estimate[: len(self.samples)] * np.float32(self.scale)
        segment = SegmentFit(params, fitted.losses, self.scale)
        return segment, estimate, fitted.work_s


def _pieces(clip, key, signal, sample_rate, config, start_from):
    parts = [signal]
    keys = [key]
    if config.segment_s is not None:
        length = segment_length(config, len(signal), sample_rate)
        parts = overlap_add.split_overlapping(signal, length)
        keys = _keys_of_segments(key, len(parts))
    starts = [None] * len(parts)
    if start_from is not None:
        starts = [segment.params for segment in start_from.segments]
    return [
        _Piece(clip, len(parts), *of) for of in zip(keys, parts, starts, strict=True)
    ]


def _keys_of_segments(key, count):
    # as many as a bucket has, taken apart on the host: any number compiles nothing new
    numbers = np.arange(bucketing.bucket_size(count))
    keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(numbers)
    data = np.asarray(jax.random.key_data(keys))[:count]
    return [jax.random.wrap_key_data(one) for one in data]


def _check_start(name, fit, num_samples, sample_rate, config):
    """A fit continues one of the same network and the same samples."""
    found = _must_agree(fit.num_samples, fit.sample_rate, fit.config)
    wanted = _must_agree(num_samples, sample_rate, config)
    for setting, value in found.items():
        if value != wanted[setting]:
            raise InputError(
                f"{name}: the fit to start from has {setting} = {value}, not "
                f"{wanted[setting]}; they must be the same"
            )


def _must_agree(num_samples, sample_rate, config):
    of_signal = {"num_samples": num_samples, "sample_rate": sample_rate}
    of_network = dataclasses.asdict(config.siren)
    of_time = {"coordinates": config.coordinates, "segment_s": config.segment_s}
    return {**of_signal, **of_network, **of_time}


def _joined(fits, num_samples, sample_rate, config):
    segments, estimates, work_s = zip(*fits, strict=True)
    whole = overlap_add.crossfade(list(estimates), num_samples, len(estimates[0]))
    fit = ClipFit(segments, num_samples, sample_rate, config, whole)
    object.__setattr__(fit, "work_s", sum(work_s))  # it is frozen for all others
    return fit
