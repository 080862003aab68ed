"""A run of an engine: what moves it, and what is written down meanwhile."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Protocol, Self, TypeVar

import numpy as np
from jaxtyping import Float

from inr_jax.data import prefetch
from inr_jax.live.engine import Engine
from inr_jax.live.ring import Ring

T = TypeVar("T")
TICK_S = 0.05
_AHEAD = 64  # hops that are read from a file before their time
_ENDLESS = range(2**62)


class Mover(Protocol):
    """What moves sound through an engine, in threads of its own: devices or a clock.

    Attributes:
      latency_s: Seconds from the air to the engine and back, beyond the engine's delay.
      xruns: Blocks that the device lost or could not fill, or that a file brought late.
    """

    latency_s: float
    xruns: int

    def is_moving(self) -> bool:
        """False at the end of the input.

        Raises:
          InputError: the device is gone.
        """

    def stop(self) -> None:
        """Stops; may be called again."""


class Tap:
    """Forwards new samples of a ring, to a file for example.

    Attributes:
      lost: Samples that were overwritten before they were asked for; silence instead.
      clipped: Samples that were too loud for the file.
    """

    def __init__(self, ring: Ring, write: Callable[[np.ndarray], int | None]):
        """From position 0 on."""
        self._ring, self._write, self._done = ring, write, 0
        self.lost = self.clipped = 0

    def drain(self) -> None:
        """Forwards all new samples."""
        stop = self._ring.position
        # half of the ring, since the other half may be overwritten meanwhile
        start = max(self._done, stop - self._ring.size // 2)
        block = self._ring.read(start, stop)
        if lost := start - self._done:
            self._write(np.zeros((lost, block.shape[1]), np.float32))
            self.lost += lost
        if len(block):
            self.clipped += self._write(block) or 0
        self._done = stop


def hops(
    blocks: Iterable[Float[np.ndarray, "samples channels"]], engine: Engine
) -> Iterator[Float[np.ndarray, "hop channels"]]:
    """Blocks of any length as hops, and silence until the last sample has been played.

    Nothing where there are no blocks.
    """
    hop, channels = engine.stream.hop, engine.stream.channels
    left = np.zeros((0, channels), np.float32)
    silence = np.zeros((hop + engine.delay, channels), np.float32)
    came = False
    for block in blocks:
        came = came or len(block) > 0
        left = np.concatenate([left, block])
        whole = len(left) - len(left) % hop
        yield from np.split(left[:whole], whole // hop) if whole else ()
        left = left[whole:]
    if came:
        left = np.concatenate([left, silence])
        yield from np.split(left[: len(left) - len(left) % hop], len(left) // hop)


class Feed:
    """Hops that are read a second ahead in a thread, for those who should not wait.

    Attributes:
      is_empty: Whether all were taken.
    """

    def __init__(self, ahead: prefetch.Prefetch):
        """Of hops, and None behind them."""
        self._ahead, self._error, self.is_empty = iter(ahead), None, False

    def take(self) -> np.ndarray | None:
        """The next hop, None at the end; never raises."""
        if self.is_empty:
            return None
        try:
            _, hop = next(self._ahead)
        except Exception as error:  # noqa: BLE001
            self._error, hop = error, None
        self.is_empty = hop is None
        return hop

    def check(self) -> None:
        """Raises what went wrong at reading."""
        if self._error:
            raise self._error


@contextlib.contextmanager
def feed(hops: Iterator[np.ndarray]) -> Iterator[Feed]:
    """A context in which hops are read ahead."""
    with prefetch.Prefetch(lambda _: next(hops, None), _ENDLESS, _AHEAD) as ahead:
        yield Feed(ahead)


class Clock:
    """Plays hops into an engine at the speed of real time; what comes out is kept there.

    A file that a busy disk brings late by more than a hop is no reason to hurry afterwards,
    as no microphone would: such hops count as `xruns`, and all that follow come as much
    later.
    """

    latency_s = 0.0

    def __init__(self, engine: Engine, feed: Feed):
        """Starts; a context manager, which stops it."""
        self._engine, self._feed = engine, feed
        self.xruns = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._play, daemon=True)
        self._thread.start()

    def _play(self):
        recorded, stream = self._engine.recorded, self._engine.stream
        hop = self._feed.take()
        start = time.monotonic()
        while hop is not None:
            due = start + recorded.position / stream.sample_rate
            if self._stop.wait(max(0.0, due - time.monotonic())):
                return
            self._engine.exchange(hop)
            due += stream.hop / stream.sample_rate
            asked = time.monotonic()
            hop = self._feed.take()
            # a clock that is late itself does not count against the file
            late = time.monotonic() - max(due, asked)
            if hop is not None and late > stream.hop / stream.sample_rate:
                start += late
                self.xruns += 1

    def is_moving(self) -> bool:
        """False at the end of the file."""
        is_alive = self._thread.is_alive()
        self._feed.check()
        return is_alive

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception) -> None:
        self.stop()

    def stop(self) -> None:
        """Plays no more."""
        self._stop.set()
        self._thread.join()


def moved(engine: Engine, mover: Mover) -> Generator[None]:
    """Computes while a mover moves; yields again and again, for taps and meters."""
    with engine.working() as check:
        try:
            while mover.is_moving():
                check()
                yield
                time.sleep(TICK_S)
        finally:  # before the computations end, so that none is missed
            mover.stop()


def moved_at_once(engine: Engine, hops: Iterator[np.ndarray]) -> Generator[None]:
    """Computes each hop as soon as it is there: files faster than real time, and pipes."""
    for hop in hops:
        engine.exchange(hop)
        engine.compute()
        yield


@contextlib.contextmanager
def stopping() -> Iterator[threading.Event]:
    """A context whose event is set when the process is asked to end, by Ctrl-C say."""
    stop = threading.Event()
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    signals = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in signals
        if signal.getsignal(number) is not signal.SIG_IGN  # by nohup, say
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def follow(
    moves: Generator[None],
    taps: Sequence[Tap],
    on_tick: Callable[[], None],
    stop: threading.Event,
) -> Exception | None:
    """Runs until the input ends, `stop` is set or something fails: what failed.

    It does not raise, so that files that taps write can be finished.

    Args:
      moves: Of `moved` or `moved_at_once`.
      taps: Drained again and again.
      on_tick: Called as often.
      stop: Ends the run.
    """
    errors = []
    try:
        with contextlib.closing(moves):
            for _ in moves:
                for tap in taps:
                    tap.drain()
                on_tick()
                if stop.is_set():
                    break
    except Exception as error:  # noqa: BLE001
        errors.append(error)
    for tap in taps:  # whatever became of the others
        try:
            tap.drain()
        except Exception as error:  # noqa: BLE001
            errors.append(error)
    # where nobody listens any more the run has ended, and has not failed
    return next((x for x in errors if not isinstance(x, BrokenPipeError)), None)


@contextlib.contextmanager
def each_by_itself(
    opened: Sequence[contextlib.AbstractContextManager[T]],
) -> Iterator[list[T]]:
    """Contexts as one: where one of them fails at its end, the others still end well."""
    with contextlib.ExitStack() as stack:
        values = [stack.enter_context(each) for each in opened]
        yield values
        stack.pop_all()
    errors = []
    for each in opened:
        try:
            each.__exit__(None, None, None)
        except Exception as error:  # noqa: BLE001
            errors.append(error)
    if errors:
        raise errors[0]
