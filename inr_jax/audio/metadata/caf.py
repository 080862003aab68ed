"""CAF: the chunks of information, markers, regions and what programs add."""

import os
import struct
from fractions import Fraction
from typing import IO

from inr_jax.audio.metadata.chunks import CAF, Block, around, walk
from inr_jax.audio.metadata.model import Metadata, Range, splice

FAMILY = "caf"
_OF_THE_SOUND = {b"desc", b"data", b"chan", b"kuki", b"pakt", b"peak"}
_NOT_CARRIED = {b"free", b"ovvw", b"edct"}
_INFO = {
    "TITLE": "title",
    "ARTIST": "artist",
    "ALBUM": "album",
    "DATE": "recorded date",
    "TRACKNUMBER": "track number",
    "GENRE": "genre",
    "COMMENT": "comments",
    "COPYRIGHT": "copyright",
    "COMPOSER": "composer",
}
_TAG_OF = {key: tag for tag, key in _INFO.items()} | {"year": "DATE"}
_OF_THE_CODING = {"encoding application", "channel layout", "source encoder"}
_NAMES = {b"mark": "markers", b"regn": "regions", b"strg": "labels", b"info": "tags"}
_MARKER = 28  # bytes: kind, position, number, time code, channel


def read(file: IO[bytes]) -> Metadata:
    """What a file holds."""
    found = Metadata(FAMILY)
    in_front = True
    for chunk in walk(file, CAF):
        if chunk.id == b"data":
            in_front = False
        elif chunk.id == b"desc":
            with found.reading("format"):
                (found.rate,) = struct.unpack_from(">d", chunk.read(file))
        elif chunk.id not in _OF_THE_SOUND | _NOT_CARRIED:
            name = _NAMES.get(chunk.id, f"chunk {chunk.id.decode('latin1')!r}")
            with found.reading(name):
                found.admit(chunk.size)
                payload = chunk.read(file)
                if chunk.id == b"info":
                    payload = _read_info(payload, found)
                else:
                    found.others.append(name)
                found.blocks.append(Block(chunk.id, payload, in_front))
    return found


def _read_info(payload, found):
    """Adds the tags; gives the chunk without those of the coding."""
    strings = payload[4:].decode("utf-8", "replace").split("\0")
    pairs = [
        (key, value)
        for key, value in zip(strings[::2], strings[1::2], strict=False)
        if key not in _OF_THE_CODING
    ]
    for key, value in pairs:
        found.tag(_TAG_OF.get(key, key), value)
    return _info(pairs)


def _info(pairs):
    text = "".join(f"{key}\0{value}\0" for key, value in pairs)
    return struct.pack(">I", len(pairs)) + text.encode()


def write(path: str | os.PathLike, found: Metadata) -> list[str]:
    """Puts it into a finished file; returns names of what does not go in."""
    with open(path, "rb") as file:
        chunks = list(walk(file, CAF))
        head = next(c for c in chunks if c.id == b"desc").read(file)
    (rate,) = struct.unpack_from(">d", head)
    if found.family == FAMILY:
        ratio = Fraction(rate) / Fraction(found.rate or rate)
        blocks, lost = found.rescaled(_rescaled, ratio), []
    else:
        tags = found.tags.items()
        pairs = [(_INFO.get(k, k.lower()), "; ".join(v)) for k, v in tags]
        blocks = [Block(b"info", _info(pairs), True)] if pairs else []
        lost = [name for name in found.names() if name != "tags"]
    pieces = around(chunks, CAF, _OF_THE_SOUND, b"data", blocks)
    splice(path, [Range(0, CAF.header), *pieces])
    return lost


def _rescaled(block, ratio):
    if block.id == b"regn":
        raise ValueError("regions of another rate")
    if block.id != b"mark":
        return block
    payload = bytearray(block.payload)
    for start in range(8, len(payload) - _MARKER + 1, _MARKER):
        (position,) = struct.unpack_from(">d", payload, start + 4)
        struct.pack_into(">d", payload, start + 4, position * float(ratio))
    return block._replace(payload=bytes(payload))
