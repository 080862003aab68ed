"""Decoding and encoding by FFmpeg, which PyAV brings along.

Loaded only for what libsndfile does not read or write reliably.
"""

import contextlib
import fractions
import math
import os
import struct
from collections.abc import Callable, Iterator
from typing import IO, Any

import numpy as np

from inr_jax.audio import containers, edits, endings, formats

# Formats whose headers know how long the sound is; others have it guessed.
_DECLARING = {
    "mov",
    "matroska",
    "asf",
    "flv",
    "wav",
    "aiff",
    "caf",
    "flac",
    "wv",
    "tta",
    "ogg",
}
_TOLERANCE = 4096, 0.1  # samples and seconds by which lengths differ as a rule
_EVEN = {"mp2", "mp2float", "ac3", "eac3"}  # frames of one size, but for padding
_PADDING = 4096  # samples at most by which an encoder fills up the last frame
_NO_PROTOCOL = {"protocol_whitelist": "none"}  # a file may not have others opened
_LAYOUTS = ("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "6.1", "7.1")
# Formats that do not state the delay of an encoder. Zeros are put in front so that it
# is whole packets, and these are left out: how many of both.
_WITHOUT_DELAY = {"adts", "ac3", "eac3", "mp2", "mpegts", "mpeg", "vob", "avi", "flv"}
_WITHOUT_DELAY |= {"asf", "amr"}
_LEAD = {
    "aac": (0, 1),
    "mp2": (1152 - 481, 1),
    "ac3": (1536 - 256, 1),
    "eac3": (1536 - 256, 1),
}
# Formats in which a packet says how many samples of it are none of the sound.
_KEEPING_PADDING = ("matroska", "webm")
# Samples of delay, of encoders that do not add them at the end by themselves.
_DELAY = {"mp2": 481, "ac3": 256, "eac3": 256}
_AMR_DELAY = 40  # stays in the file: a coder of speech cannot begin in the middle
_MP3_DELAY = 1105
_ENCODERS = {"mp3": "libmp3lame", "opus": "libopus", "amr_nb": "libopencore_amrnb"}
_LOSSLESS = {"alac", "flac", "wavpack", "tta", "ape", "shorten", "mlp", "truehd", "tak"}
_SUBTYPES = {"mp3": "MPEG_LAYER_III", "mp3float": "MPEG_LAYER_III"}
_SUBTYPES |= {"mp2": "MPEG_LAYER_II", "amrnb": "AMR_NB", "libopus": "OPUS"}


def library() -> Any:
    """The module `av`.

    Raises:
      ImportError: it is not installed.
    """
    try:
        import av
    except ImportError:
        raise ImportError(
            "this format needs PyAV: python -m pip install av", name="av"
        ) from None
    av.logging.set_level(av.logging.PANIC)  # errors are raised as exceptions
    return av


def opened(file: IO[bytes]) -> Any:
    """A container of `av`, open for reading.

    Raises:
      ValueError: FFmpeg cannot read it.
      ImportError: there is no PyAV.
    """
    av = library()
    file.seek(0)
    try:
        return av.open(file, options=_NO_PROTOCOL, metadata_errors="replace")
    except av.FFmpegError as error:
        if "moov atom not found" in str(error):
            raise ValueError(
                "its index is missing, as of a recording that was not finished"
            ) from None
        raise ValueError(reason(error)) from None


def errors() -> tuple[type[Exception], ...]:
    """What PyAV raises where FFmpeg refuses."""
    return library().FFmpegError, ValueError, NotImplementedError


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Errors of FFmpeg as ValueError, with its words and without its numbers."""
    try:
        yield
    except library().FFmpegError as error:
        raise ValueError(reason(error)) from None


def created(file: IO[bytes] | os.PathLike, container: str, sample_rate: int) -> Any:
    """A container of `av`, open for writing; lengths of sound are kept exactly."""
    has_edits = container in edits.CONTAINERS
    options = {"movie_timescale": str(sample_rate)} if has_edits else {}
    file = file if hasattr(file, "write") else os.fspath(file)
    return library().open(file, "w", container, options=options)


def reason(error: Exception) -> str:
    """What went wrong, without FFmpeg's numbers."""
    return str(getattr(error, "strerror", None) or error).split(": '")[0]


class Reader:
    """An open file that FFmpeg reads; attributes as of `sndfile.Reader`."""

    def __init__(self, file: IO[bytes], track: int = 0):
        """Reads the headers.

        Raises:
          ValueError: FFmpeg cannot read it, or it has no sound.
          ImportError: there is no PyAV.
        """
        self._file, self._track = file, track
        self.num_damaged, self.silent_s, self.start_s = 0, 0.0, 0.0
        self.is_cut = False
        with opened(file) as container:
            streams = container.streams.audio
            if not streams:
                raise ValueError("there is no sound in it")
            if track >= len(streams):  # of files that were joined
                raise ValueError("it has no such track")
            stream = streams[track]
            context = stream.codec_context
            if context is None:
                raise ValueError("FFmpeg has no decoder of its sound")
            if context.format is None:  # not one whole frame to know it by
                raise ValueError("no sound in it can be decoded; empty or cut short")
            self.sample_rate, self.num_channels = context.rate, context.channels
            if not self.sample_rate or not self.num_channels:
                raise ValueError("its header states no rate or channels")
            self.num_tracks = len(streams)
            self.has_pictures = any(map(_is_kept, container.streams))
            names = container.format.name.split(",")
            self._has_edits = "mov" in names
            self._has_exact_times = names[0] in ("flac", "ogg")
            self._tells_end = names[0] == "matroska"  # of the sound, not its length
            is_amr = names[0] == "amr" and self.sample_rate == 8000
            self._delay = _AMR_DELAY if is_amr else 0
            self.extension = formats.container_extension(
                container.format.name, context.name, self.has_pictures
            )
            self.subtype = _subtype(context)
            self.declared_s = _duration_s(container, stream)
            self.bit_rate = _source_bit_rate(file, container, context, self.declared_s)
            if names[0] == "mp3":
                per_frame = 1152 if self.sample_rate >= 32_000 else 576
                declared = containers.mp3_samples(file, per_frame)
                known_s = declared and declared / self.sample_rate
            else:
                is_known = bool(_DECLARING & set(names))
                if names[0] == "asf":  # states the duration of the longest stream
                    is_known = len(container.streams) == 1
                    self.declared_s = endings.asf_seconds(file)
                known_s = self.declared_s if is_known else None
            is_late = self._has_edits and (stream.start_time or 0) > 0
            # then FFmpeg counts what the encoder has put in front
            if is_late and (told_s := edits.seconds(file, stream.index)):
                self.declared_s = known_s = min(told_s, known_s or told_s)
            self.num_samples = round((self.declared_s or 0) * self.sample_rate)
            self.declared_s = known_s
        if not _DECLARING & set(names):  # what FFmpeg guesses may be of a later part
            self.sample_rate, self.num_channels = self._first_frame()

    def _first_frame(self):
        """Rate and channels."""
        with contextlib.closing(self._frames()) as frames:
            for rate, block in frames:
                return rate, block.shape[1]
        return self.sample_rate, self.num_channels

    def blocks(self, num_samples: int) -> Iterator[tuple[int, np.ndarray]]:
        """Sample rates and blocks (samples, channels) of float32.

        Damaged packets are counted; silence takes their place where timestamps show it.
        """
        frames = self._frames()
        if self._delay:
            frames = _without_beginning(frames, self._delay)
        if self._has_edits and self.num_samples:
            frames = _without_padding(frames, self.num_samples)
        return _in_blocks(frames, num_samples)

    def _frames(self):
        av = library()
        self.num_damaged, self.silent_s, self.is_cut, next_s = 0, 0.0, False, None
        smallest, last_failed = math.inf, False
        with opened(self._file) as container:
            stream = container.streams.audio[self._track]
            decoder = stream.codec_context
            if decoder.name == "flac":  # what is damaged is noise without it
                decoder.options = {"err_detect": "crccheck+explode"}
            if container.format.name == "mp3":  # that one knows of later parts already
                decoder = av.CodecContext.create(decoder.name, "r")
            packets = container.demux()
            while True:
                try:
                    packet = next(packets, None)
                except av.FFmpegError:  # nothing can be found behind this place
                    self.is_cut = True
                    return
                if packet is None:
                    self.is_cut |= last_failed
                    return
                if packet.size:  # the last one counts
                    # blocks of PCM are as long as what is there
                    self.is_cut = packet.is_corrupt and "pcm" not in decoder.name
                if packet.stream.index != stream.index:
                    continue
                if packet.size:
                    self.num_damaged += last_failed
                    last_failed = False
                    is_less = packet.size < smallest - 4 and smallest < math.inf
                    self.is_cut |= is_less and decoder.name in _EVEN
                    smallest = min(smallest, packet.size)
                try:
                    frames = decoder.decode(packet if packet.size else None)
                except av.FFmpegError:
                    last_failed |= packet.size > 0
                    if next_s is None and packet.pts is not None:
                        next_s = self.start_s = float(packet.pts * packet.time_base)
                    continue
                for frame in frames:
                    time_s = None if frame.pts is None else float(frame.time or 0)
                    if next_s is None:
                        next_s = self.start_s = time_s or 0.0
                        if self._tells_end and self.declared_s:
                            self.declared_s -= self.start_s
                    if time_s and self._is_gap(time_s - next_s):
                        # sound that is missing is silence: what follows stays in place
                        count = round((time_s - next_s) * frame.sample_rate)
                        channels = frame.layout.nb_channels
                        yield frame.sample_rate, np.zeros((count, channels), np.float32)
                        if self.num_damaged or self._has_exact_times:
                            self.silent_s += time_s - next_s
                        next_s = time_s
                    yield frame.sample_rate, _samples(frame)
                    next_s += frame.samples / frame.sample_rate

    def _is_gap(self, seconds):
        """Whether there is no sound for so long, by times that may be rounded."""
        if self.num_damaged or self._has_exact_times:
            return 0.002 < seconds < 3600
        return self.has_pictures and 0.1 < seconds < 3600


def packets(container: Any, targets: dict[Any, Any]) -> Iterator[Any]:
    """Packets of an open container as they are, each of the stream that gets it.

    Args:
      container: To read.
      targets: Streams of it, with those of another container.
    """
    for packet in container.demux(list(targets)):
        if packet.size or packet.dts is not None:
            packet.stream = targets[packet.stream]
            yield packet


def is_cover(stream: Any) -> bool:
    """Whether a stream of pictures is the cover."""
    return bool(stream.disposition & library().stream.Disposition.attached_pic)


def _is_kept(stream):
    """Whether a stream other than the sound is to be kept, with its times."""
    return stream.type in ("video", "subtitle") and not is_cover(stream)


def _subtype(context):
    name = context.codec.canonical_name
    bits = {"u8": 8, "s16": 16, "s32": 24, "flt": 32, "dbl": 64}
    depth = bits.get(context.format.name.rstrip("p"), 16)
    if name.startswith("pcm_"):
        if depth >= 32:
            return "FLOAT" if depth == 32 else "DOUBLE"
        return "PCM_32" if "32" in name else f"PCM_{max(16, depth)}"
    if name in _LOSSLESS:
        return f"{name.upper()}_{max(16, depth)}"
    return _SUBTYPES.get(name, name.upper())


def _duration_s(container, stream):
    if stream.duration and stream.time_base:
        duration = stream.duration
        is_opus = stream.codec_context.codec.canonical_name == "opus"
        if container.format.name == "ogg" and is_opus:  # then it is where it ends
            duration -= max(0, stream.start_time or 0)
        return float(duration * stream.time_base)
    if stated := stream.metadata.get("DURATION"):  # Matroska: 00:00:01.157000000
        with contextlib.suppress(ValueError):
            hours, minutes, seconds = map(float, stated.split(":"))
            return 3600 * hours + 60 * minutes + seconds
    if container.duration and len(container.streams) == 1:
        return container.duration / 1e6
    return None


def _source_bit_rate(file, container, context, duration_s):
    """Bits per second of a lossy codec, where it is known."""
    name = context.codec.canonical_name
    if name in _LOSSLESS or name.startswith("pcm_"):
        return None
    if context.bit_rate or len(container.streams) > 1:
        return context.bit_rate or None
    if duration_s:
        return round(8 * containers.size(file) / duration_s)
    return container.bit_rate or None


def _samples(frame):
    """(samples, channels) of float32, full scale 1."""
    if frame.format.is_planar and frame.layout.nb_channels >= 8:
        # PyAV miscounts the planes
        packed = frame.format.name.rstrip("p")
        (frame,) = library().AudioResampler(packed, frame.layout).resample(frame)
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    if samples.dtype == np.uint8:
        return ((samples.T - np.float32(128)) / 128).astype(np.float32)
    if samples.dtype.kind == "i":
        samples = samples / np.float32(-float(np.iinfo(samples.dtype).min))
    return np.ascontiguousarray(samples.T, np.float32)


def _without_padding(frames, declared):
    """Leaves out what an encoder has filled its last frame with."""
    done, held = 0, []
    for rate, block in frames:
        inside = max(0, declared - done)
        done += len(block)
        if inside:
            yield rate, block[:inside]
        if len(block) > inside:
            held.append((rate, block[inside:]))
            if done - declared > _PADDING:  # that is no padding
                yield from held
                held, declared = [], math.inf


def _without_beginning(frames, count):
    for rate, block in frames:
        if len(block) > count:
            yield rate, block[count:]
        count = max(0, count - len(block))


def _in_blocks(frames, num_samples):
    """Joins short frames of one rate and shape; blocks of at most so many samples."""
    kind, waiting, count = None, [], 0
    for rate, frame in frames:
        if waiting and (kind != (rate, frame.shape[1]) or count >= num_samples):
            yield from _cut(kind[0], waiting, num_samples)
            waiting, count = [], 0
        kind = rate, frame.shape[1]
        waiting.append(frame)
        count += len(frame)
    if waiting:
        yield from _cut(kind[0], waiting, num_samples)


def _cut(rate, frames, num_samples):
    whole = np.concatenate(frames)
    for start in range(0, len(whole), num_samples):
        yield rate, whole[start : start + num_samples]


@contextlib.contextmanager
def writer(
    file: IO[bytes], encoding: formats.Encoding
) -> Iterator[Callable[[np.ndarray], None]]:
    """A context that yields a function which appends samples (samples, channels).

    Raises:
      ValueError: FFmpeg cannot write this.
      ImportError: there is no PyAV.
    """
    with refusing(), created(file, encoding.container, encoding.sample_rate) as output:
        encoder = _Encoder(output, encoding)
        yield encoder.add
        encoder.finish()


class _Encoder:
    def __init__(self, container, encoding):
        rate, channels = encoding.sample_rate, encoding.num_channels
        name = _ENCODERS.get(encoding.codec, encoding.codec)
        self._container, self._rate = container, rate
        self._codec, self._channels = encoding.codec, channels
        self._stream = container.add_stream(name, rate=rate)
        self._stream.layout = self._layout = _layout(encoding)
        self._stream.format = self._format = _sample_format(name, encoding)
        self._gain = np.float32(1)
        if encoding.codec not in _LOSSLESS and "pcm" not in encoding.codec:
            self._stream.bit_rate = bit_rate = _bit_rate(encoding)
            if encoding.codec == "mp3":
                self._gain = np.float32(1 / formats.lame_gain(bit_rate))
        self._lead, self._left_out = 0, None
        if encoding.container in _WITHOUT_DELAY:
            self._lead, self._left_out = _lead(encoding.codec, rate)
            if encoding.codec == "mp3":  # no frame needs one that is left out
                self._stream.codec_context.options = {"reservoir": "0"}
        # WMA's decoder leaves out the first by itself
        is_wma = encoding.codec.startswith("wma")
        self._dropped = 0 if is_wma else self._left_out or 0
        self._pts = -self._lead if self._dropped else 0
        self._count = self._taken = 0
        if self._lead:
            self._encode(np.zeros((self._lead, channels), np.float32))

    def add(self, samples):
        """Appends (samples, channels)."""
        self._count += len(samples)
        self._encode(samples * self._gain)

    def finish(self):
        """Writes what the encoder has kept."""
        frame = self._stream.codec_context.frame_size
        delay = _DELAY.get(self._codec, 0)
        if delay and -(self._lead + self._count) % frame < delay:
            self._encode(np.zeros((delay, self._channels), np.float32))
        packets = self._stream.encode(None)
        # no frame more each time that it is done again; PCM has no frames
        if self._left_out is not None and frame:
            samples = self._count + (_AMR_DELAY if self._codec == "amr_nb" else 0)
            count = self._left_out - samples // -frame - self._taken
            packets = packets[: max(0, count)]
        if packets and self._container.format.name in _KEEPING_PADDING:
            _tell_padding(packets[-1], frame)
        self._mux(packets)

    def _encode(self, samples):
        av = library()
        samples = quantised(samples, self._format)
        # interleaved, which FFmpeg reorders: PyAV miscounts the planes of 8 channels
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples.reshape(1, -1)),
            self._format.rstrip("p"),
            self._layout,
        )
        frame.sample_rate, frame.pts = self._rate, self._pts
        frame.time_base = fractions.Fraction(1, self._rate)
        self._pts += frame.samples
        self._mux(self._stream.encode(frame))

    def _mux(self, packets):
        for packet in packets:
            self._taken += 1
            if self._dropped:
                self._dropped -= 1
            else:
                self._container.mux(packet)


def _tell_padding(packet, frame_size):
    """Has a last packet say how many samples at its end fill it up."""
    count = frame_size - (packet.duration or frame_size)
    if count <= 0 or packet.has_sidedata("skip_samples"):
        return
    kinds = library().packet
    kind = kinds.packet_sidedata_type_from_literal("skip_samples")
    side_data = kinds.PacketSideData(kind, 10)
    side_data.update(struct.pack("<IIBB", 0, count, 0, 0))
    packet.set_sidedata(side_data)


def _layout(encoding):
    """The layout of the channels, as far as their number implies it."""
    if encoding.codec == "opus" and encoding.num_channels == 4:
        return "quad"
    return _LAYOUTS[encoding.num_channels - 1]


def _sample_format(encoder, encoding):
    """One that the encoder takes and that holds the samples."""
    held = [f.name for f in library().codec.Codec(encoder, "w").audio_formats or []]
    is_lossy = encoding.codec not in _LOSSLESS
    preferred = ["fltp", "flt"] if is_lossy else []
    preferred += ["s16p", "s16"] if encoding.bits == 16 else ["s32p", "s32"]
    return next(
        f for f in [*preferred, "s16p", "s16", "s32p", "s32", "flt"] if f in held
    )


def _lead(codec, rate):
    """Zeros in front, and packets to leave out, in formats that state no delay."""
    if codec == "mp3":
        frame = 1152 if rate >= 32_000 else 576
        packets = -(-_MP3_DELAY // frame)
        return packets * frame - _MP3_DELAY, packets
    if codec.startswith("wma"):  # the decoder leaves out the first frame by itself
        is_short = rate <= 22_050 or codec == "wmav1" and rate <= 32_000
        return 512 if rate <= 16_000 else 1024 if is_short else 2048, 1
    return _LEAD.get(codec, (0, 0))


def _bit_rate(encoding):
    """Near that of the source; else enough for speech and music."""
    rate, channels = encoding.sample_rate, encoding.num_channels
    if encoding.codec == "amr_nb":
        modes = (4750, 5150, 5900, 6700, 7400, 7950, 10_200, 12_200)
        asked = encoding.bit_rate or modes[-1]
        return min(modes, key=lambda mode: abs(mode - asked))
    asked = encoding.bit_rate or min(96_000, 6 * rate) * channels
    if encoding.codec.startswith("wma"):
        return max(asked, 32_000 * channels)
    if encoding.codec in ("mp2", "mp3", "ac3", "eac3"):
        return _table_rate(encoding.codec, rate, asked)
    return asked


def _table_rate(codec, rate, asked):
    """The nearest of the bit rates that a codec knows."""
    low = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
    tables = {
        "mp2": (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
        "mp3": (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    }
    if rate < 32_000:
        tables = {"mp2": low, "mp3": low}
    dolby = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448)
    held = [1000 * k for k in tables.get(codec, (*dolby, 512, 576, 640))]
    return min(held, key=lambda k: abs(k - asked))


def quantised(samples: np.ndarray, sample_format: str) -> np.ndarray:
    """Samples in one of FFmpeg's formats, rounded to the nearest value."""
    kind = sample_format.rstrip("p")
    if kind == "flt":
        return np.asarray(samples, np.float32)
    bits = {"s16": 16, "s32": 24}[kind]
    full = 2 ** (bits - 1)
    rounded = np.rint(np.asarray(samples, np.float64) * full).clip(-full, full - 1)
    if kind == "s16":
        return rounded.astype(np.int16)
    return rounded.astype(np.int32) << 8
