"""Microphones, speakers and virtual devices, by PortAudio (the package sounddevice)."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from inr_jax.errors import InputError, listed
from inr_jax.live.engine import Engine
from inr_jax.live.session import Feed

_GONE_S = 2.0  # a device that gives nothing for so long is no longer there


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
      name: As the system tells.
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
        exact = [x for x in able if x.name == name]
        fitting = exact or [x for x in able if name.lower() in x.name.lower()]
    if len(fitting) != 1:
        many = "more than one" if fitting else "no"
        among = listed([f"{x.number} {x.name}" for x in fitting or able])
        raise InputError(f"{name}: {many} {kind} device of this name, among {among}")
    return fitting[0]


class Device:
    """An open device that moves an engine; see `session.Mover`."""

    def __init__(self, stream: Any, feed: Feed | None):
        """Of a stream that has begun."""
        self._stream, self._feed, self.xruns = stream, feed, 0
        self._last_call = time.monotonic()
        latency = stream.latency
        self.latency_s = sum(latency) if isinstance(latency, tuple) else latency

    def called(self, status: Any) -> None:
        """Notes a call of the device."""
        self.xruns += bool(status)
        self._last_call = time.monotonic()

    def is_moving(self) -> bool:
        """False behind the end of a feed."""
        if self._feed:
            self._feed.check()
            if self._feed.is_empty:
                return False
        if not self._stream.active or time.monotonic() - self._last_call > _GONE_S:
            raise InputError("the sound device stopped: was it unplugged?")
        return True


@contextlib.contextmanager
def opened(
    engine: Engine,
    source: Found | Feed,
    target: Found | None,
    latency: str | float = "low",
) -> Iterator[Device]:
    """A context in which devices move an engine.

    Args:
      engine: What lies between both sides.
      source: A microphone, or hops of a file.
      target: A speaker or virtual device; None where what is played is only written down.
      latency: Of the devices: "low", "high" or seconds.

    Raises:
      InputError: a device cannot be opened like this.
    """
    sounddevice = _sounddevice()
    device = None

    def duplex(heard, played, num_samples, clock, status):
        played[:] = engine.exchange(heard)
        if device:
            device.called(status)

    def listen(heard, num_samples, clock, status):
        engine.exchange(heard)
        if device:
            device.called(status)

    def play(played, num_samples, clock, status):
        hop = source.take()
        played[:] = 0 if hop is None else engine.exchange(hop)
        if device:
            device.called(status)

    names = [x.number if isinstance(x, Found) else None for x in (source, target)]
    if target is None:
        kind, callback, chosen = sounddevice.InputStream, listen, names[0]
    elif isinstance(source, Feed):
        kind, callback, chosen = sounddevice.OutputStream, play, names[1]
    else:
        kind, callback, chosen = sounddevice.Stream, duplex, names
    try:
        stream = kind(
            samplerate=engine.stream.sample_rate,
            blocksize=engine.stream.hop,
            device=chosen,
            channels=engine.stream.channels,
            dtype="float32",
            latency=latency,
            callback=callback,
        )
        stream.start()
    except (sounddevice.PortAudioError, ValueError) as error:
        shown = " and ".join(x.name for x in (source, target) if isinstance(x, Found))
        what = f"{engine.stream.channels} channels of {engine.stream.sample_rate} Hz"
        raise InputError(f"{shown}: cannot open for {what}: {_reason(error)}") from None
    device = Device(stream, source if isinstance(source, Feed) else None)
    try:
        yield device
    finally:
        with contextlib.suppress(sounddevice.PortAudioError):  # it may be gone
            stream.abort()
            stream.close()


def _reason(error):
    """PortAudio's words without its number."""
    text = str(error.args[0] if error.args else error)
    return text.rpartition(": ")[2].partition(" [PaErrorCode")[0].rstrip(".")
