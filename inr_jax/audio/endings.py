"""Whether the end of a file is there, by the number of bytes that its header tells of."""

import struct
from typing import IO

from inr_jax.audio.containers import PLACEHOLDERS, bytes_at, size

_SOUND_BOXES = (b"mdat", b"moof", b"moov")
_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_HEAD = 2**16  # bytes in which the properties are
_TS_PACKETS = ((0, 188), (4, 192), (0, 204))  # place of the sync byte, and length


def is_there(file: IO[bytes]) -> bool:
    """Whether as many bytes as the header tells of are there.

    Known of AVI, MP4, Matroska, ASF and MPEG-TS, which is whole packets; True of others.
    """
    head, stop = bytes_at(file, 0, 12), size(file)
    try:
        if head[:4] == b"RIFF" and head[8:] == b"AVI ":
            (length,) = struct.unpack("<I", head[4:8])
            return length in PLACEHOLDERS or 8 + length <= stop
        if head[4:8] == b"ftyp":
            return _boxes_end(file, stop) <= stop
        if head[:4] == _EBML.to_bytes(4, "big"):
            return _segment_end(file) <= stop
        if bytes_at(file, 0, 16) == _ASF:
            return _asf(file)[0] <= stop
    except (struct.error, IndexError):  # the header itself ends early
        return False
    for at, length in _TS_PACKETS:
        if {bytes_at(file, at + i * length, 1) for i in range(3)} == {b"G"}:
            return stop % length == 0
    return True


def asf_seconds(file: IO[bytes]) -> float | None:
    """Duration of an ASF file as its header tells; None of a stream."""
    try:
        return _asf(file)[1]
    except (struct.error, IndexError):
        return None


def _asf(file):
    """Bytes and seconds that the header tells of."""
    head = bytes_at(file, 0, _ASF_HEAD)
    at = head.index(_ASF_PROPERTIES) if _ASF_PROPERTIES in head else len(head)
    num_bytes, _, _, ticks, _, preroll_ms, flags = struct.unpack_from(
        "<QQQQQQI", head, at + 40
    )
    if flags & 1:  # broadcast: it was not known
        return 0, None
    return num_bytes, ticks / 1e7 - preroll_ms / 1e3


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


def _segment_end(file):
    """Where the one element of a Matroska file ends; 0 where it did not know."""
    at, end = 0, 0
    for _ in range(2):
        name = int.from_bytes(bytes_at(file, at, 4), "big")
        first = bytes_at(file, at + 4, 1)[0]
        width = 9 - first.bit_length()
        length = int.from_bytes(bytes_at(file, at + 4, width), "big")
        length &= 2 ** (7 * width) - 1
        is_known = length != 2 ** (7 * width) - 1
        at += 4 + width + length
        if name == _SEGMENT:
            end = at if is_known else 0
    return end
