"""Files and arrays as float32 recordings, full scale at 1. No level is changed."""

import os
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

import numpy as np
from absl import logging
from jaxtyping import Float

from inr_jax.audio import stream
from inr_jax.errors import InputError


class Recording(NamedTuple):
    """Samples with what is needed to write them back in the same format.

    Attributes:
      samples: float32, full scale at 1.
      sample_rate: In Hz.
      subtype: As `FileSource.subtype`, e.g. "PCM_16"; None for arrays.
      name: For messages, e.g. the path of the file.
      bit_rate: Bits per second of a lossy codec, where it is known.
      remark: A line on what is missing of the file, or was converted; else empty.
    """

    samples: Float[np.ndarray, "samples channels"]
    sample_rate: int
    subtype: str | None = None
    name: str = "array"
    bit_rate: int | None = None
    remark: str = ""

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


def read(
    source: str | os.PathLike | IO[bytes] | np.ndarray | Any,
    sample_rate: int | None = None,
) -> Recording:
    """Reads a path, an open file or an array.

    A file whose end is missing is read as far as it goes, and a warning is logged.

    Args:
      source: Arrays are (samples,) or (samples, channels), of numpy, JAX, torch or
        lists: floating-point numbers of any width, or integers, which are divided by
        their full scale. Unsigned ones are offset binary, as in 8-bit WAV files: half
        of their range is zero.
      sample_rate: Hz of an array; files have their own.

    Raises:
      InputError: not readable, empty, NaN or infinite samples, or a sample rate out of
        range.
    """
    if isinstance(source, (str, os.PathLike)) or hasattr(source, "read"):
        recording = read_file(source)
        if recording.remark:
            logging.warning("%s", recording.remark)
        return recording
    recording = _from_array(source, sample_rate)
    if recording.samples.size == 0:
        raise InputError("array: holds no samples; empty or cut short")
    return checked(recording)


def read_file(source: str | os.PathLike | IO[bytes] | stream.FileSource) -> Recording:
    """All of a file; what is missing of it is in the remark.

    Raises:
      InputError: as `read`.
    """
    if not isinstance(source, stream.FileSource):
        source = stream.FileSource(source)
    samples = _joined(source)
    return Recording(
        samples,
        source.sample_rate,
        source.subtype,
        source.name,
        source.bit_rate,
        source.remark,
    )


def _joined(source):
    """The blocks of a source in one array, which grows where the header states too few."""
    try:
        samples = np.empty((source.num_samples, source.num_channels), np.float32)
    except (MemoryError, ValueError, OverflowError):  # its header is wrong
        samples = np.empty((0, source.num_channels), np.float32)
    count = 0
    for block in source.blocks():
        if count + len(block) > len(samples):
            longer = np.empty(
                (2 * (count + len(block)), source.num_channels), np.float32
            )
            longer[:count] = samples[:count]
            samples = longer
        samples[count : count + len(block)] = block
        count += len(block)
    if len(samples) > 2 * count:  # untouched memory costs nothing, but say no more
        return samples[:count].copy()
    return samples[:count]


def checked(recording: Recording) -> Recording:
    """The recording itself, when it is valid.

    Raises:
      InputError: NaN or infinite samples, or a sample rate out of range.
    """
    stream.checked_samples(recording.samples, recording.name)
    if not stream.LOWEST_RATE <= recording.sample_rate <= stream.HIGHEST_RATE:
        raise InputError(
            f"{recording.name}: {recording.sample_rate} Hz is outside of "
            f"{stream.LOWEST_RATE} to {stream.HIGHEST_RATE} Hz"
        )
    return recording


def checked_rate(sample_rate: Any, name: str = "sample_rate") -> int:
    """A sample rate as an int, when it is one.

    Args:
      sample_rate: In Hz, a number of any type.
      name: What the message calls it.

    Raises:
      InputError: it is no positive whole number.
    """
    if not _is_rate(sample_rate):
        raise InputError(f"{name} must be a positive whole number, got {sample_rate!r}")
    return int(sample_rate)


def _from_array(source, sample_rate):
    sample_rate = checked_rate(sample_rate, "array: sample_rate")
    array = as_array(source)
    if array.ndim not in (1, 2):
        raise InputError(
            f"array: shape must be (samples,) or (samples, channels), got {array.shape}"
        )
    if array.ndim == 2 and array.shape[1] > max(32, array.shape[0]):
        raise InputError(
            f"array: shape {array.shape} looks like (channels, samples); transpose it"
        )
    samples = array if array.ndim == 2 else array[:, None]
    return Recording(samples, sample_rate)


def _is_rate(value):
    try:
        return int(value) == value > 0
    except (TypeError, ValueError, OverflowError):
        return False


def as_signal(source: Any, name: str = "signal") -> np.ndarray:
    """One channel as float32 (samples,), at least one sample, all finite.

    Args:
      source: An array or list, as `read` takes.
      name: What messages call it.

    Raises:
      InputError: anything else.
    """
    signal = as_array(source)
    if signal.ndim != 1 or signal.size == 0:
        raise InputError(
            f"{name}: must be one-dimensional and not empty, got shape {signal.shape}"
        )
    stream.checked_samples(signal, name)
    return signal


def as_array(source: Any) -> np.ndarray:
    """float32 of the same shape, integers divided by their full scale.

    Args:
      source: As `read` takes.

    Raises:
      InputError: not numbers.
    """
    if hasattr(source, "detach"):  # torch: on any device, with or without gradients
        source = source.detach().cpu()
        if str(source.dtype) == "torch.bfloat16":  # numpy has none
            source = source.float()
        source = source.numpy()
    try:
        array = np.asarray(source)
    except ValueError:
        raise InputError("array: rows must have one length") from None
    if array.dtype.kind in "iu":
        # lists of Python's integers have no full scale
        if not hasattr(source, "dtype") and not isinstance(source, np.ndarray):
            if np.any(np.abs(array) > 1):
                raise InputError(
                    "array: a list of integers has no full scale; give an array of "
                    "numpy with a dtype, or divide"
                )
            return array.astype(np.float32)
        half = 2.0 ** (8 * array.dtype.itemsize - 1)
        offset = half if array.dtype.kind == "u" else 0.0
        return ((array.astype(np.float64) - offset) / half).astype(np.float32)
    if array.dtype.kind != "f" and "float" not in array.dtype.name:
        raise InputError(
            f"array: dtype must be floating-point or integer, got {array.dtype}"
        )
    with np.errstate(over="ignore"):  # found to be infinite where it is
        return np.asarray(array, np.float32)
