"""What a run of `live` shows: a meter while it runs, and a summary."""

import contextlib
import gc
import json
import sys
import threading
import time
from typing import Any, Self

from rich import console, live, table

from inr_jax.cli import keys
from inr_jax.live import meter
from inr_jax.live.engine import Engine

_EVERY_S = 0.1  # of the meter
_LINE_EVERY_S = 10.0  # where there is no terminal
_SWITCH_S = 1e-3
_WARM_S = 10.0  # behind which memory should not grow


class Shown:
    """A meter on standard error, and the keys; a context manager.

    Attributes:
      mover: What moves the engine; None where it runs at once.
      stop: Set by the key that ends the run.
    """

    def __init__(self, engine: Engine, stop: threading.Event):
        """Begins nothing yet."""
        self.mover: Any = None
        self._engine, self.stop = engine, stop
        self._console = console.Console(stderr=True)
        self._live = live.Live(
            console=self._console, auto_refresh=False, transient=True
        )
        self._opened = contextlib.ExitStack()
        self._start = self._last = time.monotonic()
        self._missed, self._memory = 0, None

    def __enter__(self) -> Self:
        self._pressed = self._opened.enter_context(keys.pressed())
        if self._console.is_terminal:
            self._opened.enter_context(self._live)
        # a collection of garbage or another thread may keep the device waiting
        gc.collect()
        gc.freeze()
        self._opened.callback(gc.unfreeze)
        self._opened.callback(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(_SWITCH_S)
        compile_s = self._engine.stream.compile_s
        self._print(f"ready after {compile_s:.1f} s; {self._delay()}")
        return self

    def __exit__(self, *exception) -> None:
        self._opened.close()

    def update(self) -> None:
        """Takes keys, and shows the meter anew now and then."""
        stream = self._engine.stream
        for key in self._pressed():
            if key == "b":
                stream.bypass = not stream.bypass
            if key == "q":
                self.stop.set()
        now = time.monotonic()
        if self._memory is None and now - self._start > _WARM_S:
            self._memory = meter.memory_mib()
        every = _EVERY_S if self._console.is_terminal else _LINE_EVERY_S
        if now - self._last < every:
            return
        self._last = now
        if self._console.is_terminal:
            self._live.update(self._table(), refresh=True)
        elif self._engine.missed > self._missed:
            self._print(f"{now - self._start:.0f} s: {self._late()}")
            self._missed = self._engine.missed

    def finish(self, as_json: bool, sound_on_stdout: bool) -> None:
        """Prints the summary, if something was played."""
        if not self._engine.hops:
            return
        summary = self.summary()
        if as_json:
            file = sys.stderr if sound_on_stdout else sys.stdout
            print(json.dumps(summary), file=file)
        self._print(
            f"{summary['seconds']:.1f} s: {self._late()}; {self._load()}; {self._delay()}"
        )

    def summary(self) -> dict[str, Any]:
        """Of the run so far."""
        engine, rate = self._engine, self._engine.stream.sample_rate
        typical, most = engine.load
        return {
            "seconds": engine.played.position / rate,
            "hops": engine.hops,
            "missed": engine.missed,
            "dropped": engine.dropped,
            "resynced": engine.resynced,
            "xruns": getattr(self.mover, "xruns", 0),
            "load_median": typical,
            "load_p99": most,
            "delay_samples": engine.delay,
            "delay_ms": 1000 * engine.delay / rate,
            "device_ms": 1000 * getattr(self.mover, "latency_s", 0.0),
            "memory_mib": [self._memory, meter.memory_mib()],
        }

    def _delay(self):
        engine = self._engine
        text = f"delay {1000 * engine.delay / engine.stream.sample_rate:.0f} ms"
        device_ms = 1000 * getattr(self.mover, "latency_s", 0.0)
        return f"{text}, and {device_ms:.0f} ms of the device" if device_ms else text

    def _late(self):
        engine = self._engine
        return (
            f"{engine.missed} of {engine.hops + engine.dropped} deadlines missed, "
            f"{engine.dropped} hops dropped, delay corrected {engine.resynced} times, "
            f"{getattr(self.mover, 'xruns', 0)} blocks lost by devices or late from files"
        )

    def _load(self):
        typical, most = (100 * x for x in self._engine.load)
        return f"load {typical:.0f} %, 99 % of the time below {most:.0f} %"

    def _table(self):
        now, engine = meter.reading(self._engine), self._engine
        taken = now.noise_reduction_db
        grid = table.Table.grid(padding=(0, 2))
        grid.add_row("in", _bar(now.input_db), f"{now.input_db:.0f} dB")
        grid.add_row("out", _bar(now.output_db), f"{now.output_db:.0f} dB")
        grid.add_row("noise", "" if taken is None else f"{taken:.0f} dB down")
        grid.add_row("load", self._load().removeprefix("load "))
        grid.add_row("late", self._late())
        grid.add_row("delay", self._delay().removeprefix("delay "))
        state = "bypassed" if engine.stream.bypass else "on"
        grid.add_row("", f"{state}: b compares with the input, q ends")
        return grid

    def _print(self, line):
        self._console.print(line, highlight=False, soft_wrap=True)


def _bar(level_db):
    """Full at full scale, empty at -60 dB."""
    return "█" * max(0, round((level_db + 60) / 2))
