"""The engine between devices and a stream: nothing late grows, nothing is lost."""

import contextlib
import itertools
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inr_jax.cli import keys, live_shown
from inr_jax.live import meter, session
from inr_jax.live.engine import Engine
from inr_jax.live.ring import Ring

RATE, HOP = 16_000, 256


class Halved:
    """Stands for a stream: the hop before, at half its level, as late as is asked."""

    sample_rate, hop, bypass, compile_s = RATE, HOP, False, 0.0

    def __init__(self, channels=1, seconds=0.0):
        self.channels, self.seconds, self.skips = channels, seconds, 0
        self._before = np.zeros((HOP, channels), np.float32)

    def step(self, block):
        time.sleep(self.seconds)
        estimate, self._before = self._before / 2, block
        return estimate

    def skip(self, before):
        self.skips, self._before = self.skips + 1, before


def noise(num_samples, channels=1, seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 0.1, (num_samples, channels)).astype(np.float32)


@given(sizes=st.lists(st.integers(0, 100), max_size=30))
def test_a_ring_keeps_the_last(sizes):
    ring, signal, start = Ring(128, 2), noise(3000, 2), 0
    for size in sizes:
        ring.append(signal[start : start + size])
        start += size
        assert ring.position == start
        first = max(0, start - 128)
        np.testing.assert_array_equal(ring.read(first, start), signal[first:start])


def test_before_its_beginning_a_ring_is_silent():
    ring = Ring(16, 1)
    ring.append(np.ones((4, 1)))
    np.testing.assert_array_equal(ring.read(-2, 2)[:, 0], [0, 0, 1, 1])


@settings(max_examples=20, deadline=None)
@given(
    sizes=st.lists(st.integers(1, HOP), min_size=1, max_size=10),
    channels=st.integers(1, 2),
)
def test_in_time_everything_is_played_a_delay_later(sizes, channels):
    engine = Engine(Halved(channels), reserve_s=HOP / RATE)
    signal = noise(20 * HOP, channels)
    out, start = [], 0
    for i in range(10**6):
        block = signal[start : start + sizes[i % len(sizes)]]
        if not len(block):
            break
        out.append(engine.exchange(block))
        while engine.compute():
            pass
        start += len(block)
    out = np.concatenate(out)
    assert engine.delay == 3 * HOP
    assert (engine.missed, engine.dropped, engine.resynced) == (0, 0, 0)
    assert not np.any(out[: engine.delay])
    np.testing.assert_array_equal(out[engine.delay :], signal[: -engine.delay] / 2)


def test_what_is_late_is_played_as_it_came_in_and_the_delay_stays():
    """A thread that computes slower than real time, and then in time again."""
    stream = Halved(seconds=1.7 * HOP / RATE)
    engine = Engine(stream, reserve_s=HOP / RATE)
    signal, out = noise(120 * HOP), []
    with engine.working():
        start = time.monotonic()
        for i, block in enumerate(np.split(signal, 120)):
            if i == 80:
                stream.seconds = 0.0
            time.sleep(max(0.0, start + i * HOP / RATE - time.monotonic()))
            out.append(engine.exchange(block))
    out, delay = np.concatenate(out), engine.delay
    ratio = out[delay:] / signal[:-delay]
    # nothing else is played than the estimate and the input, both at the same delay
    assert np.all(np.isclose(ratio, 1, atol=1e-3) | np.isclose(ratio, 0.5, atol=1e-3))
    as_it_came = np.isclose(ratio, 1, atol=1e-3).reshape(-1, HOP).any(axis=1)
    assert engine.missed == np.sum(as_it_came)
    assert 15 < engine.dropped <= engine.missed
    assert stream.skips > 5
    assert engine.hops + engine.dropped > 110
    assert np.mean(as_it_came[90:]) < 0.2  # in time again, but for a busy machine


def test_what_is_no_sound_is_not_played_either():
    """Nothing has been computed: the input is heard."""
    engine = Engine(Halved())
    for _ in range(4):
        last = engine.exchange(np.full((HOP, 1), np.nan, np.float32))
    assert engine.missed and not np.any(last)


def test_a_failure_of_the_thread_is_told():
    class Broken(Halved):
        def step(self, block):
            raise FloatingPointError("broken")

    engine = Engine(Broken())
    with engine.working() as check:
        engine.exchange(noise(HOP))
        for _ in range(100):
            time.sleep(0.01)
            try:
                check()
            except FloatingPointError:
                return
    pytest.fail("nothing was raised")


@pytest.mark.parametrize("faster", [1, -1])
def test_devices_that_drift_apart_are_brought_back(faster):
    """One of them has 1,010 samples for each 1,000 of the other."""
    engine = Engine(Halved(), reserve_s=HOP / RATE)
    signal, heard, played = noise(1300 * HOP), 0, 0
    lags = []
    for i in range(1000):
        while heard < i * (1 + 0.01 * (faster > 0)):
            engine.record(signal[heard * HOP : (heard + 1) * HOP])
            heard += 1
            engine.compute()
        while played < i * (1 + 0.01 * (faster < 0)):
            engine.play(HOP)
            played += 1
            lags.append(engine.recorded.position - engine.position)
    assert 2 <= engine.resynced <= 12
    assert np.max(np.abs(np.array(lags) - engine.delay)) <= 5 * HOP


def test_nothing_is_late_before_a_speaker_begins():
    engine = Engine(Halved(), reserve_s=4 * HOP / RATE)
    signal_in = noise(4 * HOP)
    for block in np.split(signal_in, 4):
        engine.record(block)
    while engine.compute():
        pass
    out = [engine.play(HOP) for _ in range(6)]  # as late as if all began now
    assert (engine.hops, engine.missed, engine.dropped) == (4, 0, 0)
    assert engine.delay == 6 * HOP and not np.any(np.concatenate(out[:3]))
    np.testing.assert_array_equal(np.concatenate(out[3:6]), signal_in[: 3 * HOP] / 2)


def test_bursts_of_blocks_find_their_margin_once():
    engine = Engine(Halved(), reserve_s=HOP / RATE)
    blocks = iter(np.split(noise(1000 * HOP), 1000))
    for i in range(240):
        for _ in range(4):
            engine.record(next(blocks))
            engine.compute()
        for _ in range(4):
            engine.play(HOP)
        if i == 100:
            missed, resynced = engine.missed, engine.resynced
    assert (engine.missed, engine.resynced) == (missed, resynced) and resynced <= 2


def test_without_input_a_speaker_gets_silence():
    engine = Engine(Halved())
    assert not np.any(engine.play(100))
    engine.record(noise(HOP))
    for _ in range(200):  # and where the microphone stops, no old sound again
        last = engine.play(HOP)
    assert not np.any(last)


def test_a_tap_hands_on_everything_and_fills_what_it_lost():
    ring, taken = Ring(1000, 1), []
    tap, signal = session.Tap(ring, taken.append), noise(3000)
    for block in np.split(signal[:1200], 12):
        ring.append(block)
        tap.drain()
    for block in np.split(signal[1200:], 18):
        ring.append(block)
    tap.drain()
    found = np.concatenate(taken)
    assert tap.lost == 3000 - 1200 - 500
    np.testing.assert_array_equal(found[:1200], signal[:1200])
    np.testing.assert_array_equal(found[-500:], signal[-500:])
    assert not np.any(found[1200:-500])


def test_a_meter_reads_levels_and_the_noise_taken_out():
    engine = Engine(Halved())
    for block in np.split(noise(300 * HOP), 300):
        engine.exchange(block)
        engine.compute()
    now = meter.reading(engine)
    assert now.input_db == pytest.approx(-20, abs=0.3)
    assert now.output_db == pytest.approx(-26, abs=0.3)
    assert now.noise_reduction_db == pytest.approx(6.0, abs=0.1)


def test_a_meter_reads_silence():
    engine = Engine(Halved())
    engine.exchange(np.zeros((HOP, 1), np.float32))
    assert meter.reading(engine) == (-99, -99, None)


# Prints what a job in the background of a terminal prints, or that it was stopped.
BACKGROUND = """
import os, pty, subprocess, sys

job = "from inr_jax.cli import keys\\nwith keys.pressed() as keys: print(repr(keys()))"
child, terminal = pty.fork()
if not child:
    started = subprocess.Popen([sys.executable, "-c", job], process_group=0)
    _, status = os.waitpid(started.pid, os.WUNTRACED)
    print("stopped" if os.WIFSTOPPED(status) else "ended", flush=True)
    os._exit(0)
try:
    while block := os.read(terminal, 1024):
        os.write(1, block)
except OSError:  # the terminal closes with its last process
    pass
"""


def test_a_job_in_the_background_goes_on_without_keys():
    done = subprocess.run(
        [sys.executable, "-c", BACKGROUND], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["''", "ended"]


def test_keys_bypass_and_end(monkeypatch, capsys):
    pressed = iter(["", "b", "xb", "bq"])
    keyboard = contextlib.nullcontext(lambda: next(pressed))
    monkeypatch.setattr(keys, "pressed", lambda: keyboard)
    engine, stop = Engine(Halved()), threading.Event()
    states = []
    with live_shown.Shown(engine, stop) as shown:
        for _ in range(4):
            shown.update()
            states.append((engine.stream.bypass, stop.is_set()))
    assert states == [(False, False), (True, False), (False, False), (True, True)]
    assert "ready after 0.0 s; delay 32 ms" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_whose_files_are_finished(number):
    # a shell starts what is in the background deaf to Ctrl-C
    ignored = signal.signal(number, signal.default_int_handler)
    engine, written = Engine(Halved()), []
    blocks = itertools.repeat(noise(HOP), 1000)

    def on_tick():
        if engine.hops == 20:
            signal.raise_signal(number)

    moves = session.moved_at_once(engine, blocks)
    taps = [session.Tap(engine.played, written.append)]
    try:
        with session.stopping() as stop:
            assert session.follow(moves, taps, on_tick, stop) is None
        assert sum(map(len, written)) == 20 * HOP
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, ignored)


def test_hops_of_blocks_end_when_all_was_heard():
    engine, signal_in = Engine(Halved()), noise(10 * HOP + 3)
    blocks = np.split(signal_in, [5, 300, 301, 2000])
    hops = list(session.hops(blocks, engine))
    assert all(len(hop) == HOP for hop in hops)
    joined = np.concatenate(hops)
    np.testing.assert_array_equal(joined[: len(signal_in)], signal_in)
    assert not np.any(joined[len(signal_in) :])
    assert 0 <= len(joined) - len(signal_in) - engine.delay < HOP


def test_a_file_that_stalls_is_not_caught_up_with():
    """A quarter of a second without input is more than the reserve could bear."""
    signal_in = noise(30 * HOP)

    def read():
        for number, hop in enumerate(np.split(signal_in, 30)):
            if number == 10:
                time.sleep(0.25)
            yield number, hop
        yield 30, None

    engine = Engine(Halved(), reserve_s=0.1)
    start = time.monotonic()
    with session.Clock(engine, session.Feed(read())) as clock:
        for _ in session.moved(engine, clock):
            pass
    taken = time.monotonic() - start
    assert (clock.xruns, engine.missed, engine.recorded.position) == (1, 0, 30 * HOP)
    assert taken > 0.25 + 28 * HOP / RATE


def test_no_block_is_no_sound():
    engine = Engine(Halved())
    assert not list(session.hops([], engine))
    assert not list(session.hops([np.zeros((0, 1), np.float32)], engine))


def test_signals_that_are_ignored_stay_ignored():
    """As by nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with session.stopping() as stop:
            signal.raise_signal(signal.SIGHUP)
            assert not stop.is_set()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_behind_its_end_a_feed_keeps_its_error():
    def read():
        yield 0, noise(HOP)
        raise FloatingPointError("damaged")

    feed = session.Feed(read())
    assert feed.take() is not None
    assert feed.take() is None and feed.take() is None and feed.is_empty
    with pytest.raises(FloatingPointError, match="damaged"):
        feed.check()


def test_what_cannot_be_written_does_not_lose_the_rest():
    ended, written = [], []

    @contextlib.contextmanager
    def opened(name, fails):
        yield name
        if fails:
            raise OSError("no space left")
        ended.append(name)

    with (
        pytest.raises(OSError, match="no space"),
        session.each_by_itself([opened("a", False), opened("b", True)]) as names,
    ):
        assert names == ["a", "b"]
    assert ended == ["a"]

    def full(block):
        raise OSError("no space left")

    engine = Engine(Halved())
    taps = [session.Tap(engine.played, write) for write in (full, written.append)]
    moves = session.moved_at_once(engine, [noise(HOP)] * 3)
    error = session.follow(moves, taps, lambda: None, threading.Event())
    assert isinstance(error, OSError)
    assert sum(map(len, written)) == engine.played.position > 0
