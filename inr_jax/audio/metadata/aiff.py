"""AIFF and AIFC: text chunks, markers, instrument, and an ID3 tag in a chunk."""

import math
import os
import struct
from fractions import Fraction
from typing import IO

from inr_jax.audio.metadata import id3
from inr_jax.audio.metadata.chunks import AIFF, Block, around, length, walk
from inr_jax.audio.metadata.model import Marker, Metadata, splice, text

FAMILY = "aiff"
_OF_THE_SOUND = {b"COMM", b"SSND", b"FVER", b"PEAK"}
_SSND_HEAD = 8  # bytes in front of the sound
_NOT_CARRIED = {b"FLLR", b"JUNK", b"PAD "}
_TEXTS = {b"NAME": "TITLE", b"AUTH": "ARTIST", b"(c) ": "COPYRIGHT", b"ANNO": "COMMENT"}
_OTHERS = {b"INST": "instrument", b"COMT": "comments", b"CHAN": "channel layout"}


def read(file: IO[bytes]) -> Metadata:
    """What a file holds."""
    found = Metadata(FAMILY)
    in_front, marks = True, b""
    for chunk in walk(file, AIFF):
        name = chunk.id
        if name == b"SSND":
            in_front = False
            if chunk.size <= _SSND_HEAD:  # not known: all that follows is sound
                break
        elif name == b"COMM":
            with found.reading("format"):
                found.rate = _rate(chunk.read(file))
        elif name not in _OF_THE_SOUND | _NOT_CARRIED:
            with found.reading(_name(name)):
                found.admit(chunk.size)
                payload = chunk.read(file)
                if name in _TEXTS:
                    found.tag(_TEXTS[name], text(payload))
                elif name == b"MARK":
                    marks = payload
                elif name == b"ID3 ":
                    id3.read(payload, found)
                else:
                    found.others.append(_name(name))
                found.blocks.append(Block(name, payload, in_front))
    with found.reading("markers"):
        found.markers += [
            Marker(Fraction(start) / Fraction(found.rate), label)
            for _, start, label, _ in _marks(marks)
        ]
    found.markers.sort()
    return found


def _name(chunk_id):
    words = {**_OTHERS, **dict.fromkeys(_TEXTS, "tags"), b"MARK": "markers"}
    words[b"ID3 "] = "ID3"
    return words.get(chunk_id) or f"chunk {chunk_id.decode('latin1').strip()!r}"


def _rate(payload):
    """An extended float of 80 bits."""
    exponent, mantissa = struct.unpack_from(">HQ", payload, 8)
    return math.ldexp(mantissa, (exponent & 0x7FFF) - 16383 - 63)


def _marks(payload):
    """Numbers, positions and labels of markers, and where each begins."""
    position = 2
    for _ in range(int.from_bytes(payload[:2], "big")):
        number, start, size = struct.unpack_from(">HIB", payload, position)
        yield number, start, text(payload[position + 7 : position + 7 + size]), position
        position += 7 + size + (size + 1) % 2


def write(path: str | os.PathLike, found: Metadata) -> list[str]:
    """Puts it into a finished file; returns names of what does not go in."""
    with open(path, "rb") as file:
        head = file.read(AIFF.header)
        chunks = list(walk(file, AIFF))
        rate = _rate(next(c for c in chunks if c.id == b"COMM").read(file))
    lost = []
    if found.family == FAMILY:
        ratio = Fraction(rate) / Fraction(found.rate or rate)
        blocks = found.rescaled(_rescaled, ratio)
    else:
        blocks, lost = _encoded(found, rate), found.without_place()
    pieces = around(chunks, AIFF, _OF_THE_SOUND, b"SSND", blocks)
    size = struct.pack(">I", 4 + length(pieces))  # an error above 4 GB
    splice(path, [head[:4] + size + head[8:], *pieces])
    return lost


def _rescaled(block, ratio):
    if block.id != b"MARK":
        return block
    payload = bytearray(block.payload)
    for _, start, _, position in _marks(block.payload):
        start = min(2**32 - 1, round(start * ratio))
        struct.pack_into(">I", payload, position + 2, start)
    return block._replace(payload=bytes(payload))


def _encoded(found, rate):
    """The chunks that say the same as the metadata of another family."""
    blocks = [
        Block(name, value.encode())
        for name, tag in _TEXTS.items()
        for value in found.tags.get(tag, [])
    ]
    if found.markers:
        blocks.append(Block(b"MARK", _markers(found.markers, rate)))
    if found.pictures or set(found.tags) - set(_TEXTS.values()):
        tag = id3.build(Metadata("", tags=found.tags, pictures=found.pictures))
        blocks.append(Block(b"ID3 ", tag))
    return blocks


def _markers(markers, rate):
    marks = struct.pack(">H", len(markers))
    for number, marker in enumerate(markers, 1):
        label = marker.label.encode()[:255]
        start = min(2**32 - 1, round(marker.start * Fraction(rate)))
        marks += struct.pack(">HIB", number, start, len(label)) + label
        marks += bytes((len(label) + 1) % 2)
    return marks
