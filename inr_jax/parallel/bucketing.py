"""Bucketing: clips of different lengths in few padded shapes, for few compilations."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np
from absl import logging

from inr_jax.parallel import memory

SMALLEST_BUCKET = 256


class Batch(NamedTuple):
    """Clips of one padded length that run together.

    Attributes:
      clips: Index of each clip; the last one is repeated to fill the batch.
      num_clips: Number of clips without repetitions.
      size: Padded samples of each clip.
      sample_rate: In Hz, the same for all.
    """

    clips: tuple[int, ...]
    num_clips: int
    size: int
    sample_rate: int


def bucket_size(num_samples: int) -> int:
    """Padded length of a clip: at least 256, four per octave, at most 25 % more."""
    return _four_per_octave(max(num_samples, SMALLEST_BUCKET))


def _four_per_octave(count):
    """The next of few numbers: all up to 8, then 10, 12, 14, 16, 20 and so on."""
    step = max(1, 2 ** (count - 1).bit_length() // 8)
    return -(-count // step) * step


def plan(
    lengths: Sequence[int],
    sample_rates: Sequence[int],
    max_samples: int,
    num_devices: int = 1,
) -> list[Batch]:
    """Groups clips into batches of one padded length and one sample rate.

    All batches of a bucket have one size, and one of few, so that few compile; a batch
    with fewer clips repeats its last one.

    Args:
      lengths: Samples of each clip.
      sample_rates: Hz of each clip.
      max_samples: Limit of padded samples per device; one clip is always allowed.
      num_devices: Divides the size of every batch.
    """
    buckets: dict[tuple[int, int], list[int]] = {}
    for i, (length, rate) in enumerate(zip(lengths, sample_rates, strict=True)):
        buckets.setdefault((bucket_size(length), rate), []).append(i)
    batches = []
    for (size, rate), clips in sorted(buckets.items()):
        most = max(1, max_samples // size)  # on each device
        num_batches = math.ceil(len(clips) / (most * num_devices))
        on_each = math.ceil(len(clips) / num_batches / num_devices)
        slots = min(most, _four_per_octave(on_each)) * num_devices
        for start in range(0, len(clips), slots):
            own = clips[start : start + slots]
            filled = own + own[-1:] * (slots - len(own))
            batches.append(Batch(tuple(filled), len(own), size, rate))
    return batches


def by_clip(
    pieces: Sequence,
    sample_rates: Sequence[int],
    max_samples: int,
    num_devices: int,
    run: Callable[[list, Batch], Iterable],
) -> Iterator[tuple[int, list]]:
    """Runs segments of clips in batches and gathers the results of each clip.

    Args:
      pieces: Each with its `samples`, its `clip`, and `of`, the pieces of that clip;
        all pieces of a clip have one length.
      sample_rates: Hz of each clip.
      max_samples: As for `plan`.
      num_devices: The same.
      run: Yields a result for each piece of a batch.

    Yields:
      Clip and the results of its pieces in order, as clips finish.
    """
    results_of: dict[int, list] = {}
    for piece, result in _each(pieces, sample_rates, max_samples, num_devices, run):
        done = results_of.setdefault(piece.clip, [])
        done.append(result)
        if len(done) == piece.of:
            yield piece.clip, results_of.pop(piece.clip)


def _each(pieces, sample_rates, max_samples, num_devices, run):
    """Pieces and results; in smaller batches where a device runs out of memory."""
    batches = plan(
        [len(piece.samples) for piece in pieces],
        [sample_rates[piece.clip] for piece in pieces],
        max_samples,
        num_devices,
    )
    for batch in batches:
        chosen = [pieces[i] for i in batch.clips]
        left = chosen[: batch.num_clips]
        try:
            for result in run(chosen, batch):
                yield left.pop(0), result
            continue
        except jax.errors.JaxRuntimeError as error:
            if not memory.is_out(error):
                raise
        if len(chosen) > num_devices:
            logging.warning(
                "out of memory: a batch of %d is done in halves", len(chosen)
            )
            half = batch.size * (len(chosen) // num_devices // 2)
            yield from _each(left, sample_rates, half, num_devices, run)
            continue
        with memory.on_cpu():  # no caller runs in it
            results = list(run(chosen, batch))
        yield from zip(left, results, strict=False)


def num_slots(count: int, num_devices: int = 1) -> int:
    """Size of a batch for `count` clips, a power of two per device."""
    on_each = -(-count // num_devices)
    return num_devices * 2 ** (on_each - 1).bit_length()


def filled(clips: Sequence, num_devices: int = 1) -> list:
    """The clips of a batch, the last one repeated up to `num_slots`."""
    return [*clips, *clips[-1:] * (num_slots(len(clips), num_devices) - len(clips))]


def pad(signals: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Stacks arrays (samples, ...) into float32 (clips, size, ...), zeros behind each."""
    padded = np.zeros((len(signals), size, *np.shape(signals[0])[1:]), np.float32)
    for row, signal in zip(padded, signals, strict=True):
        row[: len(signal)] = signal
    return padded
