"""Sound files, written block by block: whole or not at all, and errors that say why."""

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

# Endings that do not name their libsndfile format.
FORMATS = {"aif": "AIFF", "oga": "OGG", "opus": "OGG", "wave": "WAV", "snd": "AU"}
_BLOCK = 2**16  # frames; libsndfile's Vorbis encoder crashes on long ones


@contextlib.contextmanager
def writing(
    path: str | os.PathLike, sample_rate: int, channels: int, subtype: str | None = None
) -> Iterator[Callable[[np.ndarray], int]]:
    """Gives a function that adds samples to a file, (samples,) or (samples, channels).

    It returns how many of them an integer format had to clip. The file appears whole, when
    all went well, or not at all.

    Args:
      path: Where to; its ending names the format.
      sample_rate: In Hz.
      channels: How many.
      subtype: libsndfile's sample format; the format's own default where None or where
        the format does not know it.

    Raises:
      InputError: the ending or the rate is not one that can be written, or the disk is
        full or may not be written.
    """
    form, subtype = _kind(pathlib.Path(path), subtype)
    refused = []
    try:
        with replacing(path) as aside, _Telling(aside, refused) as file:
            with soundfile.SoundFile(
                file, "w", sample_rate, channels, subtype, format=form
            ) as sound:
                yield functools.partial(_add, sound)
            if refused:
                raise refused[0]
    except InputError:  # of whoever adds
        raise
    except (soundfile.LibsndfileError, OSError, ValueError, AssertionError) as error:
        # libsndfile only knows that less was written
        why = reason(refused[0] if refused else error)
        raise InputError(f"{path}: cannot write: {why}") from None


def clipping(path: str | os.PathLike, clipped: int) -> str:
    """A remark on clipped samples, or nothing."""
    return f"{path}: {clipped} samples were held to full scale" if clipped else ""


def require_writable(path: str | os.PathLike) -> None:
    """Raises InputError where the ending of a path names no format."""
    _kind(pathlib.Path(path), None)


def _kind(path, subtype):
    """libsndfile's names of format and sample format."""
    ending = path.suffix[1:].lower()
    form = FORMATS.get(ending, ending.upper())
    if form not in soundfile.available_formats():
        raise InputError(f"{path}: unknown audio format {path.suffix!r}")
    if ending == "opus":
        subtype = "OPUS"
    if subtype is None or not soundfile.check_format(form, subtype):
        subtype = soundfile.default_subtype(form)
    return form, subtype


class _Telling(io.FileIO):
    """A file to write that keeps errors of the system for whoever opened it."""

    def __init__(self, path, refused):
        super().__init__(path, "w+")
        self._refused = refused

    def write(self, data):
        left = memoryview(data)
        try:
            while left:
                left = left[super().write(left) :]
        except OSError as error:
            self._refused.append(error)
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
    """Writes WAV to a stream that cannot seek, as standard output; see `write`."""
    if subtype is None or not soundfile.check_format("WAV", subtype):
        subtype = "PCM_16"
    whole = io.BytesIO()
    with soundfile.SoundFile(
        whole, "w", sample_rate, samples.shape[1], subtype, format="WAV"
    ) as sound:
        _add(sound, samples)
    stream.write(whole.getbuffer())
    stream.flush()


def reason(error: Exception) -> str:
    """What went wrong, in a few words without names of files."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = getattr(error, "error_string", None) or str(error)
    return text.strip().rstrip(".")
