"""MP3 and AAC streams: ID3v2 in front; ID3v1, APEv2 and Lyrics3 at the end."""

import os
from typing import IO

from inr_jax.audio import containers
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
    front = containers.front_tags(file)
    return front, containers.without_end_tags(file, front, containers.size(file))


def write(path: str | os.PathLike, found: Metadata) -> list[str]:
    """Puts it into a finished file; returns names of what does not go in."""
    with open(path, "rb") as file:
        front, tail = _around(file)
    if found.family == FAMILY:
        head, foot = found.blocks
    else:
        head, foot = id3.build(found), b""
    splice(path, [head, Range(front, tail - front), foot])
    return found.without_place()
