"""The metadata of a recording, carried from one file to another.

The target is finished when it gets the metadata of its source: tags, dates, cover art,
cue points, markers, chapters, bext and iXML, speakers of the channels. Where both are of
one family of files, blocks are copied as they are, those of programs that nobody knows
too; positions in samples follow the sample rate. Between families goes what both can
hold (`model.Metadata`): tags under their Vorbis names, pictures, markers in seconds.

Files of chunks, blocks, pages and boxes (WAV, RF64, W64, AIFF, CAF, FLAC, Ogg, MP3, MP4)
are simple to walk, and written anew as new bytes around the ranges of the sound, which
never is in memory. PyAV writes the rest. libsndfile knows ten tags and nothing else, and
FFmpeg neither iXML nor cue points nor tags of programs.
"""

import dataclasses
import os
from types import ModuleType
from typing import IO

from inr_jax.audio import containers
from inr_jax.audio.metadata import (
    aiff,
    caf,
    container,
    flac,
    id3,
    mp4,
    mpeg,
    ogg,
    wav,
)
from inr_jax.audio.metadata.chunks import Block
from inr_jax.audio.metadata.model import Metadata

__all__ = ["carry", "carry_times"]

# How files begin.
_BEGINNINGS = (
    *((b"RIFF", wav), (b"RF64", wav), (b"BW64", wav), (b"riff", wav)),
    *((b"FORM", aiff), (b"caff", caf), (b"fLaC", flac), (b"OggS", ogg)),
    *((b"\xff", mpeg), (b"\x1aE\xdf\xa3", container), (b"\x30\x26\xb2\x75", container)),
)


def carry(source: str | os.PathLike, target: str | os.PathLike) -> list[str]:
    """Copies the metadata of a recording to a sound file that was made from it.

    The samples of the target stay as they are, whatever is wrong with the metadata.

    Args:
      source: The recording.
      target: What was made from it, in any format and at any sample rate.

    Returns:
      What could not be carried, in a word or two each.
    """
    found, lost = Metadata(""), []
    # Metadata are bytes of strangers: whatever they do, the sound is done and stays.
    try:
        found = _read(source)
        if found.names() or any(found.blocks):
            lost = _write(target, found)
    except Exception:  # noqa: BLE001
        lost = found.names() or ["metadata"]
    return list(dict.fromkeys(lost + found.damaged))


def carry_times(source: str | os.PathLike, target: str | os.PathLike) -> None:
    """Gives a file the times of another: of its last change and its last reading."""
    times = os.stat(source)
    os.utime(target, ns=(times.st_atime_ns, times.st_mtime_ns))


def _family(file: IO[bytes], front: int) -> ModuleType | None:
    """The module for files of this kind, which begins behind `front` bytes of tags."""
    file.seek(front)
    head = file.read(12)
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide"):
        return mp4
    if head[:4] in (b"RIFF", b"FORM") and head[8:] not in (b"WAVE", b"AIFF", b"AIFC"):
        return None  # AVI and others
    known = (family for start, family in _BEGINNINGS if head.startswith(start))
    return next(known, None)


def _read(path) -> Metadata:
    with open(path, "rb") as file:
        front = containers.front_tags(file)
        family = _family(file, front) or container
        try:
            if front and family not in (mpeg, container):
                return _read_behind(file, front, family)
            found = family.read(file)
        except (ValueError, StopIteration):  # another codec
            return container.read(file)
        if family is mpeg and not found.tags:
            container.read_into(file, found)
        return found


def _read_behind(file, front, family):
    """What a file holds that stands behind an ID3 tag, and that."""
    found = family.read(containers.Span(file, front, containers.size(file)))
    with found.reading("ID3"):
        found.admit(front)
        tag, own = containers.bytes_at(file, 0, front), len(found.pictures)
        id3.read(tag, found)
        name = {wav: b"id3 ", aiff: b"ID3 "}.get(family)
        if name:
            found.blocks.append(Block(name, tag))
        elif family is flac:  # takes tags from what is known, and pictures from blocks
            found.blocks += map(flac.picture_block, found.pictures[own:])
        else:  # what is known is written anew
            found.family = ""
    return found


def _write(path, found) -> list[str]:
    with open(path, "rb") as file:
        family = _family(file, containers.front_tags(file))
        rate = family.read(file).rate if family else 0
    if family is None:
        return found.names()
    _rescale(found, rate)
    try:
        return family.write(path, found)
    # some block breaks the file; what is known of it is written anew
    except Exception:  # noqa: BLE001
        return family.write(path, dataclasses.replace(found, family=""))


def _rescale(found, rate):
    """The time of day in samples, at the sample rate of the target."""
    values = found.tags.get("TIME_REFERENCE", [])
    if found.rate and rate and values and values[0].isdecimal():
        samples = round(int(values[0]) * rate / found.rate)
        found.tags["TIME_REFERENCE"] = [str(samples)]
