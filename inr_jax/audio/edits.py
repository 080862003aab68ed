"""Edit lists of MP4 and MOV: where the sound of a track begins.

FFmpeg writes what a track is delayed by, or how many samples at its start are those of
the encoder, but not both.
"""

import os
import struct
from collections.abc import Iterator
from typing import IO, NamedTuple

from inr_jax.audio.containers import bytes_at, size

CONTAINERS = ("ipod", "mp4", "mov", "3gp", "3g2")  # by FFmpeg's names


def skip_samples(path: str | os.PathLike, counts: dict[int, int]) -> None:
    """Makes players skip the first samples of delayed tracks.

    Args:
      path: A finished file. The last edit of a track plays all of it; an empty one is
        before it where the delay is a tick of the movie or more.
      counts: Samples, by the number of the track.
    """
    if not counts:
        return
    with open(path, "r+b") as file:
        scale, tracks = _movie(file)
        for number, count in counts.items():
            own_scale, (*_, edit) = _track(file, tracks[number])
            length = edit.length - round(count * scale / own_scale)
            file.seek(edit.at)
            file.write(struct.pack(edit.form, length, edit.begin + count))


def seconds(file: IO[bytes], number: int) -> float | None:
    """Duration of a track without its initial delay; None where it is not stated."""
    try:
        scale, tracks = _movie(file)
        _, edits = _track(file, tracks[number])
        return sum(edit.length for edit in edits if edit.begin >= 0) / scale
    except (ValueError, IndexError, struct.error, ZeroDivisionError):
        return None  # no list, or a damaged one


class _Edit(NamedTuple):
    at: int
    form: str
    length: int
    begin: int


def _movie(file):
    """Its ticks a second, and where its tracks are."""
    (moov,) = _places(file, (0, size(file)), b"moov")
    return _time_scale(file, moov, b"mvhd"), _places(file, moov, b"trak")


def _track(file, track):
    """Its ticks a second, and its edits."""
    (media,) = _places(file, track, b"mdia")
    (edits,) = _places(file, track, b"edts")
    ((start, _),) = _places(file, edits, b"elst")
    version, count = struct.unpack(">B3xI", bytes_at(file, start, 8))
    form = ">qq" if version else ">ii"
    width, found = struct.calcsize(form), []
    for i in range(min(count, 1000)):
        at = start + 8 + i * (width + 4)  # behind each its speed
        found.append(_Edit(at, form, *struct.unpack(form, bytes_at(file, at, width))))
    return _time_scale(file, media, b"mdhd"), found


def _places(file, place, box_type) -> list[tuple[int, int]]:
    """Payloads of all boxes of a name."""
    return [inside for name, inside in _boxes(file, *place) if name == box_type]


def _boxes(file: IO[bytes], at: int, stop: int) -> Iterator[tuple[bytes, tuple]]:
    while at + 8 <= stop:
        length, name = struct.unpack(">I4s", bytes_at(file, at, 8))
        head = 8
        if length == 1:
            head, (length,) = 16, struct.unpack(">Q", bytes_at(file, at + 8, 8))
        length = length or stop - at
        if length < head:  # damaged
            return
        yield name, (at + head, at + length)
        at += length


def _time_scale(file, place, name):
    """Ticks a second of a header of movie or media."""
    ((start, _),) = _places(file, place, name)
    offset = 20 if bytes_at(file, start, 1)[0] else 12
    return int.from_bytes(bytes_at(file, start + offset, 4), "big")
