"""Whether the end of a file is there, by the number of bytes that its header states."""

import struct
from typing import IO

from inr_jax.audio.containers import (
    ASF,
    MATROSKA,
    PLACEHOLDERS,
    asf_length,
    bytes_at,
    matroska_end,
    size,
)

_SOUND_BOXES = (b"mdat", b"moof", b"moov")
_TS_PACKETS = ((0, 188), (4, 192), (0, 204))  # place of the sync byte, and length


def is_complete(file: IO[bytes]) -> bool:
    """Whether as many bytes as the header states are there.

    Known of AVI, MP4, Matroska, ASF and MPEG-TS, which is whole packets; True of others.
    """
    head, stop = bytes_at(file, 0, 12), size(file)
    try:
        if head[:4] == b"RIFF" and head[8:] == b"AVI ":
            (length,) = struct.unpack("<I", head[4:8])
            return length in PLACEHOLDERS or 8 + length <= stop
        if head[4:8] == b"ftyp":
            return _boxes_end(file, stop) <= stop
        if head[:4] == MATROSKA:
            return (matroska_end(file, 0) or stop) <= stop
        if head[:4] == ASF:
            return asf_length(file, 0)[0] <= stop
    except (struct.error, IndexError):  # the header itself ends early
        return False
    for at, length in _TS_PACKETS:
        if {bytes_at(file, at + i * length, 1) for i in range(3)} == {b"G"}:
            return stop % length == 0
    return True


def asf_seconds(file: IO[bytes]) -> float | None:
    """Duration of an ASF file as its header states; None if unknown."""
    try:
        return asf_length(file, 0)[1]
    except (struct.error, IndexError):
        return None


def _boxes_end(file, stop):
    """Where the last box of sound or index of an MP4 file ends."""
    at = end = 0
    while at + 8 <= stop:
        length, name = struct.unpack(">I4s", bytes_at(file, at, 8))
        if length == 1:
            (length,) = struct.unpack(">Q", bytes_at(file, at + 8, 8))
        if length < 8:  # to the end of the file
            return end
        at += length
        if name in _SOUND_BOXES:
            end = at
    return end
