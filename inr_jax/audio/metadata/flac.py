"""FLAC: the metadata blocks in front of the sound (RFC 9639)."""

import os
import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import IO, NamedTuple

from inr_jax.audio.containers import front_tags
from inr_jax.audio.metadata import vorbis
from inr_jax.audio.metadata.model import Metadata, Picture, Range, splice

FAMILY = "flac"
STREAMINFO, PADDING, APPLICATION, SEEKTABLE, COMMENT, CUESHEET, PICTURE = range(7)
_OF_THE_SOUND = {STREAMINFO, PADDING, SEEKTABLE}
_NAMES = {APPLICATION: "application data", CUESHEET: "cue sheet", PICTURE: "cover art"}
_NAMES[COMMENT] = "tags"
_LARGEST = 2**24 - 1


class Block(NamedTuple):
    """A metadata block."""

    kind: int
    payload: bytes


def _blocks(file: IO[bytes]) -> Iterator[Block]:
    """Blocks; afterwards the file is at the beginning of the sound.

    Raises:
      ValueError: they are cut short.
    """
    file.seek(front_tags(file))
    if file.read(4) != b"fLaC":
        raise ValueError("not FLAC")
    is_last = False
    while not is_last:
        head = file.read(4)
        if len(head) < 4:
            raise ValueError("cut short")
        is_last, size = head[0] > 127, int.from_bytes(head[1:], "big")
        payload = file.read(size)
        if len(payload) < size:
            raise ValueError("cut short")
        yield Block(head[0] & 127, payload)


def read(file: IO[bytes]) -> Metadata:
    """What a file holds."""
    found = Metadata(FAMILY)
    with found.reading("tags"):
        for block in _blocks(file):
            name = _NAMES.get(block.kind, f"block {block.kind}")
            found.admit(len(block.payload))
            with found.reading(name):
                _read_block(block, name, found)
    return found


def _read_block(block, name, found):
    kind, payload = block
    if kind == STREAMINFO:
        found.rate = int.from_bytes(payload[10:13], "big") >> 4
    elif kind == COMMENT:
        vorbis.read(payload, found)
    elif kind == PICTURE:
        found.pictures.append(vorbis.picture(payload))
        found.blocks.append(block)
    elif kind not in _OF_THE_SOUND:
        found.blocks.append(block)
        found.others.append(name)


def picture_block(picture: Picture) -> Block:
    """The block that holds a picture."""
    return Block(PICTURE, vorbis.block(picture))


def write(path: str | os.PathLike, found: Metadata) -> list[str]:
    """Puts it into a finished file; returns names of what does not go in."""
    with open(path, "rb") as file:
        own = list(_blocks(file))
        start, end = file.tell(), file.seek(0, os.SEEK_END)
    rate = int.from_bytes(own[0].payload[10:13], "big") >> 4
    vendor = next((vorbis.vendor(b.payload) for b in own if b.kind == COMMENT), b"")
    blocks = [b for b in own if b.kind in (STREAMINFO, SEEKTABLE)]
    blocks.append(Block(COMMENT, vorbis.build(vendor, found, with_pictures=False)))
    if found.family == FAMILY:
        ratio = Fraction(rate, int(found.rate or rate))
        blocks += found.rescaled(_rescaled, ratio)
        lost = []
    else:
        blocks += map(picture_block, found.pictures)
        lost = list(found.others)
    lost += [_NAMES[b.kind] for b in blocks if len(b.payload) > _LARGEST]
    blocks = [b for b in blocks if len(b.payload) <= _LARGEST]
    head = b"fLaC"
    for i, block in enumerate(blocks):
        kind = block.kind | (128 if i == len(blocks) - 1 else 0)
        head += bytes([kind]) + len(block.payload).to_bytes(3, "big") + block.payload
    splice(path, [head, Range(start, end - start)])
    return lost


def _rescaled(block, ratio):
    """A cue sheet at another sample rate."""
    if block.kind != CUESHEET:
        return block
    payload = bytearray(block.payload)

    def scale(position):
        (value,) = struct.unpack_from(">Q", payload, position)
        value = min(2**64 - 1, round(value * ratio))
        struct.pack_into(">Q", payload, position, value)

    scale(128)  # the lead-in
    position = 396
    for _ in range(payload[395]):
        scale(position)
        count = payload[position + 35]
        for i in range(count):
            scale(position + 36 + 12 * i)
        position += 36 + 12 * count
    return block._replace(payload=bytes(payload))
