"""What an extension means: its library, its codecs and what they can hold.

libsndfile writes what it writes well, uncompressed sound, FLAC, Ogg and MP3. FFmpeg, by
PyAV, writes the rest. The same division holds for reading, but for MP3: libsndfile takes
the length that a header states, or guesses one, and stops there.
"""

import os
import pathlib
from typing import NamedTuple

import soundfile

from inr_jax.errors import InputError

# Extensions that are not the name of their libsndfile format.
_SNDFILE = {"aif": "AIFF", "aifc": "AIFF", "oga": "OGG", "opus": "OGG", "wave": "WAV"}
_SNDFILE |= {"bwf": "WAV", "snd": "AU", "sph": "NIST"}
# FFmpeg's name of the container, and the codecs that it is written with, the first of
# them where the codec of the source is none of them.
_PCM = ("pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le")
_MATROSKA = (
    "matroska",
    ("opus", "aac", "flac", "alac", "mp3", "mp2", "ac3", "eac3", *_PCM),
)
_ASF = ("asf", ("wmav2", "wmav1"))
_TS = ("mpegts", ("aac", "ac3", "eac3", "mp2"))
_FFMPEG = {
    "m4a": ("ipod", ("aac", "alac")),
    "m4b": ("ipod", ("aac", "alac")),
    "mp4": ("mp4", ("aac", "alac", "flac", "opus", "mp3", "ac3", "eac3")),
    "m4v": ("mp4", ("aac", "alac", "ac3", "eac3")),
    "mov": ("mov", ("aac", "alac", *_PCM, "ac3", "eac3")),
    "3gp": ("3gp", ("aac", "amr_nb")),
    "3g2": ("3g2", ("aac", "amr_nb")),
    "mkv": _MATROSKA,
    "mka": _MATROSKA,
    "webm": ("webm", ("opus",)),
    "weba": ("webm", ("opus",)),
    "aac": ("adts", ("aac",)),
    "ac3": ("ac3", ("ac3",)),
    "eac3": ("eac3", ("eac3",)),
    "mp2": ("mp2", ("mp2",)),
    "wma": _ASF,
    "wmv": _ASF,
    "asf": _ASF,
    "amr": ("amr", ("amr_nb",)),
    "wv": ("wv", ("wavpack",)),
    "tta": ("tta", ("tta",)),
    "ts": _TS,
    "mts": _TS,
    "m2ts": _TS,
    "mpg": ("mpeg", ("mp2", "ac3")),
    "mpeg": ("mpeg", ("mp2", "ac3")),
    "vob": ("vob", ("ac3", "mp2")),
    "avi": ("avi", ("mp3", "mp2", "ac3", "pcm_s16le")),
    "flv": ("flv", ("aac", "mp3")),
    "ogv": ("ogv", ("opus", "flac")),
}
# Those of them that are for sound alone.
_SOUND = {"m4a", "m4b", "weba", "aac", "ac3", "eac3", "mp2", "wma", "amr", "wv", "tta"}
# Of containers by FFmpeg's name, for pictures and for sound alone.
_WITH_PICTURES = {
    "mov": ("mp4", "m4a"),
    "matroska": ("mkv", "mka"),
    "asf": ("wmv", "wma"),
    "ogg": ("ogv", "ogg"),
}
# Read, and written by no library.
_READ_ONLY = {"ape", "awb", "dts", "mpc", "ra", "rm", "shn", "spx", "tak", "thd", "gsm"}
# libsndfile's names of codecs that FFmpeg has too.
_CODECS = {
    "MPEG_LAYER_III": "mp3",
    "MPEG_LAYER_II": "mp2",
    "FLOAT": "pcm_f32le",
    "DOUBLE": "pcm_f32le",
    "PCM_16": "pcm_s16le",
    "PCM_24": "pcm_s24le",
    "PCM_32": "pcm_s32le",
}
_MP3_RATES = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
RATES = {
    "mp3": _MP3_RATES,
    "mp2": _MP3_RATES[3:],
    "opus": (8000, 12_000, 16_000, 24_000, 48_000),
    "aac": (7350, *_MP3_RATES, 64_000, 88_200, 96_000),
    "ac3": (32_000, 44_100, 48_000),
    "eac3": (32_000, 44_100, 48_000),
    "amr_nb": (8000,),
    "wmav1": _MP3_RATES,
    "wmav2": _MP3_RATES,
    "wve": (8000,),
    "xi": (44_100,),
}
_HIGHEST = {"flac": 655_350, "vorbis": 192_000, "svx": 65_535, "mpc2k": 65_535}
CHANNELS = {
    "mp3": 2,
    "mp2": 2,
    "amr_nb": 1,
    "wmav1": 2,
    "wmav2": 2,
    "ac3": 6,
    "eac3": 6,
}
CHANNELS |= {"aac": 8, "alac": 8, "flac": 8, "opus": 8, "vorbis": 255, "wavpack": 8}
_MOST_CHANNELS = 1024
_MISORDERED = (5, 7)  # channels of Opus that FFmpeg's encoder confuses
# Which channels of Vorbis and Opus in Ogg are those of a WAV file, in its order, where
# the orders differ; libsndfile gives and takes the former.
_VORBIS_ORDER = {
    3: (0, 2, 1),
    5: (0, 2, 1, 3, 4),
    6: (0, 2, 1, 5, 3, 4),
    7: (0, 2, 1, 6, 5, 3, 4),
    8: (0, 2, 1, 7, 5, 6, 3, 4),
}
# Bits of a sample that libsndfile's sample formats hold.
_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_BITS |= {"FLOAT": 32, "DOUBLE": 64}
_LOSSY = {"MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III", "VORBIS", "OPUS"}
# LAME turns the level down by so much up to a bit rate (between its steps), but in
# files of one quality.
_LAME_GAINS = ((176_000, 0.95), (208_000, 0.97), (240_000, 0.98))


class Encoding(NamedTuple):
    """How a file is written.

    Attributes:
      library: "libsndfile" or "ffmpeg".
      container: The library's name of the file format.
      codec: libsndfile's subtype or FFmpeg's codec.
      sample_rate: Hz, of the file.
      num_channels: Of the file.
      bits: Of a sample, of lossless codecs of FFmpeg.
      bit_rate: Bits per second of a lossy codec; None for its default.
      remark: What is not as it was asked for.
    """

    library: str
    container: str
    codec: str
    sample_rate: int
    num_channels: int
    bits: int
    bit_rate: int | None
    remark: str


def is_audio(path: pathlib.Path) -> bool:
    """Whether the extension of a file name is that of a readable format."""
    extension = _extension(path)
    return extension != "raw" and (
        _is_sndfile(extension) or extension in _FFMPEG or extension in _READ_ONLY
    )


def check_writable(path: str | os.PathLike) -> None:
    """Raises InputError where the extension of a path is that of no written format."""
    extension = _extension(path)
    if extension in _READ_ONLY:
        raise InputError(
            f"{path}: no library writes .{extension}; name an output such as .flac"
        )
    if extension not in _FFMPEG and not _is_sndfile(extension):
        raise InputError(f"{path}: unknown audio format {pathlib.Path(path).suffix!r}")


def holds_pictures(path: str | os.PathLike) -> bool:
    """Whether a file of this name can hold more than one track of sound."""
    return _extension(path) in _FFMPEG.keys() - _SOUND


def ffmpeg_format(path: str | os.PathLike) -> tuple[str, tuple[str, ...]]:
    """FFmpeg's name of the container of a file name, and codecs for it."""
    return _FFMPEG[_extension(path)]


def container_extension(ffmpeg_name: str, codec: str, has_pictures: bool) -> str:
    """The usual extension of what FFmpeg calls a format when it reads it."""
    names = ffmpeg_name.split(",")
    if kinds := _WITH_PICTURES.get(names[0]):
        return kinds[not has_pictures]
    if codec == "amrwb":
        return "awb"
    for extension, (container, _) in _FFMPEG.items():
        if container in names:
            return extension
    return {"mp3": "mp2" if codec == "mp2" else "mp3", "aac": "aac"}.get(
        names[0], names[0]
    )


def encoding(
    path: str | os.PathLike,
    sample_rate: int,
    num_channels: int,
    subtype: str | None = None,
    bit_rate: int | None = None,
) -> Encoding:
    """How a file of this name holds sound, as near to that of its source as it can.

    Args:
      path: Its extension names the format.
      sample_rate: In Hz; where the codec has not this rate the next higher that it has.
      num_channels: Number of channels.
      subtype: Sample format or codec of the source, as `Recording.subtype`.
      bit_rate: Of the source, bits per second.

    Raises:
      InputError: no such format, or it does not hold as many channels.
    """
    check_writable(path)
    extension = _extension(path)
    if extension in _FFMPEG:
        library, (container, codecs) = "ffmpeg", _FFMPEG[extension]
        name = kind = _ffmpeg_codec(codecs, subtype)
    else:
        library, container = "libsndfile", _sndfile_name(extension)
        name = "OPUS" if extension == "opus" else _sndfile_subtype(container, subtype)
        kind = _kind(container, name)
    most = CHANNELS.get(kind, 8 if library == "ffmpeg" else _MOST_CHANNELS)
    if num_channels > _MOST_CHANNELS:
        raise InputError(
            f"{path}: {num_channels} channels, files have {_MOST_CHANNELS} at most"
        )
    if num_channels > most:
        raise InputError(
            f"{path}: {num_channels} channels, {kind.upper()} has {most} at most; name "
            "an output of another format, such as .wav"
        )
    if container == "flv" and num_channels > 2:
        raise InputError(
            f"{path}: {num_channels} channels, FLV has 2 at most; name an output of "
            "another format, such as .mp4"
        )
    if (library, kind) == ("ffmpeg", "opus") and num_channels in _MISORDERED:
        raise InputError(
            f"{path}: {num_channels} channels of Opus get into a wrong order here; name "
            "an output of another format, such as .opus or .wav"
        )
    rate, remark = _rate(kind, sample_rate), ""
    if rate != sample_rate:
        remark = f"{path}: {kind.upper()} has no {sample_rate} Hz: written at {rate} Hz"
    if bit_rate and kind != _kind("", subtype or ""):
        bit_rate = max(bit_rate, 64_000 * num_channels)
    bits = 16 if _bits(subtype) <= 16 else 24
    return Encoding(
        library, container, name, rate, num_channels, bits, bit_rate, remark
    )


def vorbis_order(subtype: str, num_channels: int) -> tuple[int, ...] | None:
    """Channels of libsndfile's Vorbis and Opus in the order of WAV files.

    Returns:
      None where the order is the same.
    """
    if subtype in ("VORBIS", "OPUS"):
        return _VORBIS_ORDER.get(num_channels)
    return None


def lame_gain(bit_rate: int) -> float:
    """What LAME multiplies sound by, for files of a bit rate."""
    return next((gain for most, gain in _LAME_GAINS if bit_rate <= most), 1.0)


def _extension(path):
    return pathlib.Path(path).suffix[1:].lower()


def _sndfile_name(extension):
    return _SNDFILE.get(extension, extension.upper())


def _is_sndfile(extension):
    """Whether libsndfile has this format in one file: SD2 has its header in another."""
    name = _sndfile_name(extension)
    return name != "SD2" and name in soundfile.available_formats()


def _kind(container, subtype):
    """The codec by FFmpeg's name, or the format, by what limits what it can hold."""
    if container in ("WVE", "XI", "SVX", "MPC2K"):
        return container.lower()
    if container == "FLAC":
        return "flac"
    if subtype.startswith("ALAC"):
        return "alac"
    return _CODECS.get(subtype, subtype.lower())


def _rate(kind, sample_rate):
    if kind in _HIGHEST:
        return min(sample_rate, _HIGHEST[kind])
    rates = sorted(RATES.get(kind, (sample_rate,)))
    return next((rate for rate in rates if rate >= sample_rate), rates[-1])


def _bits(subtype):
    """Bits that hold a sample of the source: 16 of lossy codecs."""
    if subtype in _BITS:
        return _BITS[subtype]
    end = (subtype or "").rpartition("_")[2]
    return int(end) if end.isdigit() and int(end) in (20, 24, 32) else 16


def _ffmpeg_codec(codecs, subtype):
    name = _kind("", subtype or "").rsplit("_", 1)
    for codec in (_kind("", subtype or ""), name[0]):
        if codec in codecs:
            return codec
    return codecs[0]


def _sndfile_subtype(container, subtype):
    """The subtype of the source, or the smallest that holds its samples."""
    available = soundfile.available_subtypes(container)
    own = container == "OGG"
    if container == "MP3":  # libsndfile reads the other layers, and writes none
        return "MPEG_LAYER_III"
    if subtype in available and (own or subtype not in _LOSSY):
        return subtype
    if subtype is None or own:
        return soundfile.default_subtype(container)
    held = [name for name in _BITS if name in available and _BITS[name] >= 16]
    enough = [name for name in held if _BITS[name] >= _bits(subtype)]
    if not held:
        return soundfile.default_subtype(container)
    return enough[0] if enough else held[-1]
