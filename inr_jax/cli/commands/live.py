"""Removes noise as sound comes in: from a microphone to a speaker or virtual device.

  inr-jax live
  inr-jax live --devices
  inr-jax live --input=NAME --output=NAME --record_output=call.flac
  inr-jax live --input=noisy.wav --output=clean.wav --fast
  parec --format=s16le --rate=48000 --channels=1 | inr-jax live --input=- --output=- | ...

Input and output are sound devices by number or part of their name (pip install
'inr_jax[live]'), files, or pipes (-) of 16-bit little-endian samples without a header, of
--rate and --channels. What comes in is played a constant delay later, which is printed. What is
not computed in time is played as it came in. The key b compares with the input, q ends.
"""

import contextlib
import functools
import math
import os
import pathlib
import sys

from absl import flags

import inr_jax
from inr_jax.cli import app
from inr_jax.errors import InputError
from inr_jax.io import standard_streams

flags.adopt_module_key_flags(app)
DEVICES = flags.DEFINE_bool("devices", False, "Lists the sound devices.")
INPUT = flags.DEFINE_string(
    "input", None, "Microphone, file or -; the usual microphone by default."
)
OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "Speaker or virtual device, file or -; the usual speaker by default.",
)
RATE = flags.DEFINE_integer(
    "rate",
    None,
    "Hz of devices and pipes; by default what the device usually has, 48000 of a pipe.",
    1,
)
CHANNELS = flags.DEFINE_integer(
    "channels", None, "Of devices and pipes, 1 by default; all get one gain.", 1
)
WEIGHTS = flags.DEFINE_string(
    "weights", None, "Folder of those of a causal network; the shipped ones by default."
)
MAX_ATTENUATION_DB = flags.DEFINE_float(
    "max_attenuation_db", None, "Largest attenuation of the noise in dB.", 0
)
RESERVE_MS = flags.DEFINE_float(
    "reserve_ms",
    16.0,
    "By how much a computation may be late; adds to the delay of devices and files.",
    0,
    1000,
)
DEVICE_LATENCY = flags.DEFINE_string(
    "device_latency", "low", "Of sound devices: low, high, or milliseconds."
)
FAST = flags.DEFINE_bool(
    "fast",
    False,
    "From file to file as fast as it goes, not at the speed of real time.",
)
RECORD_INPUT = flags.DEFINE_string("record_input", None, "File for what comes in.")
RECORD_OUTPUT = flags.DEFINE_string("record_output", None, "File for what is played.")
JSON = flags.DEFINE_bool(
    "json",
    False,
    "Prints a JSON object of the run at its end, on standard output; on standard error "
    "where that gets the sound.",
)


PIPE = "-"
PIPE_RATE = 48_000


def main() -> None:
    if DEVICES.value:
        print_devices()
        return
    from inr_jax.live import session

    for flag in (INPUT, OUTPUT, RECORD_INPUT, RECORD_OUTPUT):
        if flag.value == "":
            raise InputError(f"--{flag.name} names nothing")
    source, target, latency = chosen_source(), chosen_target(), device_latency()
    check_sides(source, target)
    form, outputs = form_of(source), outputs_beside(source, target)
    if PIPE in outputs:
        standard_streams.standard_output()
    for path in set(outputs) - {PIPE}:
        # what it cannot hold is known before the work begins
        subtype = getattr(source, "subtype", None)
        if remark := inr_jax.audio.encoding(path, *form, subtype).remark:
            print(remark, file=sys.stderr)
    app.start_jax()
    with session.stopping() as stop:
        error = run(source, target, latency, form, outputs, stop)
    if error:
        raise error
    if stop.is_set() and isinstance(source, inr_jax.audio.FileSource):
        print(f"{source.name}: stopped before its end", file=sys.stderr)
        raise SystemExit(app.EXIT_INTERRUPTED)


def run(source, target, latency, form, outputs, stop) -> Exception | None:
    """Compiles, opens both sides and runs until the end; returns what failed meanwhile."""
    from inr_jax.cli import live_shown
    from inr_jax.live import session
    from inr_jax.live.engine import Engine
    from inr_jax.live.stream import HIGHEST_RATE, LOWEST_RATE, Stream

    is_file = isinstance(source, inr_jax.audio.FileSource)
    if is_file and not LOWEST_RATE <= source.sample_rate <= HIGHEST_RATE:
        raise InputError(
            f"{source.name}: has {source.sample_rate} Hz, live takes {LOWEST_RATE} to "
            f"{HIGHEST_RATE}; inr-jax denoise takes any rate"
        )
    stream = Stream(*form, WEIGHTS.value, MAX_ATTENUATION_DB.value)
    if stop.is_set():  # meanwhile; older files stay
        return None
    at_once = FAST.value or source == PIPE
    engine = Engine(stream, 0.0 if at_once else RESERVE_MS.value / 1000)
    rings = {"recorded": engine.recorded, "played": engine.played}
    with (
        live_shown.Shown(engine, stop) as shown,
        movement(engine, source, target, latency, shown) as moves,
    ):
        # what cannot be opened or holds nothing has left older files alone
        files = [written(path, form, source, stop) for path in outputs]
        with session.each_by_itself(files) as writes:
            taps = [
                session.Tap(rings[ring], write)
                for ring, write in zip(outputs.values(), writes, strict=True)
            ]
            error = session.follow(moves, taps, shown.update, stop)
            if not engine.recorded.position:
                raise error or InputError("no sound came in; nothing is written")
        for path, tap in zip(outputs, taps, strict=True):
            if tap.lost:
                print(f"{path}: too slow: {tap.lost} samples lost", file=sys.stderr)
            if note := inr_jax.audio.clipping_note(path, tap.clipped):
                print(note, file=sys.stderr)
        if remark := getattr(source, "remark", ""):
            print(remark, file=sys.stderr)
    # the meter takes the lines of standard output while it is there
    shown.finish(JSON.value, sound_on_stdout=PIPE in outputs)
    return error


def outputs_beside(source, target) -> dict[str, str]:
    """Files and pipes that are written, and whether with what is recorded or played.

    Raises:
      InputError: one is named twice, or is the input.
    """
    named = [
        (None if target else OUTPUT.value, "played"),
        (RECORD_INPUT.value, "recorded"),
        (RECORD_OUTPUT.value, "played"),
    ]
    paths = [path for path, _ in named if path]
    files = [path if path == PIPE else os.path.realpath(path) for path in paths]
    is_file = isinstance(source, inr_jax.audio.FileSource)
    given = os.path.realpath(source.path) if is_file else None
    for path, file in zip(paths, files, strict=True):
        if files.count(file) > 1:
            raise InputError(f"{path}: named twice as an output")
        if file == given:
            raise InputError(f"{path}: is the input; name another output")
    return {path: ring for path, ring in named if path}


def chosen_source():
    """A file, `PIPE`, or a device."""
    from inr_jax.live import devices

    name = INPUT.value
    if name == PIPE:
        standard_streams.standard_input()
        return PIPE
    if name and (os.path.exists(name) or inr_jax.audio.is_audio(pathlib.Path(name))):
        return inr_jax.audio.FileSource(name)
    return devices.find(name, is_input=True)


def chosen_target():
    """A device; None for files and pipes, to which what is played is written."""
    from inr_jax.live import devices

    name = OUTPUT.value
    if name == PIPE or name and inr_jax.audio.is_audio(pathlib.Path(name)):
        return None
    return devices.find(name, is_input=False)


def check_sides(source, target) -> None:
    """Raises InputError where a side does not go with the other or with the flags."""
    is_file = isinstance(source, inr_jax.audio.FileSource)
    if FAST.value and not (is_file and target is None):
        raise InputError("--fast goes from a file to a file or a pipe")
    if source == PIPE and target:
        raise InputError("a pipe goes to a pipe or a file: name it with --output")
    if is_file and (RATE.value or CHANNELS.value):
        raise InputError(
            f"{source.name}: has a rate and channels of its own; --rate and --channels "
            "are for devices and pipes"
        )


def form_of(source) -> tuple[int, int]:
    """Sample rate and channels."""
    if isinstance(source, inr_jax.audio.FileSource):
        return source.sample_rate, source.num_channels
    usual = PIPE_RATE if source == PIPE else source.sample_rate
    return RATE.value or usual, CHANNELS.value or 1


def written(path, form, source, stop):
    """A context that yields what writes to a file or a pipe."""
    from inr_jax.live import pipes

    if path == PIPE:
        return contextlib.nullcontext(functools.partial(pipes.write, stop=stop))
    subtype, bit_rate = (getattr(source, x, None) for x in ("subtype", "bit_rate"))
    return inr_jax.audio.open_writer(path, *form, subtype, bit_rate=bit_rate)


@contextlib.contextmanager
def movement(engine, source, target, latency, shown):
    """A context that yields what moves sound through an engine, step by step."""
    from inr_jax.live import devices, pipes, session

    blocks = None
    if source == PIPE:
        blocks = pipes.blocks(engine.stream.channels, shown.stop)
    elif isinstance(source, inr_jax.audio.FileSource):
        blocks = source.blocks(engine.stream.hop)
    hops = session.hops(blocks, engine) if blocks else None
    if source == PIPE or FAST.value:
        yield session.moved_at_once(engine, hops)
        return
    with contextlib.ExitStack() as opened:
        feed = opened.enter_context(session.feed(hops)) if hops else None
        if feed and target is None:
            mover = opened.enter_context(session.Clock(engine, feed))
        else:
            mover = opened.enter_context(devices.Devices())
            if target:
                mover.play(target, engine, latency, feed)
            if not feed:
                mover.listen(source, engine, latency, is_alone=not target)
        shown.mover = mover
        yield session.moved(engine, mover)


def print_devices() -> None:
    """A table of them."""
    from inr_jax.io import markdown
    from inr_jax.live import devices

    columns = ("", "name", "system", "inputs", "outputs", "Hz")
    print(markdown.table(columns, devices.found()), end="")


def device_latency() -> str | float:
    """As PortAudio takes it: a word, or seconds."""
    text = DEVICE_LATENCY.value
    if text in ("low", "high"):
        return text
    with contextlib.suppress(ValueError):
        if 0 <= float(text) < math.inf:
            return float(text) / 1000
    raise InputError(f"--device_latency is low, high or milliseconds, got {text!r}")
