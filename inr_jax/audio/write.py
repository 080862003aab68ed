"""Encoding: audio files written block by block, atomically, with errors that say why.

No level is changed; integer formats round to the nearest value and clip at full scale.
"""

import contextlib
import io
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import IO

import numpy as np
import soundfile
import soxr

from inr_jax.audio import ffmpeg, formats
from inr_jax.audio.formats import Encoding
from inr_jax.audio.stream import error_reason
from inr_jax.errors import InputError
from inr_jax.io.atomic import replacing

_BLOCK = 2**16  # frames; libsndfile's Vorbis encoder crashes on long ones
# Bytes of samples in a WAV file, whose header has 32 bits for the length.
WAV_LIMIT = 2**32 - 2**16
_INTEGER_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_INTEGER_BITS |= {f"ALAC_{bits}": bits for bits in (16, 20, 24, 32)}
_FLOATS = ("FLOAT", "DOUBLE")
# Codecs that hold what is above full scale; AAC's encoder turns it down.
_UNCLIPPED = {*_FLOATS, "VORBIS", "OPUS", "MPEG_LAYER_III", "pcm_f32le"}
_UNCLIPPED |= {"ac3", "eac3", "mp3", "opus", "wmav1", "wmav2"}
# Bits per second of each channel at libsndfile's quality 1 and 0.
_OPUS_RATES = 256_000, 6000
_MP3_RATES = ((32_000, 320_000, 32_000), (16_000, 160_000, 8000), (0, 64_000, 8000))
# Bits per second of Vorbis at 44.1 kHz in stereo, by tenths of its quality.
_VORBIS_RATES = (64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 500)


@contextlib.contextmanager
def open_writer(
    path: str | os.PathLike,
    sample_rate: int,
    channels: int,
    subtype: str | None = None,
    finish: Callable[[pathlib.Path], None] = lambda file: None,
    bit_rate: int | None = None,
    name: str | os.PathLike | None = None,
) -> Iterator[Callable[[np.ndarray], int]]:
    """A context that yields a function which appends blocks of samples to a file.

    The function takes (samples,) or (samples, channels) and returns the number of
    samples that an integer format had to clip. The file appears when the context ends
    without an error.

    Args:
      path: Of the file; its extension names the format.
      sample_rate: Hz of the samples, resampled where the codec has not this rate.
      channels: Number of channels.
      subtype: Sample format or codec of the source, as `Recording.subtype`; the nearest
        that the file format has is written, or its default where None.
      finish: Called with the finished file, before it appears.
      bit_rate: Of the source, which lossy codecs keep.
      name: In messages, instead of the path.

    Raises:
      InputError: an extension or a number of channels that cannot be written, a full
        disk, or a lack of permission.
    """
    encoding = formats.encoding(path, sample_rate, channels, subtype, bit_rate)
    name, errors = name or path, []
    with (
        naming(name, errors),
        replacing(path) as temporary,
        _ErrorKeepingFile(temporary, errors) as file,
    ):
        opened = ffmpeg.writer if encoding.library == "ffmpeg" else _sndfile_writer
        with opened(file, encoding) as add:
            encoder = _Encoder(add, encoding, sample_rate)
            yield naming(name, errors)(encoder.add)
            encoder.finish()
        if errors:
            raise errors[0]
        finish(temporary)


def check_room(path: str | os.PathLike, encoding: Encoding, duration_s: float) -> None:
    """Raises InputError where a format has no room for so many seconds."""
    width = encoding.num_channels * _bytes(encoding.codec)
    num_bytes = duration_s * encoding.sample_rate * width
    if encoding.container != "WAV" and num_bytes > _limit(encoding):
        raise InputError(f"{path}: cannot write: {_too_long(encoding)}")


@contextlib.contextmanager
def naming(path: str | os.PathLike, errors: Sequence[OSError] = ()) -> Iterator[None]:
    """Names the file where it cannot be written, and the first of the kept errors."""
    try:
        yield
    except InputError:  # of the caller's block
        raise
    except (
        soundfile.LibsndfileError,
        OSError,
        ValueError,
        AssertionError,
        OverflowError,
        ImportError,
    ) as error:
        # libsndfile only reports that less was written
        why = error_reason(errors[0] if errors else error)
        raise InputError(f"{path}: cannot write: {why}") from None


def write(
    path: str | os.PathLike,
    samples: np.ndarray,
    sample_rate: int,
    subtype: str | None = None,
) -> int:
    """Writes (samples,) or (samples, channels); see `open_writer`.

    Returns:
      Number of samples that an integer format had to clip.
    """
    channels = samples.shape[1] if samples.ndim > 1 else 1
    with open_writer(path, sample_rate, channels, subtype) as add:
        return add(samples)


def clipping_note(path: str | os.PathLike, num_clipped: int) -> str:
    """A remark on clipped samples, or an empty string."""
    return f"{path}: {num_clipped} samples clipped to full scale" if num_clipped else ""


class _ErrorKeepingFile(io.FileIO):
    """A file open for writing that keeps operating system errors for its opener."""

    def __init__(self, path, errors):
        super().__init__(path, "w+")
        self._errors = errors

    def write(self, data):
        left = memoryview(data)
        try:
            while left:
                left = left[super().write(left) :]
        except OSError as error:
            self._errors.append(error)
        return len(data) - len(left)


class _Encoder:
    """Brings samples to the rate of a file, counts what it clips, and writes them."""

    def __init__(self, add, encoding, sample_rate):
        self._add, self._codec = add, encoding.codec
        self._channels, self._resampler = encoding.num_channels, None
        if encoding.sample_rate != sample_rate:
            rates = sample_rate, encoding.sample_rate
            self._resampler = soxr.ResampleStream(*rates, self._channels, "float32")

    def add(self, samples):
        samples = np.asarray(samples)
        samples = samples.reshape(len(samples), self._channels)
        clipped = 0
        for start in range(0, len(samples), _BLOCK):
            block = samples[start : start + _BLOCK]
            if self._codec not in _UNCLIPPED:
                clipped += int(np.sum(np.abs(block) > 1))
            self._write(block)
        return clipped

    def finish(self):
        """Writes what the resampler has kept."""
        if self._resampler is not None:
            self._write(np.zeros((0, self._channels), np.float32), is_last=True)

    def _write(self, block, is_last=False):
        if self._resampler is not None:
            block = np.ascontiguousarray(block, np.float32)
            block = self._resampler.resample_chunk(block, is_last)
        if len(block):
            self._add(block)


@contextlib.contextmanager
def _sndfile_writer(
    file: IO[bytes], encoding: Encoding
) -> Iterator[Callable[[np.ndarray], None]]:
    """Writes by libsndfile; a WAV file that gets too long becomes RF64."""
    bits = _INTEGER_BITS.get(encoding.codec)
    sounds = [_opened(file, encoding.container, encoding)]
    written, limit = 0, _limit(encoding)
    width = encoding.num_channels * _bytes(encoding.codec)
    gain, order = np.float32(1), None
    if wav_order := formats.vorbis_order(encoding.codec, encoding.num_channels):
        order = np.argsort(wav_order)
    if encoding.container == "MP3" and encoding.bit_rate:
        gain = np.float32(1 / formats.lame_gain(encoding.bit_rate))

    def add(block):
        nonlocal written, limit
        block = block if order is None else block[:, order]
        written += len(block) * width
        if written > limit:
            if encoding.container != "WAV":
                raise ValueError(_too_long(encoding))
            sounds[0].close()
            sounds[0] = _as_rf64(file, encoding)
            limit = float("inf")
        if bits:
            block = _integers(block, bits)
        elif encoding.codec not in _UNCLIPPED:  # what is too loud would wrap around
            block = np.clip(block, -1, 1 - 2**-15)
        sounds[0].write(block if bits else gain * block)

    try:
        yield add
    finally:
        sounds[0].close()


def _opened(file, container, encoding):
    settings = {}
    if encoding.bit_rate and (level := _compression(encoding)) is not None:
        settings = {"compression_level": level}
        if container == "MP3":
            # frames of constant size may be too small to state the encoder's delay
            settings["bitrate_mode"] = "AVERAGE"
    return soundfile.SoundFile(
        file,
        "w",
        encoding.sample_rate,
        encoding.num_channels,
        encoding.codec,
        format=container,
        **settings,
    )


def _too_long(encoding):
    return (
        f"{encoding.container} files hold 4 GB at most; name an output of another "
        "format, such as .wav"
    )


def _limit(encoding):
    """Bytes that a file format has room for."""
    return WAV_LIMIT if encoding.container in ("WAV", "AIFF", "AU") else float("inf")


def _bytes(subtype):
    """Of a sample; lossy codecs take less."""
    if subtype in _INTEGER_BITS:
        return _INTEGER_BITS[subtype] // 8
    return {"FLOAT": 4, "DOUBLE": 8}.get(subtype, 1)


def _as_rf64(file, encoding):
    """The WAV file so far as an RF64 file, open for more samples."""
    copied = io.FileIO(f"{file.name}.wav", "x+")
    os.unlink(copied.name)  # it goes when it is closed
    with copied:
        file.seek(0)
        while data := file.read(2**20):
            copied.write(data)
        file.seek(0)
        file.truncate()
        copied.seek(0)
        sound = _opened(file, "RF64", encoding)
        kind = "float64" if encoding.codec in _FLOATS else "int32"
        with soundfile.SoundFile(copied) as old:
            while len(block := old.read(_BLOCK, kind, always_2d=True)):
                sound.write(block)
    return sound


def _integers(samples, bits):
    """The nearest integers, in the upper bits of 32; libsndfile itself rounds down."""
    full = 2 ** (bits - 1)
    rounded = np.rint(np.asarray(samples, np.float64) * full).clip(-full, full - 1)
    return rounded.astype(np.int32) << (32 - bits)


def _compression(encoding):
    """libsndfile's compression level, 0 to 1, of a bit rate; None where it has none."""
    asked, rate = encoding.bit_rate, encoding.sample_rate
    if encoding.codec == "MPEG_LAYER_III":
        _, highest, lowest = next(row for row in _MP3_RATES if rate >= row[0])
    elif encoding.codec == "OPUS":
        highest, lowest = (r * encoding.num_channels for r in _OPUS_RATES)
    elif encoding.codec == "VORBIS":
        asked *= 2 * 44_100 / (rate * encoding.num_channels)
        tenths = np.arange(len(_VORBIS_RATES))
        return 1 - float(np.interp(asked / 1000, _VORBIS_RATES, tenths)) / 10
    else:
        return None
    # LAME refuses the lowest rate itself
    return float(np.clip((highest - asked) / (highest - lowest), 0, 0.998))
