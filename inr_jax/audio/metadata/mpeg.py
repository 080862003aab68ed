"""MP3 and AAC streams: ID3v2 in front; ID3v1, APEv2 and Lyrics3 at the end."""

import os
from typing import IO

from inr_jax.audio.metadata import id3
from inr_jax.audio.metadata.model import Metadata, Range, splice

FAMILY = "mpeg"


def read(file: IO[bytes]) -> Metadata:
    """What a file holds; its blocks are what is in front and at the end."""
    found = Metadata(FAMILY)
    front, tail = _around(file)
    found.blocks = [b"", b""]
    with found.reading("tags"):
        found.admit(front)
        file.seek(0)
        head = file.read(front)
        if head:
            id3.read(head, found)
        found.blocks[0] = head
    with found.reading("tags at the end"):
        file.seek(tail)
        found.admit(file.seek(0, os.SEEK_END) - tail)
        file.seek(tail)
        found.blocks[1] = file.read()
    return found


def _around(file: IO[bytes]) -> tuple[int, int]:
    """Bytes in front, and where the tags at the end begin."""
    end = file.seek(0, os.SEEK_END)
    front = id3.front(file)
    while True:
        size = _last(file, end)
        if not size or end - size < front:
            return front, end
        end -= size


def _last(file, end):
    """Bytes of the tag that ends here."""

    def bytes_before(count, size):
        file.seek(max(0, end - count))
        return file.read(size)

    if bytes_before(128, 3) == b"TAG":
        return 128
    foot = bytes_before(32, 32)
    if foot[:8] == b"APETAGEX":
        size = int.from_bytes(foot[12:16], "little")
        has_head = foot[23] & 128
        return size + 32 * bool(has_head)
    foot = bytes_before(15, 15)
    if foot[6:] == b"LYRICS200" and foot[:6].isdigit():
        return int(foot[:6]) + 15
    return 0


def write(path: str | os.PathLike, found: Metadata) -> list[str]:
    """Puts it into a finished file; returns names of what does not go in."""
    with open(path, "rb") as file:
        front, tail = _around(file)
    if found.family == FAMILY:
        head, foot = found.blocks
    else:
        head, foot = id3.build(found), b""
    splice(path, [head, Range(front, tail - front), foot])
    return list(found.others)
