"""Clips of different lengths as few padded batches, so that few programs compile."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

SMALLEST_BUCKET = 256


class Batch(NamedTuple):
    """Clips that run as one program.

    Attributes:
      clips: Position of each clip in the caller's list; a slot that only fills the
        batch repeats the last one.
      num_clips: How many slots hold a clip of their own.
      size: Padded samples of each clip.
      sample_rate: In Hz, the same for all.
    """

    clips: tuple[int, ...]
    num_clips: int
    size: int
    sample_rate: int


def bucket_size(num_samples: int) -> int:
    """Padded length of a clip: 256 or more, four steps an octave, 25 % over at most."""
    if num_samples <= SMALLEST_BUCKET:
        return SMALLEST_BUCKET
    octave = 2 ** ((num_samples - 1).bit_length() - 1)
    return math.ceil(num_samples / (octave // 4)) * (octave // 4)


def plan(
    lengths: Sequence[int],
    sample_rates: Sequence[int],
    max_samples: int,
    num_devices: int = 1,
) -> list[Batch]:
    """Sorts clips into batches of one padded length and one sample rate.

    All batches of a bucket have the same number of slots, so that it compiles once;
    a bucket whose clips do not divide evenly repeats a clip to fill the last one.

    Args:
      lengths: Samples of each clip.
      sample_rates: Hz of each clip.
      max_samples: Padded samples on one device at most; one clip always fits.
      num_devices: What the slots of every batch are a multiple of.
    """
    buckets: dict[tuple[int, int], list[int]] = {}
    for i, (length, rate) in enumerate(zip(lengths, sample_rates, strict=True)):
        buckets.setdefault((bucket_size(length), rate), []).append(i)
    batches = []
    for (size, rate), clips in sorted(buckets.items()):
        most = num_devices * max(1, max_samples // size)
        num_batches = math.ceil(len(clips) / most)
        slots = math.ceil(len(clips) / num_batches / num_devices) * num_devices
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
    """Runs pieces of clips in batches and gathers what belongs to one clip.

    Args:
      pieces: Each with its `samples`, its `clip`, and `of`, the pieces of that clip; all
        pieces of a clip have one length.
      sample_rates: Hz of each clip.
      max_samples: As for `plan`.
      num_devices: The same.
      run: Gives a result for each piece of a batch.

    Yields:
      Clip and the results of its pieces in order, as clips finish.
    """
    batches = plan(
        [len(piece.samples) for piece in pieces],
        [sample_rates[piece.clip] for piece in pieces],
        max_samples,
        num_devices,
    )
    found: dict[int, list] = {}
    for batch in batches:
        chosen = [pieces[i] for i in batch.clips]
        results = run(chosen, batch)
        for piece, result in zip(chosen[: batch.num_clips], results, strict=False):
            done = found.setdefault(piece.clip, [])
            done.append(result)
            if len(done) == piece.of:
                yield piece.clip, found.pop(piece.clip)


def num_slots(count: int, num_devices: int = 1) -> int:
    """Slots of a batch that holds `count` clips: few numbers, so that few compile.

    On each device a power of two.
    """
    on_each = -(-count // num_devices)
    return num_devices * 2 ** (on_each - 1).bit_length()


def filled(clips: Sequence, num_devices: int = 1) -> list:
    """The clips of a batch, the last one repeated in the slots that are left."""
    return [*clips, *clips[-1:] * (num_slots(len(clips), num_devices) - len(clips))]


def pad(signals: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Stacks (samples,) arrays into float32 (clips, size), zeros behind each."""
    return np.stack(
        [np.pad(np.asarray(s, np.float32), (0, size - len(s))) for s in signals]
    )


def checked(position: int, signal: np.ndarray) -> np.ndarray:
    """A signal as float32 (samples,).

    Raises:
      ValueError: it is empty, not one-dimensional or not finite; names its position.
    """
    signal = np.asarray(signal, np.float32)
    if signal.ndim != 1 or signal.size == 0:
        raise ValueError(
            f"signal {position} must be one-dimensional and not empty, "
            f"got shape {signal.shape}"
        )
    if not np.all(np.isfinite(signal)):
        raise ValueError(f"signal {position} holds NaN or infinite samples")
    return signal
