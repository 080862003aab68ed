"""Decoding: files and arrays as float32 recordings, full scale at 1.

Whatever libsndfile decodes can be read (WAV, FLAC, Ogg Vorbis and Opus, MP3, AIFF and
more), at any rate, channel count and length. No level is changed.
"""

import contextlib
import os
import pathlib
from collections.abc import Iterator
from typing import IO, NamedTuple

import numpy as np
import soundfile
from jaxtyping import Float

from inr_jax.audio.write import FORMATS, error_reason
from inr_jax.errors import InputError

_READABLE = {*map(str.lower, soundfile.available_formats()), *FORMATS}
_READABLE -= {"raw"}
# Values beyond come from broken headers or data, and would fill memory or overflow.
LOWEST_RATE, HIGHEST_RATE = 100, 10_000_000
LOUDEST = 1e12


class Recording(NamedTuple):
    """Samples with what is needed to write them back in the same format.

    Attributes:
      samples: float32, full scale at 1.
      sample_rate: In Hz.
      subtype: libsndfile's name of the sample format, e.g. "PCM_16"; None for arrays.
      name: For messages, e.g. the path of the file.
    """

    samples: Float[np.ndarray, "samples channels"]
    sample_rate: int
    subtype: str | None = None
    name: str = "array"

    @property
    def num_samples(self) -> int:
        """Samples of each channel."""
        return len(self.samples)

    @property
    def num_channels(self) -> int:
        """Number of channels."""
        return self.samples.shape[1]

    def blocks(self, num_samples: int) -> Iterator[np.ndarray]:
        """Blocks of at most `num_samples` samples (samples, channels)."""
        for start in range(0, len(self.samples), num_samples):
            yield self.samples[start : start + num_samples]


def is_audio(path: pathlib.Path) -> bool:
    """Whether the extension of a file name is that of a readable format."""
    return path.suffix[1:].lower() in _READABLE


def read(
    source: str | os.PathLike | IO[bytes] | np.ndarray, sample_rate: int | None = None
) -> Recording:
    """Reads a path, an open file or an array.

    Args:
      source: Arrays are (samples,) or (samples, channels); integers are divided by
        their full scale.
      sample_rate: Hz of an array; files have their own.

    Raises:
      InputError: not readable, truncated, empty, NaN or infinite samples, or a sample
        rate out of range.
    """
    if isinstance(source, np.ndarray):
        recording = _from_array(source, sample_rate)
    else:
        recording = _from_file(source)
    if recording.samples.size == 0:
        raise InputError(f"{_name(source)}: holds no samples; empty or cut short")
    return checked(recording)


def checked(recording: Recording) -> Recording:
    """The recording itself, when it is valid.

    Raises:
      InputError: NaN or infinite samples, or a sample rate out of range.
    """
    name = recording.name
    if not -LOUDEST < recording.samples.min() <= recording.samples.max() < LOUDEST:
        raise InputError(
            f"{name}: holds NaN or infinite samples, or some above {LOUDEST:g} times "
            "full scale"
        )
    if not LOWEST_RATE <= recording.sample_rate <= HIGHEST_RATE:
        raise InputError(
            f"{name}: {recording.sample_rate} Hz is outside of {LOWEST_RATE} to "
            f"{HIGHEST_RATE} Hz"
        )
    return recording


def _from_array(array, sample_rate):
    if sample_rate is None or sample_rate <= 0:
        raise InputError(f"array: sample_rate must be positive, got {sample_rate}")
    if array.ndim not in (1, 2):
        raise InputError(
            f"array: shape must be (samples,) or (samples, channels), got {array.shape}"
        )
    if array.ndim == 2 and array.shape[1] > max(32, array.shape[0]):
        raise InputError(
            f"array: shape {array.shape} looks like (channels, samples); transpose it"
        )
    if array.dtype.kind == "i":
        array = array / float(-np.iinfo(array.dtype).min)
    elif array.dtype.kind != "f":
        raise InputError(f"array: dtype must be float or signed, got {array.dtype}")
    samples = np.asarray(array if array.ndim == 2 else array[:, None], np.float32)
    return Recording(samples, int(sample_rate))


def _from_file(source):
    if isinstance(source, (str, os.PathLike)):
        source = os.fspath(source)
        if not os.path.exists(source):
            raise InputError(f"{source}: no such file")
        if os.path.isdir(source):
            raise InputError(f"{source}: is a folder, not an audio file")
        if not os.path.isfile(source):  # opening a named pipe waits for a writer
            raise InputError(f"{source}: is a device or a pipe, not an audio file")
    try:
        with opened(source) as binary, soundfile.SoundFile(binary) as file:
            samples = file.read(dtype="float32", always_2d=True)
            num_declared = file.frames
    except (soundfile.LibsndfileError, OSError, TypeError) as error:
        raise InputError(
            f"{_name(source)}: cannot read: {error_reason(error)}"
        ) from None
    except (MemoryError, ValueError):
        raise InputError(
            f"{_name(source)}: cannot read: its header declares no length, or more "
            "samples than fit into memory"
        ) from None
    check_not_truncated(_name(source), len(samples), num_declared)
    return Recording(samples, file.samplerate, file.subtype, _name(source))


def check_not_truncated(path: str, num_read: int, num_declared: int) -> None:
    """Raises InputError where a file has fewer samples than its header declares."""
    if num_read < num_declared:
        raise InputError(
            f"{path}: cut short: has {num_read} samples, its header declares "
            f"{num_declared}"
        )


def opened(source: str | IO[bytes]) -> contextlib.AbstractContextManager[IO[bytes]]:
    """The source as an open file: libsndfile takes no paths that are not UTF-8."""
    if isinstance(source, str):
        return open(source, "rb")
    return contextlib.nullcontext(source)


def _name(source):
    if isinstance(source, np.ndarray):
        return "array"
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    return str(getattr(source, "name", "open file"))
