"""Microphones, speakers and virtual devices, by PortAudio (the package sounddevice)."""

import collections
import contextlib
import os
import statistics
import time
from typing import Any, NamedTuple, Self

from inr_jax.errors import InputError, listed
from inr_jax.live.engine import Engine
from inr_jax.live.session import Feed

_GONE_S = 2.0  # a device that gives nothing for so long is no longer there
_TIMED = 200  # last blocks whose times are kept


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError:
        raise InputError(
            "sound devices need the package sounddevice: pip install 'inr_jax[live]'"
        ) from None
    except OSError:
        raise InputError(
            "sound devices need the PortAudio library: on Debian, "
            "apt install libportaudio2"
        ) from None
    return sounddevice


class Found(NamedTuple):
    """A device of this machine.

    Attributes:
      number: By which it is called, besides its name.
      name: As the system names it.
      system: Part of the system that has it, e.g. ALSA.
      inputs: Channels of a microphone.
      outputs: Channels of a speaker.
      sample_rate: Its usual one, in Hz.
    """

    number: int
    name: str
    system: str
    inputs: int
    outputs: int
    sample_rate: int


def found() -> list[Found]:
    """All devices.

    Raises:
      InputError: there is no sounddevice, or no PortAudio.
    """
    sounddevice = _sounddevice()
    systems = [system["name"] for system in sounddevice.query_hostapis()]
    return [
        Found(
            i,
            device["name"],
            systems[device["hostapi"]],
            device["max_input_channels"],
            device["max_output_channels"],
            round(device["default_samplerate"]),
        )
        for i, device in enumerate(sounddevice.query_devices())
    ]


def find(name: str | None, is_input: bool) -> Found:
    """The device of a number, a name or a part of it; the usual one where None.

    Raises:
      InputError: there is none, or more than one.
    """
    sounddevice = _sounddevice()
    kind = "input" if is_input else "output"
    able = [x for x in found() if (x.inputs if is_input else x.outputs)]
    if not able:
        raise InputError(f"this machine has no {kind} device; files go without")
    if name is None:
        number = sounddevice.default.device[0 if is_input else 1]
        return next((x for x in able if x.number == number), able[0])
    if name.isdigit():
        fitting = [x for x in able if x.number == int(name)]
    else:
        exact = [x for x in able if name in (x.name, f"{x.name}, {x.system}")]
        fitting = exact or [x for x in able if name.lower() in x.name.lower()]
        if len({x.name for x in fitting}) == 1:  # one device, by several systems
            usual = sounddevice.default.device[0 if is_input else 1]
            system = next((x.system for x in able if x.number == usual), None)
            fitting = [x for x in fitting if x.system == system] or fitting
    if len(fitting) != 1:
        many = "more than one" if fitting else "no"
        among = listed([f"{x.number} {x.name} ({x.system})" for x in fitting or able])
        raise InputError(f"{name}: {many} {kind} device of this name, among {among}")
    return fitting[0]


class Devices:
    """Open devices that move an engine; see `session.Mover`."""

    def __init__(self):
        """Opens none."""
        self.xruns, self._stated_s = 0, 0.0
        self._feed, self._last_calls = None, {}
        self._looked_at = time.monotonic()
        self._recorded_at, self._played_at = (
            collections.deque(maxlen=_TIMED) for _ in range(2)
        )
        self._streams = []

    @property
    def latency_s(self) -> float:
        """Acoustic round trip in seconds, without the engine's delay.

        By the times at which the devices say that samples were in the air, where they do;
        what they state of themselves otherwise.
        """
        if not (self._recorded_at and self._played_at):
            return self._stated_s
        return statistics.median(self._played_at) - statistics.median(self._recorded_at)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception) -> None:
        self.stop()

    def stop(self) -> None:
        """Closes them; behind the end of a feed, once all was heard."""
        is_at_end = self._feed and self._feed.is_empty
        while self._streams:
            _close(self._streams.pop(), is_at_end)

    def is_moving(self) -> bool:
        """False behind the end of a feed."""
        if self._feed and self._feed.is_empty:
            self._feed.check()
            return False
        now, before = time.monotonic(), self._looked_at
        self._looked_at = now
        if now - before > _GONE_S / 2:  # this program was stopped itself, as by Ctrl-Z
            self._last_calls = dict.fromkeys(self._last_calls, now)
        for (_, device), last in self._last_calls.items():
            if now - last > _GONE_S:
                raise InputError(
                    f"{device.name}: the device stopped; is it still there?"
                )
        return True

    def listen(
        self,
        device: Found,
        engine: Engine,
        latency: str | float,
        is_alone: bool = False,
    ) -> None:
        """Lets a microphone record for the engine.

        Args:
          device: Of `find`.
          engine: Its stream has the rate and the channels.
          latency: Of the device: "low", "high" or seconds.
          is_alone: Whether no device plays: what would be played is for files alone.

        Raises:
          InputError: the device cannot be opened like this.
        """

        def called(block, num_samples, clock, status):
            begin = engine.recorded.position / engine.stream.sample_rate
            self._note_time(self._recorded_at, clock.inputBufferAdcTime, begin)
            engine.record(block)
            if is_alone:
                engine.play(len(block))
            self._note("InputStream", device, status)

        self._open("InputStream", device, engine, latency, called)

    def play(
        self,
        device: Found,
        engine: Engine,
        latency: str | float,
        feed: Feed | None = None,
    ) -> None:
        """Lets a speaker or virtual device take what the engine plays.

        Args:
          device: As of `listen`.
          engine: As of `listen`.
          latency: As of `listen`.
          feed: Hops of a file, which it brings as well where no microphone does.

        Raises:
          InputError: the device cannot be opened like this.
        """

        def called(block, num_samples, clock, status):
            if feed and (hop := feed.take()) is not None:
                engine.record(hop)
            block[:] = engine.play(num_samples)
            first = engine.position - num_samples + engine.delay
            begin = first / engine.stream.sample_rate
            if engine.recorded.position:
                self._note_time(self._played_at, clock.outputBufferDacTime, begin)
            self._note("OutputStream", device, status)

        self._feed = feed
        self._open("OutputStream", device, engine, latency, called)

    def _note(self, kind, device, status):
        self.xruns += bool(status)
        self._last_calls[kind, device] = time.monotonic()

    def _note_time(self, times, in_the_air, begin_s):
        """When sample 0 of the recorded sound would have been in the air."""
        if in_the_air:  # 0 where a device does not say
            times.append(in_the_air - begin_s)

    def _open(self, kind, device, engine, latency, callback):
        sounddevice = _sounddevice()
        stream = engine.stream
        try:
            with _without_messages():
                opened = getattr(sounddevice, kind)(
                    samplerate=stream.sample_rate,
                    blocksize=stream.hop,
                    device=device.number,
                    channels=stream.channels,
                    dtype="float32",
                    latency=latency,
                    callback=callback,
                )
                opened.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            raise InputError(
                f"{device.name}: cannot open {stream.channels} channels of "
                f"{stream.sample_rate} Hz: {_reason(error)}"
            ) from None
        self._streams.append(opened)
        self._last_calls[kind, device] = time.monotonic()
        self._stated_s += opened.latency


@contextlib.contextmanager
def _without_messages():
    """Without those of PortAudio and ALSA on standard error; the error says as much."""
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _close(stream, plays_on):
    """At once, or once the device has played what it holds."""
    for end in (stream.stop if plays_on else stream.abort, stream.close):
        with contextlib.suppress(Exception):  # the device may be gone
            end()


def _reason(error):
    """PortAudio's words without its number."""
    text = str(error.args[0] if error.args else error)
    return text.rpartition(": ")[2].partition(" [PaErrorCode")[0].rstrip(".")
