"""Connects sound devices, which run in real time, with a stream, which computes behind.

Everything goes by position: what came in is played `delay` samples later. Where the estimate
of a hop is not there in time, the input is played instead, as late as the estimate would
have been; hops that cannot be in time any more are not computed. Where the clocks of two
devices have drifted apart too far, sound is left out or repeated. So a computation that
takes too long costs noise, never words, and the delay does not grow.
"""

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float

from inr_jax.live import ring
from inr_jax.live.ring import Ring

KEPT_S = 10.0  # of the sound recorded and played, for those who write it to files
_SLOTS = 128  # hops whose estimate is kept until it is played
_TIMED = 1000  # last computations whose time is kept
_SYNCHRONISED = 100  # blocks after which drift is looked for


class Engine:
    """Moves sound through a stream.

    The threads of devices call `record` and `play`, or a single one `exchange`; these copy,
    and nothing else. Another thread calls `compute`, as `working` does.

    Attributes:
      stream: What denoises.
      delay: Samples by which what is played is later than what came in.
      recorded: What came in.
      played: What went out.
      position: In `recorded`, of what is played next.
      hops: That were computed.
      missed: Hops played as they came in, at least in part, for lack of their estimate.
      dropped: Those among them that were not computed.
      resynced: How often what is played was brought back to its delay.
    """

    def __init__(self, stream, reserve_s: float = 0.0):
        """Nothing has come in.

        Args:
          stream: A `Stream`, or what has its `step`, `skip`, `hop`, `channels` and
            `sample_rate`.
          reserve_s: Seconds that a hop may be late, beyond the two hops without which
            there is no estimate.
        """
        self.stream = stream
        self.delay = 2 * stream.hop + math.ceil(reserve_s * stream.sample_rate)
        size = math.ceil(KEPT_S * stream.sample_rate)
        self.recorded, self.played = (Ring(size, stream.channels) for _ in range(2))
        self.position = -self.delay
        self.hops = self.missed = self.dropped = self.resynced = 0
        self._step_s = np.zeros(_TIMED)
        self._estimates = np.zeros((_SLOTS, stream.hop, stream.channels), np.float32)
        self._numbers = np.full(_SLOTS, -1)  # of the hops that the estimates are of
        self._next, self._last_missed, self._margins = 0, -1, None
        self._arrived, self._error = threading.Event(), None

    def exchange(
        self, block: Float[np.ndarray, "samples channels"]
    ) -> Float[np.ndarray, "samples channels"]:
        """Takes what came in, and gives as many samples to be played."""
        self.record(block)
        return self.play(len(block))

    def record(self, block: Float[np.ndarray, "samples channels"]) -> None:
        """Takes what came in."""
        self.recorded.append(ring.sound(block))
        self._arrived.set()

    def play(self, num_samples: int) -> Float[np.ndarray, "samples channels"]:
        """What is to be played next; silence until something has come in."""
        if self.recorded.position:
            self._synchronise(num_samples)
            out = self._due(self.position, self.position + num_samples)
            self.position += num_samples
        else:
            out = np.zeros((num_samples, self.stream.channels), np.float32)
        self.played.append(out)
        return out

    def _synchronise(self, num_samples):
        """Sets the position at first, and where devices have drifted apart."""
        margin = self.recorded.position - self.position - num_samples
        if self._margins is None:
            self._margins = []
            self.position += margin - self.delay
            return
        self._margins.append(margin)
        if len(self._margins) < _SYNCHRONISED:
            return
        # devices bring and take blocks in bursts: the lowest margins count, but for the
        # few of a moment that one of them stood still
        lowest = sorted(self._margins)[_SYNCHRONISED // 10]
        self._margins.clear()
        excess, reserve = lowest - self.delay, self.delay - 2 * self.stream.hop
        if not -reserve / 2 <= excess <= max(2 * self.stream.hop, reserve / 2):
            self.position += excess
            self.resynced += 1

    def _due(self, start, stop):
        """Estimates of what was recorded between positions, or the input without them."""
        hop, out = self.stream.hop, self.recorded.read(start, stop)
        out[max(0, self.recorded.position - start) :] = 0
        for number in range(max(0, start) // hop, -(-stop // hop)):
            slot, first = number % _SLOTS, number * hop
            begin, end = max(start, first), min(stop, first + hop)
            if self._numbers[slot] == number:
                estimate = self._estimates[slot, begin - first : end - first]
                out[begin - start : end - start] = estimate
            elif number > self._last_missed:
                self.missed, self._last_missed = self.missed + 1, number
        return out

    def compute(self) -> bool:
        """Computes the next hop, if it has come in; returns whether it had."""
        stream, number = self.stream, self._next
        hop = stream.hop
        newest = self.recorded.position // hop - 1
        if number > newest:
            return False
        if self._is_late(number - 1) and number < newest:
            self.dropped += newest - max(number, 1)  # the first has no hop before
            number = newest
            stream.skip(self.recorded.read((number - 1) * hop, number * hop))
        start = time.perf_counter()
        estimate = stream.step(self.recorded.read(number * hop, (number + 1) * hop))
        if number:  # it is of the hop before
            slot = (number - 1) % _SLOTS
            self._estimates[slot] = estimate
            self._numbers[slot] = number - 1
        self._step_s[self.hops % len(self._step_s)] = time.perf_counter() - start
        self.hops, self._next = self.hops + 1, number + 1
        return True

    def _is_late(self, number):
        """Whether the beginning of a hop has been played."""
        return number * self.stream.hop < self.position

    @contextlib.contextmanager
    def working(self) -> Iterator[Callable[[], None]]:
        """Computes in a thread; yields a function that raises the error that ended it."""
        stop = threading.Event()
        thread = threading.Thread(target=self._work, args=(stop,), daemon=True)
        thread.start()
        try:
            yield self._raise
        finally:
            stop.set()
            self._arrived.set()
            thread.join()

    def _work(self, stop):
        try:
            while not stop.is_set():
                self._arrived.wait()
                self._arrived.clear()
                while not stop.is_set() and self.compute():
                    pass
        except Exception as error:  # noqa: BLE001
            self._error = error

    def _raise(self):
        if self._error:
            raise self._error

    @property
    def load(self) -> tuple[float, float]:
        """Shares of a hop that computations take: median and 99th percentile."""
        taken = self._step_s[: self.hops] * self.stream.sample_rate / self.stream.hop
        if not len(taken):
            return 0.0, 0.0
        return float(np.median(taken)), float(np.percentile(taken, 99))
