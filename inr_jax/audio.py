"""Sound in and out: float32 full scale inside, and out goes what came in.

Nothing here changes a level. What libsndfile reads is read (WAV, FLAC, Ogg Vorbis and
Opus, MP3, AIFF and more), at any rate, channel count and length.
"""

import os
import pathlib
from typing import IO, NamedTuple

import numpy as np
import soundfile

from inr_jax.errors import InputError
from inr_jax.files import replacing

# Endings that do not name their libsndfile format.
_FORMATS = {"aif": "AIFF", "oga": "OGG", "opus": "OGG", "wave": "WAV", "snd": "AU"}
_READABLE = {*map(str.lower, soundfile.available_formats()), *_FORMATS} - {"raw"}


class Recording(NamedTuple):
    """Sound with what is needed to write it back in kind.

    Attributes:
      samples: float32 (samples, channels), full scale at 1.
      sample_rate: In Hz.
      subtype: libsndfile's name of the sample format, as "PCM_16"; None for arrays.
    """

    samples: np.ndarray
    sample_rate: int
    subtype: str | None = None


def is_audio(path: pathlib.Path) -> bool:
    """Whether the ending of a file name is one of a readable format."""
    return path.suffix[1:].lower() in _READABLE


def read(
    source: str | os.PathLike | IO[bytes] | np.ndarray, sample_rate: int | None = None
) -> Recording:
    """Reads a path, an open file or an array.

    Args:
      source: Arrays are (samples,) or (samples, channels); integers are divided by
        their full scale.
      sample_rate: Hz of an array; files know theirs.

    Raises:
      InputError: not readable, empty, or NaN or infinite samples.
    """
    if isinstance(source, np.ndarray):
        recording = _from_array(source, sample_rate)
    else:
        recording = _from_file(source)
    name = _name(source)
    if recording.samples.size == 0:
        raise InputError(f"{name}: holds no samples")
    if not np.all(np.isfinite(recording.samples)):
        raise InputError(f"{name}: holds NaN or infinite samples")
    return recording


def write(
    path: str | os.PathLike,
    samples: np.ndarray,
    sample_rate: int,
    subtype: str | None = None,
) -> int:
    """Writes (samples,) or (samples, channels); the ending of `path` names the format.

    The file appears whole or not at all. Integer formats saturate.

    Args:
      path: Where to.
      samples: Full scale at 1.
      sample_rate: In Hz.
      subtype: libsndfile's sample format; the format's own default where None or where
        the format does not know it.

    Returns:
      How many samples an integer format had to clip.

    Raises:
      InputError: the ending or the rate is not one that can be written.
    """
    path = pathlib.Path(path)
    ending = path.suffix[1:].lower()
    form = _FORMATS.get(ending, ending.upper())
    if form not in soundfile.available_formats():
        raise InputError(f"{path}: unknown audio format {path.suffix!r}")
    if ending == "opus":
        subtype = "OPUS"
    if subtype is None or not soundfile.check_format(form, subtype):
        subtype = soundfile.default_subtype(form)
    with replacing(path) as aside:
        try:
            soundfile.write(aside, samples, sample_rate, subtype=subtype, format=form)
        except (soundfile.LibsndfileError, ValueError) as error:
            raise InputError(f"{path}: cannot write: {_reason(error)}") from None
    saturates = subtype not in ("FLOAT", "DOUBLE")
    return int(np.sum(np.abs(samples) > 1)) if saturates else 0


def write_stream(
    stream: IO[bytes], samples: np.ndarray, sample_rate: int, subtype: str | None
) -> None:
    """Writes WAV to a stream that cannot seek, as standard output; see `write`."""
    import io

    if subtype is None or not soundfile.check_format("WAV", subtype):
        subtype = "PCM_16"
    whole = io.BytesIO()
    soundfile.write(whole, samples, sample_rate, subtype=subtype, format="WAV")
    stream.write(whole.getbuffer())
    stream.flush()


def resample(samples: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Resamples along the first axis with soxr (HQ), lag 0, float32.

    The length is that of the input times the ratio of the rates, rounded up.
    """
    if from_rate == to_rate:
        return samples
    import librosa

    return librosa.resample(
        np.asarray(samples, np.float32),
        orig_sr=from_rate,
        target_sr=to_rate,
        res_type="soxr_hq",
        axis=0,
    )


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
    try:
        with soundfile.SoundFile(source) as file:
            samples = file.read(dtype="float32", always_2d=True)
            return Recording(samples, file.samplerate, file.subtype)
    except (soundfile.LibsndfileError, OSError, TypeError) as error:
        raise InputError(f"{_name(source)}: cannot read: {_reason(error)}") from None


def _name(source):
    if isinstance(source, np.ndarray):
        return "array"
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    return str(getattr(source, "name", "open file"))


def _reason(error):
    text = getattr(error, "error_string", None) or str(error)
    return text.strip().rstrip(".")
