"""Encoding: audio files written block by block, atomically, with errors that say why.

No level is changed; integer formats clip at full scale.
"""

import contextlib
import functools
import io
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import IO

import numpy as np
import soundfile

from inr_jax.errors import InputError
from inr_jax.io.atomic import replacing

# Extensions that are not the name of their libsndfile format.
FORMATS = {"aif": "AIFF", "oga": "OGG", "opus": "OGG", "wave": "WAV", "snd": "AU"}
_BLOCK = 2**16  # frames; libsndfile's Vorbis encoder crashes on long ones


@contextlib.contextmanager
def open_writer(
    path: str | os.PathLike,
    sample_rate: int,
    channels: int,
    subtype: str | None = None,
    finish: Callable[[pathlib.Path], None] = lambda file: None,
) -> Iterator[Callable[[np.ndarray], int]]:
    """A context that yields a function which appends blocks of samples to a file.

    The function takes (samples,) or (samples, channels) and returns the number of
    samples that an integer format had to clip. The file appears when the context ends
    without an error.

    Args:
      path: Of the file; its extension names the format.
      sample_rate: In Hz.
      channels: Number of channels.
      subtype: libsndfile's sample format; the default of the file format where None or
        where the file format does not have it.
      finish: Called with the finished file, before it appears.

    Raises:
      InputError: an extension or a rate that cannot be written, a full disk, or a lack
        of permission.
    """
    form, subtype = _format(pathlib.Path(path), subtype)
    errors = []
    with (
        _naming(path, errors),
        replacing(path) as aside,
        _ErrorKeepingFile(aside, errors) as file,
    ):
        with soundfile.SoundFile(
            file, "w", sample_rate, channels, subtype, format=form
        ) as sound:
            yield _naming(path, errors)(functools.partial(_add, sound))
        if errors:
            raise errors[0]
        finish(aside)


@contextlib.contextmanager
def _naming(path, errors) -> Iterator[None]:
    """Names the file where it cannot be written, and the first of the kept errors."""
    try:
        yield
    except InputError:  # of the caller's block
        raise
    except (soundfile.LibsndfileError, OSError, ValueError, AssertionError) as error:
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


def check_writable(path: str | os.PathLike) -> None:
    """Raises InputError where the extension of a path is that of no known format."""
    _format(pathlib.Path(path), None)


def _format(path, subtype):
    """libsndfile's names of the file format and the sample format."""
    extension = path.suffix[1:].lower()
    form = FORMATS.get(extension, extension.upper())
    if form not in soundfile.available_formats():
        raise InputError(f"{path}: unknown audio format {path.suffix!r}")
    if extension == "opus":
        subtype = "OPUS"
    if subtype is None or not soundfile.check_format(form, subtype):
        subtype = soundfile.default_subtype(form)
    return form, subtype


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


def _add(sound, samples):
    clipped = 0
    for start in range(0, len(samples), _BLOCK):
        block = samples[start : start + _BLOCK]
        sound.write(block)
        if sound.subtype not in ("FLOAT", "DOUBLE"):
            clipped += int(np.sum(np.abs(block) > 1))
    return clipped


def write_stream(
    stream: IO[bytes], samples: np.ndarray, sample_rate: int, subtype: str | None
) -> None:
    """Writes WAV to a stream that cannot seek, such as standard output."""
    if subtype is None or not soundfile.check_format("WAV", subtype):
        subtype = "PCM_16"
    whole = io.BytesIO()
    with soundfile.SoundFile(
        whole, "w", sample_rate, samples.shape[1], subtype, format="WAV"
    ) as sound:
        _add(sound, samples)
    stream.write(whole.getbuffer())
    stream.flush()


def error_reason(error: Exception) -> str:
    """What went wrong, in a few words without the path."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = getattr(error, "error_string", None) or str(error)
    return text.strip().rstrip(".")
