"""Runs any method on recordings of any length, level, rate and number of channels.

A method is a function of windows (`Denoiser`). All else happens here, once for all methods:
channels are separated, unless they are linked, resampled and cut into windows; windows of
several recordings make batches of few sizes; estimates are put together at the rate and
length of the recording. Batches compute in threads while the next ones are read and cut.
"""

import collections
import concurrent.futures
import dataclasses
import functools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np
from absl import logging

from inr_jax import audio
from inr_jax.dsp import overlap_add
from inr_jax.errors import InputError
from inr_jax.parallel import compute, memory

# Beyond the receptive field of a method, that of resampling.
_RESAMPLING_S = 0.2
_WHOLE = 2**62  # samples

OnClips = Callable[[float], None]


class Window(NamedTuple):
    """The input of a method: a channel of a recording, or a part of one.

    Attributes:
      samples: (samples,) float32, full scale 1; (samples, channels) of linked channels.
      sample_rate: In Hz.
      key: For methods that draw.
      context: What `Denoiser.context` gave for the whole channel.
      name: Of the recording, for messages.
    """

    samples: np.ndarray
    sample_rate: int
    key: jax.Array
    context: Any
    name: str


class Result(NamedTuple):
    """The estimate of a window.

    Attributes:
      position: Of the window in its batch.
      samples: As those of the window; may be longer, by padding.
      work_s: Seconds that it took, where the method knows better than the driver.
    """

    position: int
    samples: Any
    work_s: float | None = None


@dataclasses.dataclass(frozen=True)
class Denoiser:
    """A method, as the driver runs it.

    Attributes:
      run: Estimates of a batch of windows in any order. Also takes their padded size,
        and a function to call with windows done since the last call, shares too.
      batch_size: Windows of a batch at most, by their padded size.
      padded_size: Samples that a window of so many is padded to; windows of a batch have
        the same. None for methods that take windows of any lengths together.
      sample_rate: Hz that windows are resampled to; None for those of the recording.
      window_s: Of a window without its margins, which is made longer where its padded size
        has room; None for methods that take whole channels.
      receptive_field_s: Seconds before and after a sample that its estimate depends on.
        Windows have them as margins, so that all together give the estimate of the
        whole. None for methods without such a bound: their windows overlap and are
        cross-faded.
      alignment: Samples of a recording, of its rate; a window that starts so much later
        has the same estimates.
      upsample: Samples of an estimate for each sample of a window.
      output_rate: Hz of estimates, which are then not resampled back.
      context: Of a whole channel and its rate, what all of its windows share.
      finish: Of a noisy channel and its whole estimate, what becomes of the estimate.
      linked: Whether all channels of a recording are denoised as one, by one gain.
    """

    run: Callable[[Sequence[Window], int, Callable[[float], None]], Iterable[Result]]
    batch_size: Callable[[int], int] = lambda size: 1
    padded_size: Callable[[int], int] | None = None
    sample_rate: int | None = None
    window_s: float | None = None
    receptive_field_s: tuple[float, float] | None = None
    alignment: Callable[[int], int] = lambda rate: rate
    upsample: int = 1
    output_rate: int | None = None
    context: Callable[[np.ndarray, int], Any] = lambda signal, rate: None
    finish: Callable[[np.ndarray, np.ndarray], np.ndarray] = lambda noisy, x: x
    linked: bool = False

    def signals(self, samples: np.ndarray) -> list[np.ndarray]:
        """What is denoised separately of (samples, channels): each channel, or all linked."""
        return [samples] if self.linked else list(samples.T)

    @property
    def is_streaming(self) -> bool:
        """Whether a recording is read, denoised and returned part by part."""
        return self.receptive_field_s is not None


class Source(Protocol):
    """A noisy recording: in memory, or read as needed."""

    @property
    def name(self) -> str:
        """For messages."""

    @property
    def sample_rate(self) -> int:
        """In Hz."""

    @property
    def num_samples(self) -> int:
        """For progress alone: a file may hold others than it declares."""

    def blocks(self, num_samples: int) -> Iterator[np.ndarray]:
        """Its samples (samples, channels) float32, at most so many at a time."""


class Estimate(NamedTuple):
    """A denoised recording, or the next part of it.

    Attributes:
      position: Of the recording.
      samples: (samples, channels) float32 at its level, and its rate or `output_rate`.
      noisy: The noisy samples that it is of.
      work_s: Seconds of work, of a batch its share.
      is_last: Whether nothing of this recording follows.
      error: Why the recording cannot be read any further, or not be denoised; it has no
        samples then.
    """

    position: int
    samples: np.ndarray
    noisy: np.ndarray
    work_s: float
    is_last: bool
    error: Exception | None = None


def run(
    denoiser: Denoiser,
    sources: Iterable[Source],
    keys: Iterable[jax.Array],
    on_clips: OnClips = lambda clips: None,
) -> Iterator[Estimate]:
    """Denoises recordings, which share nothing.

    Sources are taken one by one, when a batch has room. Parts of one recording come in
    order; recordings come as they are done. A source that cannot be read ends with the
    error and stops no other; an error of the method ends the recordings of its batch.
    Where an estimate holds NaN or infinity, the noisy samples replace it and a warning is
    logged.

    Args:
      denoiser: The method.
      sources: Noisy recordings of at least one sample.
      keys: One for each.
      on_clips: Called with recordings done since the last call, shares too.
    """
    with _Batches(denoiser, on_clips) as batches:
        for position, (source, key) in enumerate(zip(sources, keys, strict=False)):
            recording = _Recording(position, source)
            try:
                for part in _parts(denoiser, recording):
                    for placed in _windows(denoiser, part, key):
                        yield from batches.add(*placed)
                    if recording.failed:  # in a batch
                        break
            except Exception as error:  # noqa: BLE001
                yield from recording.fail(error)
            if recording.failed:
                on_clips(recording.share_left)
        yield from batches.flush()


class _Recording:
    """A recording under way: its estimates are given in the order of its parts."""

    def __init__(self, position, source):
        self.position, self.source = position, source
        self.parts: collections.deque[_Part] = collections.deque()
        self.share_left = 1.0
        self.failed = False

    def fail(self, error) -> Iterator[Estimate]:
        """Ends it with an error; what is still computed of it is dropped.

        Raises:
          JaxRuntimeError: of the device, which no other recording would survive either.
        """
        if isinstance(error, jax.errors.JaxRuntimeError):
            raise error
        self.parts.clear()
        if not self.failed:
            self.failed, nothing = True, np.zeros((0, 0), np.float32)
            yield Estimate(self.position, nothing, nothing, 0.0, True, error)

    def finished(self) -> Iterator[Estimate]:
        while self.parts and self.parts[0].is_done:
            part = self.parts.popleft()
            samples = part.estimates[0]
            if samples.ndim == 1:
                samples = samples[:, None]  # a long one is not copied
            if len(part.estimates) > 1:
                samples = np.stack(part.estimates, axis=1)
            noisy = part.noisy[part.before : part.before + part.count]
            yield Estimate(self.position, samples, noisy, part.work_s, part.is_last)


class _Part:
    """A part of a recording, whose estimate is given as a whole.

    Attributes:
      noisy: (samples, channels), with margins.
      before: Samples of the margin before.
      count: Samples without margins.
      signals: What is denoised by itself: its channels, or all of them linked.
      windows: Of each signal, the estimates of its windows so far.
      estimates: The finished estimates of the signals.
    """

    def __init__(self, denoiser, recording, noisy, before, count, is_last, is_only):
        self.recording, self.noisy, self.before = recording, noisy, before
        self.count, self.is_last, self.is_only = count, is_last, is_only
        self.signals = denoiser.signals(noisy)
        self.windows: list[list] = [[] for _ in self.signals]
        self.estimates: list = [None] * len(self.signals)
        self.work_s = 0.0
        declared = max(recording.source.num_samples, count)
        self.share = recording.share_left if is_last else count / declared
        recording.share_left = max(0.0, recording.share_left - self.share)
        recording.parts.append(self)

    @property
    def is_done(self):
        return all(estimate is not None for estimate in self.estimates)


class _Place(NamedTuple):
    """Where the estimate of a window belongs."""

    part: _Part
    signal: int
    index: int
    share: float  # of the recording
    size: int  # padded


def _parts(denoiser, recording) -> Iterator[_Part]:
    """The whole recording; or windows of it with the margins that make them exact."""
    source = recording.source
    if not denoiser.is_streaming:
        samples = _joined(list(source.blocks(_WHOLE)))
        yield _Part(denoiser, recording, samples, 0, len(samples), True, True)
        return
    length, past, future = _streaming(denoiser, source.sample_rate)
    blocks = source.blocks(length)
    held, before = next(blocks), 0
    while True:
        while len(held) <= before + length + future:
            if (block := next(blocks, None)) is None:
                break
            held = np.concatenate([held, block])
        count = min(length, len(held) - before)
        is_last = before + count == len(held)
        noisy = held[: before + count + future]
        is_only = is_last and not before
        yield _Part(denoiser, recording, noisy, before, count, is_last, is_only)
        if is_last:
            return
        dropped = max(0, before + count - past)
        held, before = held[dropped:], before + count - dropped


def _streaming(denoiser, rate):
    """Samples of a window and of its margins before and after."""
    step = denoiser.alignment(rate)
    is_resampled = denoiser.sample_rate not in (None, rate)
    margins_s = (s + _RESAMPLING_S * is_resampled for s in denoiser.receptive_field_s)
    length, past, future = (
        step * math.ceil(s * rate / step) for s in (denoiser.window_s, *margins_s)
    )
    if denoiser.padded_size:  # what would be padding holds sound instead
        ratio = (denoiser.sample_rate or rate) / rate
        size = denoiser.padded_size(math.ceil((length + past + future) * ratio))
        length = (math.floor(size / ratio) - past - future) // step * step
    return length, past, future


def _joined(blocks):
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def _windows(denoiser, part, key) -> Iterator[tuple[_Place, Window]]:
    """The windows of each signal of a part."""
    own_rate = part.recording.source.sample_rate
    rate = denoiser.sample_rate or own_rate
    is_cut = denoiser.window_s and not denoiser.is_streaming
    for s, signal in enumerate(part.signals):
        noisy = audio.resample(np.ascontiguousarray(signal), own_rate, rate)
        context = denoiser.context(noisy, rate)
        signal_key, pieces = jax.random.fold_in(key, s), [noisy]
        if is_cut:
            length = _window_length(denoiser, rate)
            pieces = overlap_add.split_overlapping(noisy, length)
        part.windows[s] = [None] * len(pieces)
        share = part.share / len(part.signals) / len(pieces)
        for i, piece in enumerate(pieces):
            own_key = jax.random.fold_in(signal_key, i) if is_cut else signal_key
            size = _padded_size(denoiser, part, len(piece), rate)
            yield (
                _Place(part, s, i, share, size),
                Window(piece, rate, own_key, context, part.recording.source.name),
            )


def _padded_size(denoiser, part, count, rate):
    if denoiser.padded_size is None:
        return 0
    if denoiser.is_streaming and not part.is_only:  # one size for all of a recording
        own_rate = part.recording.source.sample_rate
        count = math.ceil(sum(_streaming(denoiser, own_rate)) * rate / own_rate)
    return denoiser.padded_size(count)


def _window_length(denoiser, rate):
    return round(denoiser.window_s * rate)


def _put(denoiser, place, samples, work_s) -> Iterator[Estimate]:
    """Takes the estimate of a window; yields the estimates that it completes."""
    part, recording = place.part, place.part.recording
    part.work_s += work_s
    part.windows[place.signal][place.index] = samples
    if any(window is None for window in part.windows[place.signal]):
        return
    part.estimates[place.signal] = _estimate(denoiser, part, place.signal)
    yield from recording.finished()


def _estimate(denoiser, part, signal):
    """The estimate of one signal of a part, at its rate and length."""
    own_rate = part.recording.source.sample_rate
    rate = denoiser.sample_rate or own_rate
    noisy = part.signals[signal]
    windows, part.windows[signal] = part.windows[signal], []
    up = denoiser.upsample
    if len(windows) == 1:
        estimate = windows[0]
    else:
        count = -(-len(noisy) * rate // own_rate)
        length = _window_length(denoiser, rate)
        estimate = overlap_add.crossfade(windows, up * count, up * length)
    out_rate = denoiser.output_rate or own_rate
    estimate = audio.resample(estimate, up * rate, out_rate)
    start, stop = (
        -(-n * out_rate // own_rate) for n in (part.before, part.before + part.count)
    )
    estimate = _fit_length(estimate[start:stop], stop - start)
    noisy = noisy[part.before : part.before + part.count]
    estimate = _finite(denoiser.finish(noisy, estimate), noisy, part, signal)
    return np.require(estimate, requirements="W")  # arrays of JAX are read-only


def _fit_length(estimate, count):
    if len(estimate) == count:
        return estimate
    missing = max(0, count - len(estimate))
    return np.pad(estimate[:count], ((0, missing), *[(0, 0)] * (estimate.ndim - 1)))


def _finite(estimate, noisy, part, signal):
    if np.isfinite(np.sum(estimate)):  # no array as long as the recording
        return estimate
    logging.warning(
        "%s: the estimate of channel %d is not finite; it stays noisy",
        *(part.recording.source.name, signal),
    )
    # at the rate of the estimate
    return audio.resample(noisy, len(noisy), len(estimate))[: len(estimate)]


class _Batches:
    """Windows that wait for a batch, and the batches that are being computed."""

    def __init__(self, denoiser, on_clips):
        self._denoiser, self._on_clips = denoiser, on_clips
        self._waiting: dict[tuple, list] = {}
        self._computing: collections.deque = collections.deque()
        self._first: dict[tuple, concurrent.futures.Future] = {}
        self._at_once = compute.batches_at_once()
        self._threads = concurrent.futures.ThreadPoolExecutor(self._at_once)
        self._most: dict[int, int] = {}  # windows that memory has room for, by size

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._threads.shutdown(cancel_futures=True)

    def add(self, place, window) -> Iterator[Estimate]:
        """Takes a window; yields the estimates that finished batches complete."""
        kind = place.size, window.sample_rate, window.samples.shape[1:]
        waiting = self._waiting.setdefault(kind, [])
        waiting.append((place, window))
        most = self._most.get(place.size, self._denoiser.batch_size(place.size))
        if len(waiting) >= most:
            yield from self._run(self._waiting.pop(kind))

    def flush(self) -> Iterator[Estimate]:
        """Runs what is left."""
        for batch in self._waiting.values():
            yield from self._run(batch)
        while self._computing:
            yield from self._computed(*self._computing.popleft())

    def _run(self, batch):
        places, windows = zip(*batch, strict=True)
        size, progress = places[0].size, _Progress(places, self._on_clips)
        run = functools.partial(self._results, size, progress)
        if self._denoiser.padded_size is None:  # takes many, gives one after another
            start, left = time.monotonic(), dict(enumerate(places))
            try:
                for i, result in run(windows):
                    result = result._replace(position=i)
                    work_s = time.monotonic() - start
                    del left[i]
                    yield from self._taken(result, work_s, places, windows, progress)
                    start = time.monotonic()
            except Exception as error:  # noqa: BLE001
                yield from _failed(left.values(), error, progress)
            return
        kind = size, windows[0].sample_rate, windows[0].samples.shape[1:], len(windows)
        future = self._threads.submit(
            *(_compute, run, windows),
            *(self._first.get(kind), jax.config.jax_default_device),
        )
        self._first.setdefault(kind, future)
        self._computing.append((future, places, windows, progress))
        # as many wait as compute
        while len(self._computing) > 2 * self._at_once or (
            self._computing and self._computing[0][0].done()
        ):
            yield from self._computed(*self._computing.popleft())

    def _computed(self, future, places, windows, progress):
        try:
            results, work_s = future.result()
        except Exception as error:  # noqa: BLE001
            yield from _failed(places, error, progress)
            return
        for result in results:
            yield from self._taken(
                result, work_s / len(results), places, windows, progress
            )

    def _results(self, size, progress, windows):
        """Results and their positions; where memory ends, the next batches are smaller."""

        def run(chosen):
            for result in self._denoiser.run(chosen, size, progress):
                yield result.position, result

        def note(count):
            self._most[size] = count

        return memory.run(run, windows, note)

    def _taken(self, result, work_s, places, windows, progress):
        place, window = places[result.position], windows[result.position]
        count = self._denoiser.upsample * len(window.samples)
        work_s = work_s if result.work_s is None else result.work_s
        try:
            samples = np.asarray(result.samples, np.float32)[:count]
            yield from _put(self._denoiser, place, samples, work_s)
            progress.finish()
        except Exception as error:  # noqa: BLE001
            yield from _failed([place], error, progress)


def _failed(places, error, progress) -> Iterator[Estimate]:
    """Ends the recordings of windows that could not be computed."""
    for place in places:
        recording, why = place.part.recording, error
        if isinstance(error, InputError):
            why = InputError(f"{recording.source.name}: {error}")
        yield from recording.fail(why)
        progress.finish()


def _compute(run, windows, first, device):
    """In a thread: the results of a batch, and the seconds that they took."""
    if first:  # which compiles for all of its kind
        concurrent.futures.wait([first])
    start = time.monotonic()
    with jax.default_device(device):  # threads do not take it over
        results = [result._replace(position=i) for i, result in run(windows)]
    return results, time.monotonic() - start


class _Progress:
    """Shares of recordings done: as a method reports them, the rest at the end."""

    def __init__(self, places, on_clips):
        self._on_clips = on_clips
        self._total = sum(place.share for place in places)
        self._each = self._total / len(places)
        self._reported, self._finished = 0.0, 0

    def __call__(self, windows: float) -> None:
        """Notes that so many windows more are done."""
        self._advance(self._each * windows)

    def finish(self) -> None:
        """Notes that the estimate of one more window is there."""
        self._finished += 1
        self._advance(max(0.0, self._each * self._finished - self._reported))

    def _advance(self, share):
        self._reported += share
        self._on_clips(share)
