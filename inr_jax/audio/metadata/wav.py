"""WAV, RF64 and W64: chunks around the sound, which are copied as they are.

After EBU Tech 3285 (bext), EBU Tech 3306 (RF64) and Microsoft's RIFF: LIST INFO, cue,
LIST adtl, smpl. An ID3 tag in a chunk holds what LIST INFO cannot, as many programs
write it.
"""

import os
import struct
from fractions import Fraction
from typing import IO, NamedTuple

from inr_jax.audio.containers import W64_TAILS
from inr_jax.audio.metadata import id3
from inr_jax.audio.metadata.chunks import RIFF, W64, Block, Layout, length, walk
from inr_jax.audio.metadata.model import Marker, Metadata, Range, splice, text

FAMILY = "wav"
# The largest size that RIFF states; what is larger becomes RF64.
LARGEST_RIFF = 2**32 - 1
_ELSEWHERE = 2**32 - 1  # a size that ds64 states
# Of the sound as it is coded, or computed from it.
_OWN = (b"ds64", b"fmt ", b"fact", b"PEAK")
_OF_THE_SOUND = {*_OWN, b"data", b"wavl", b"slnt"}
_NOT_CARRIED = {
    *(
        b"JUNK",
        b"junk",
        b"PAD ",
        b"pad ",
        b"FLLR",
        b"MD5 ",
        b"levl",
        b"r64m",
        b"\0\0\0\0",
    )
}
_EXTENSIBLE = 0xFFFE
_USUAL_MASKS = {1: 4, 2: 3}
_INFO = {
    "TITLE": b"INAM",
    "ARTIST": b"IART",
    "ALBUM": b"IPRD",
    "DATE": b"ICRD",
    "TRACKNUMBER": b"ITRK",
    "GENRE": b"IGNR",
    "COMMENT": b"ICMT",
    "COPYRIGHT": b"ICOP",
    "LANGUAGE": b"ILNG",
    "COMPOSER": b"IMUS",
}
_TAG_OF = {name: tag for tag, name in _INFO.items()} | {b"IPRT": "TRACKNUMBER"}
# Fields of bext: tag, offset, size.
_BEXT = (
    ("DESCRIPTION", 0, 256),
    ("ORIGINATOR", 256, 32),
    ("ORIGINATOR_REFERENCE", 288, 32),
    ("ORIGINATION_DATE", 320, 10),
    ("ORIGINATION_TIME", 330, 8),
)
_TIME_REFERENCE = slice(338, 346)
_OTHERS = {
    b"iXML": "iXML",
    b"axml": "axml",
    b"smpl": "loops",
    b"inst": "instrument",
    b"cart": "cart",
    b"umid": "umid",
    b"_PMX": "XMP",
    b"acid": "acid",
    b"chna": "chna",
    b"aXML": "axml",
}
_TAIL, _LIST_TAIL = W64_TAILS


def read(file: IO[bytes]) -> Metadata:
    """What a file holds."""
    found, labels, cues = Metadata(FAMILY), {}, []
    layout = _layout(file)
    in_front = True
    for chunk in walk(file, layout, _sizes(file)):
        name = _riff_name(chunk.id)
        if name == b"data":
            in_front = False
            if not chunk.size:  # not known: all that follows is sound
                break
        elif name == b"fmt ":
            with found.reading("format"):
                _read_format(found, chunk.read(file))
        elif name not in _OF_THE_SOUND | _NOT_CARRIED:
            with found.reading(_name(name)):
                found.admit(chunk.size)
                block = Block(name, chunk.read(file), in_front)
                _read_block(found, block, cues, labels)
                found.blocks.append(block)
    for number, start in cues:
        if found.rate:
            label, length = labels.get(number, ("", 0))
            marker = Marker(*(Fraction(start, found.rate), label))
            found.markers.append(marker._replace(length=Fraction(length, found.rate)))
    found.markers.sort()
    return found


def _layout(file) -> Layout:
    file.seek(0)
    return W64 if file.read(4) == b"riff" else RIFF


def _sizes(file) -> dict[bytes, int]:
    """Sizes that RF64 states in front."""
    file.seek(0)
    head = file.read(36)
    if head[:4] in (b"RF64", b"BW64") and head[12:16] == b"ds64":
        return {b"data": struct.unpack("<Q", head[28:36])[0]}
    return {}


def _riff_name(name):
    """The RIFF name of a W64 name that has one."""
    if len(name) == 16 and name[4:] in W64_TAILS:
        return b"LIST" if name[4:] == _LIST_TAIL else name[:4]
    return name


def _w64_name(name):
    if len(name) == 16:
        return name
    return b"list" + _LIST_TAIL if name == b"LIST" else name + _TAIL


def _name(chunk_id):
    """A chunk in words."""
    words = {b"bext": "bext", b"cue ": "cue points", b"LIST": "tags", b"id3 ": "ID3"}
    known = words | _OTHERS
    return known.get(chunk_id) or f"chunk {chunk_id[:4].decode('latin1').strip()!r}"


class _Format(NamedTuple):
    """The chunk that states how samples are coded."""

    tag: int
    channels: int
    rate: int
    bits: int
    extension: bytes

    @classmethod
    def parse(cls, payload):
        tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", payload)
        return cls(tag, channels, rate, bits, payload[16:40])

    @property
    def coding(self):
        """The format tag behind an extension."""
        if self.tag == _EXTENSIBLE and len(self.extension) >= 10:
            return struct.unpack_from("<H", self.extension, 8)[0]
        return self.tag


def _read_format(found, payload):
    form = _Format.parse(payload)
    found.rate = form.rate
    if form.tag == _EXTENSIBLE and len(payload) >= 40:
        found.blocks.append(Block(b"fmt ", payload, True))
        (mask,) = struct.unpack_from("<I", payload, 20)
        if mask != _USUAL_MASKS.get(form.channels, 0):
            found.channel_mask = mask


def _read_block(found, block, cues, labels):
    """Adds to the tags and markers what they have of a chunk."""
    name, payload = block.id, block.payload
    if name == b"LIST" and payload[:4] == b"INFO":
        for key, value in _items(payload):
            found.tag(_TAG_OF.get(key, key.decode("latin1")), text(value))
    elif name == b"LIST" and payload[:4] == b"adtl":
        _read_labels(payload, labels)
    elif name == b"cue ":
        for i in range(min(len(payload) // 24, struct.unpack_from("<I", payload)[0])):
            number, *_, start = struct.unpack_from("<II4sIII", payload, 4 + 24 * i)
            cues.append((number, start))
    elif name == b"bext":
        for tag, start, size in _BEXT:
            found.tag(tag, text(payload[start : start + size]))
        (reference,) = struct.unpack("<Q", payload[_TIME_REFERENCE])
        found.tag("TIME_REFERENCE", str(reference) if reference else "")
    elif name.lower() == b"id3 ":
        id3.read(payload, found)
    else:
        found.others.append(_name(name))


def _items(payload):
    """Ids and payloads in a LIST."""
    position = 4
    while position + 8 <= len(payload):
        key, size = struct.unpack_from("<4sI", payload, position)
        yield key, payload[position + 8 : position + 8 + size]
        position += 8 + size + size % 2


def _read_labels(payload, labels):
    for key, value in _items(payload):
        number = int.from_bytes(value[:4], "little")
        label, length = labels.get(number, ("", 0))
        if key == b"labl":
            label = text(value[4:])
        elif key == b"ltxt":
            length = int.from_bytes(value[4:8], "little")
        labels[number] = label, length


def write(path: str | os.PathLike, found: Metadata) -> list[str]:
    """Puts it into a finished file; returns names of what does not go in."""
    with open(path, "rb") as file:
        layout = _layout(file)
        chunks = {_riff_name(c.id): c for c in walk(file, layout, _sizes(file))}
        own = {name: chunks[name].read(file) for name in _OWN if name in chunks}
        file.seek(0)
        head = file.read(layout.header)
    rate = _Format.parse(own[b"fmt "]).rate
    if found.family == FAMILY:
        blocks = found.rescaled(_rescaled, Fraction(rate, int(found.rate or rate)))
        for source in (b for b in blocks if b.id == b"fmt "):
            own[b"fmt "] = _extended(own[b"fmt "], source.payload)
        blocks, lost = [b for b in blocks if b.id != b"fmt "], []
    else:
        own[b"fmt "] = _with_mask(own[b"fmt "], found.channel_mask)
        blocks, lost = _encoded(found, rate), list(found.others)
    if layout is W64:
        new = _w64(head, own, chunks[b"data"], blocks)
    else:
        lost += [_name(b.id) for b in blocks if len(b.id) != 4]
        blocks = [b for b in blocks if len(b.id) == 4]
        new = _riff(head, own, chunks[b"data"], blocks)
    splice(path, new)
    return lost


def _w64(head, own, data, blocks):
    """A W64 file anew; libsndfile takes all that follows for sound, a pad too."""
    chunks = [*own.items(), *((b.id, b.payload) for b in blocks)]
    body = [W64.chunk(_w64_name(name), payload) for name, payload in chunks]
    body += [W64.head_of(data.id, data.size), Range(data.start, data.size)]
    return [head[:16] + struct.pack("<Q", len(head) + length(body)) + head[24:], *body]


def _riff(head, own, data, blocks):
    """A WAV file anew; as RF64, where it is that or too large for another."""
    is_large = head[:4] != b"RIFF"
    body = _riff_body(own, data, blocks, is_large)
    if not is_large and 4 + length(body) <= LARGEST_RIFF:
        return [b"RIFF" + struct.pack("<I", 4 + length(body)) + b"WAVE", *body]
    body = _riff_body(own, data, blocks, is_large=True)
    (frame,) = struct.unpack_from("<H", own[b"fmt "], 12)
    count = own.get(b"ds64", b"")[16:24]
    count = count or struct.pack("<Q", data.size // max(1, frame))
    sizes = struct.pack("<QQ", 4 + 36 + length(body), data.size) + count + bytes(4)
    name = head[:4] if is_large else b"RF64"
    return [name + b"\xff" * 4 + b"WAVE", RIFF.chunk(b"ds64", sizes), *body]


def _riff_body(own, data, blocks, is_large):
    """What follows the header: own chunks, and the blocks around the sound."""

    def is_in_front(block):  # libsndfile forgets the pad of odd ones in RF64
        return block.is_in_front and not (is_large and len(block.payload) % 2)

    chunks = [RIFF.chunk(name, own[name]) for name in own if name != b"ds64"]
    front = [RIFF.chunk(b.id, b.payload) for b in blocks if is_in_front(b)]
    behind = [RIFF.chunk(b.id, b.payload) for b in blocks if not is_in_front(b)]
    size = _ELSEWHERE if is_large else data.size
    sound = [RIFF.head_of(b"data", size), Range(data.start, data.size)]
    return [*chunks, *front, *sound, bytes(RIFF.padding(data.size)), *behind]


def _extended(form, source):
    """The format of a file, in the extensible form where the source had that."""
    ours, theirs = _Format.parse(form), _Format.parse(source)
    if (ours.channels, ours.coding) != (theirs.channels, theirs.coding):
        return _with_mask(
            form, int.from_bytes(source[20:24], "little"), theirs.channels
        )
    valid = theirs.extension[2:4] if ours.bits == theirs.bits else form[14:16]
    extension = b"\x16\0" + valid + theirs.extension[4:24]
    return struct.pack("<H", _EXTENSIBLE) + form[2:16] + extension


def _with_mask(form, mask, channels=None):
    """The format with speakers, where it is one of PCM or floating point."""
    ours = _Format.parse(form)
    if not mask or channels not in (None, ours.channels) or ours.coding not in (1, 3):
        return form
    guid = struct.pack("<H", ours.coding) + bytes.fromhex(
        "000000001000800000aa00389b71"
    )
    extension = b"\x16\0" + form[14:16] + struct.pack("<I", mask) + guid
    return struct.pack("<H", _EXTENSIBLE) + form[2:16] + extension


def _rescaled(block, ratio):
    """A chunk whose positions are samples, at another sample rate."""
    name, payload = block.id, bytearray(block.payload)

    def scale(position, form="<I"):
        (value,) = struct.unpack_from(form, payload, position)
        largest = 2 ** (8 * struct.calcsize(form)) - 1
        struct.pack_into(form, payload, position, min(largest, round(value * ratio)))

    if name == b"cue ":
        for i in range((len(payload) - 4) // 24):
            start = 4 + 24 * i
            scale(start + 4)
            scale(start + 20)
    elif name == b"bext" and len(payload) >= _TIME_REFERENCE.stop:
        scale(_TIME_REFERENCE.start, "<Q")
    elif name == b"smpl" and len(payload) >= 36:
        (period,) = struct.unpack_from("<I", payload, 8)
        struct.pack_into("<I", payload, 8, min(2**32 - 1, round(period / ratio)))
        for start in range(36, len(payload) - 23, 24):
            scale(start + 8)
            scale(start + 12)
    elif name == b"LIST" and payload[:4] == b"adtl":
        position = 4
        while position + 16 <= len(payload):
            key, size = struct.unpack_from("<4sI", payload, position)
            if key == b"ltxt":
                scale(position + 12)
            position += 8 + size + size % 2
    return block._replace(payload=bytes(payload))


def _encoded(found, rate):
    """The chunks that say the same as the metadata of another family."""
    blocks = []
    if any(tag in found.tags for tag in ("ORIGINATION_DATE", "TIME_REFERENCE")):
        blocks.append(Block(b"bext", _bext(found), True))
    bext = {"TIME_REFERENCE", *(tag for tag, *_ in _BEXT)}
    tags = {k: v for k, v in found.tags.items() if not (blocks and k in bext)}
    info = b"".join(
        RIFF.chunk(_INFO[tag], "; ".join(values).encode() + b"\0")
        for tag, values in tags.items()
        if tag in _INFO
    )
    if info:
        blocks.append(Block(b"LIST", b"INFO" + info, False))
    if found.markers:
        blocks += _cue_points(found.markers, rate)
    if found.pictures or set(tags) - set(_INFO):
        tag = id3.build(Metadata("", tags=tags, pictures=found.pictures))
        blocks.append(Block(b"id3 ", tag, False))
    return blocks


def _bext(found):
    fields = bytearray(602)
    for tag, start, size in _BEXT:
        value = found.tags.get(tag, [""])[0].encode()[:size]
        fields[start : start + len(value)] = value
    reference = found.tags.get("TIME_REFERENCE", ["0"])[0]
    if reference.isdecimal():
        fields[_TIME_REFERENCE] = struct.pack("<Q", min(2**64 - 1, int(reference)))
    return bytes(fields)


def _cue_points(markers, rate):
    points, labels = struct.pack("<I", len(markers)), b"adtl"
    for number, marker in enumerate(markers, 1):
        start = min(2**32 - 1, round(marker.start * rate))
        points += struct.pack("<II4sIII", number, start, b"data", 0, 0, start)
        key = struct.pack("<I", number)
        if marker.label:
            labels += RIFF.chunk(b"labl", key + marker.label.encode() + b"\0")
        if marker.length:
            length = struct.pack("<I", min(2**32 - 1, round(marker.length * rate)))
            labels += RIFF.chunk(b"ltxt", key + length + b"rgn " + bytes(8))
    blocks = [Block(b"cue ", points, False)]
    return blocks + [Block(b"LIST", labels, False)] if len(labels) > 4 else blocks
