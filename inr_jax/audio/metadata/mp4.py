"""MP4, M4A and MOV: tags, covers and what programs add, in boxes below "moov".

Boxes are exchanged, which keeps what FFmpeg does not know. Chapters are a track of their
own, which FFmpeg writes (`container`).
"""

import os
import struct
from typing import IO, NamedTuple

from inr_jax.audio.metadata import container
from inr_jax.audio.metadata.model import LARGEST, Metadata, Picture, Range, splice

FAMILY = "mp4"
_TAGS = {
    "TITLE": b"\xa9nam",
    "ARTIST": b"\xa9ART",
    "ALBUM": b"\xa9alb",
    "ALBUMARTIST": b"aART",
    "DATE": b"\xa9day",
    "GENRE": b"\xa9gen",
    "COMMENT": b"\xa9cmt",
    "COPYRIGHT": b"cprt",
    "COMPOSER": b"\xa9wrt",
    "LYRICS": b"\xa9lyr",
    "DESCRIPTION": b"desc",
}
_TAG_OF = {name: tag for tag, name in _TAGS.items()}
_NUMBERS = {
    "TRACKNUMBER": (b"trkn", "TRACKTOTAL"),
    "DISCNUMBER": (b"disk", "DISCTOTAL"),
}
_ENCODER, _FREE_FORM = b"\xa9too", b"----"
_IMAGES = {13: "image/jpeg", 14: "image/png", 27: "image/bmp"}
# Boxes that hold boxes with positions of the sound in the file.
_TO_POSITIONS = {b"trak", b"mdia", b"minf", b"stbl"}


class Box(NamedTuple):
    """A box: name and payload."""

    name: bytes
    payload: bytes

    def __bytes__(self):
        """The box as it is written; below 4 GB."""
        return struct.pack(">I4s", 8 + len(self.payload), self.name) + self.payload


def _boxes(data: bytes) -> list[Box]:
    """The boxes that a payload is made of.

    Raises:
      ValueError: it is made of something else.
    """
    found, position = [], 0
    while position + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, position)
        size = size or len(data) - position
        if size < 8 or position + size > len(data):
            if not any(data[position:]):  # QuickTime ends some lists by a zero
                break
            raise ValueError("a box without its end")
        found.append(Box(name, data[position + 8 : position + size]))
        position += size
    return found


def _joined(boxes) -> bytes:
    return b"".join(map(bytes, boxes))


def _inside(boxes: list[Box], *path: bytes) -> bytes:
    """The payload of the first box at a path; none where there is none."""
    for box in boxes:
        if box.name == path[0]:
            if len(path) == 1:
                return box.payload
            return _inside(_boxes(_without_version(box)), *path[1:])
    return b""


def _without_version(box):
    """What a box holds; "meta" of MP4 begins with a version, that of QuickTime not."""
    is_versioned = box.name == b"meta" and box.payload[4:8] != b"hdlr"
    return box.payload[4:] if is_versioned else box.payload


def _moov(file: IO[bytes]) -> tuple[Range, bytes]:
    """Where "moov" is, and its payload.

    Raises:
      ValueError: there is none, or one too large.
    """
    end, position = file.seek(0, os.SEEK_END), 0
    while position + 8 <= end:
        file.seek(position)
        head = file.read(16)
        size, name = struct.unpack_from(">I4s", head)
        start = 8
        if size == 1:
            (size,), start = struct.unpack(">Q", head[8:]), 16
        size = size or end - position
        if size < start or position + size > end:
            break
        if name == b"moov" and size <= LARGEST:
            file.seek(position + start)
            return Range(position, size), file.read(size - start)
        position += size
    raise ValueError("no moov")


def read(file: IO[bytes]) -> Metadata:
    """What a file holds; its blocks are the boxes of metadata below "moov"."""
    found = Metadata(FAMILY)
    with found.reading("tags"):
        boxes = _boxes(_moov(file)[1])
        found.blocks = [b for b in boxes if b.name in (b"udta", b"meta", b"mvhd")]
        for item in _boxes(_inside(boxes, b"udta", b"meta", b"ilst")):
            with found.reading("a tag"):
                _read_item(item, found)
    # QuickTime's tags, and chapters
    container.read_into(file, found)
    return found


def _read_item(item, found):
    numbers = {name: tags for tags, (name, _) in _NUMBERS.items()}
    for box in _boxes(item.payload):
        if box.name != b"data":
            continue
        (kind,), value = struct.unpack_from(">I", box.payload), box.payload[8:]
        if item.name in _TAG_OF:
            found.tag(_TAG_OF[item.name], value.decode())
        elif item.name in numbers:
            tag, (number, total) = (
                numbers[item.name],
                struct.unpack_from(">HH", value, 2),
            )
            found.tag(tag, str(number or ""))
            found.tag(_NUMBERS[tag][1], str(total or ""))
        elif item.name == b"covr":
            mime = _IMAGES.get(kind & 0xFFFFFF, "image/jpeg")
            found.pictures.append(Picture(mime, value))
        elif item.name == _FREE_FORM:
            found.tag(_free_name(item), value.decode())


def _free_name(item):
    """The name of a tag that is in words."""
    return _inside(_boxes(item.payload), b"name")[4:].decode()


def write(path: str | os.PathLike, found: Metadata) -> list[str]:
    """Puts it into a finished file; returns names of what does not go in."""
    lost = [] if found.family == FAMILY else found.without_place()
    if found.markers:
        container.write(path, Metadata("", markers=found.markers))
    with open(path, "rb") as file:
        where, payload = _moov(file)
        end = file.seek(0, os.SEEK_END)
    own = _boxes(payload)
    boxes = _exchanged(own, found)
    shift = len(_joined(boxes)) + 8 - where.size
    if _sound_is_behind(path, where):
        boxes = [_shifted(box, shift) for box in boxes]
    moov = bytes(Box(b"moov", _joined(boxes)))
    behind = where.start + where.size
    splice(path, [Range(0, where.start), moov, Range(behind, end - behind)])
    return lost


def _exchanged(own, found):
    """The boxes of "moov" with those of the metadata of the recording."""
    ours = [box for box in own if box.name == b"udta"]
    udta = _boxes(ours[0].payload) if ours else []
    encoder = [
        item
        for item in _boxes(_inside(udta, b"meta", b"ilst"))
        if item.name == _ENCODER
    ]
    # what FFmpeg has written of chapters fits to the track of them
    chapters = [box for box in udta if box.name == b"chpl"]
    kept = [box for box in own if box.name not in (b"udta", b"meta")]
    if found.family == FAMILY:
        times = next((b.payload for b in found.blocks if b.name == b"mvhd"), b"")
        kept = [_with_times(box, times) for box in kept]
        kept += [box for box in found.blocks if box.name == b"meta"]
        theirs = [
            b for box in found.blocks if box.name == b"udta" for b in _boxes(box[1])
        ]
        items = _boxes(_inside(theirs, b"meta", b"ilst"))
        rest = [box for box in theirs if box.name not in (b"meta", b"chpl")]
        if not chapters:
            chapters = [box for box in theirs if box.name == b"chpl"]
    else:
        items, rest = _items(found), []
    items = [i for i in items if i.name != _ENCODER and not _is_of_the_coding(i)]
    if items or encoder:
        handler = b"\0\0\0\0\0\0\0\0mdirappl" + bytes(9)
        meta = bytes(Box(b"hdlr", handler))
        meta += bytes(Box(b"ilst", _joined([*items, *encoder])))
        rest = [Box(b"meta", bytes(4) + meta), *rest]
    rest += chapters
    return [*kept, Box(b"udta", _joined(rest))] if rest else kept


def _is_of_the_coding(item):
    """Whether a tag states the delay and length of the former encoder's output."""
    return item.name == _FREE_FORM and _free_name(item) == "iTunSMPB"


def _with_times(box, theirs):
    """The head of the film with the times at which another was made and changed."""
    if box.name != b"mvhd" or not theirs:
        return box
    form = {0: ">II", 1: ">QQ"}
    times = struct.unpack_from(form[theirs[0]], theirs, 4)
    width = struct.calcsize(form[box.payload[0]])
    if max(times) >= 2 ** (4 * width):
        return box
    times = struct.pack(form[box.payload[0]], *times)
    return Box(b"mvhd", box.payload[:4] + times + box.payload[4 + width :])


def _items(found):
    """Tags and covers as boxes."""
    items, tags = [], dict(found.tags)
    for tag, (name, total_tag) in _NUMBERS.items():
        number, _, total = tags.get(tag, [""])[0].partition("/")
        total = total or tags.get(total_tag, [""])[0]
        if number.isdecimal() and int(number) < 2**16:
            total = int(total) % 2**16 if total.isdecimal() else 0
            value = struct.pack(">HHHH", 0, int(number), total, 0)
            items.append(Box(name, _data(0, value)))
            tags.pop(tag)
            tags.pop(total_tag, None)
    for tag, values in tags.items():
        data = b"".join(_data(1, value.encode()) for value in values)
        if tag in _TAGS:
            items.append(Box(_TAGS[tag], data))
        else:
            names = [Box(b"mean", bytes(4) + b"com.apple.iTunes")]
            names.append(Box(b"name", bytes(4) + tag.encode()))
            items.append(Box(_FREE_FORM, _joined(names) + data))
    kinds = {mime: kind for kind, mime in _IMAGES.items()}
    covers = [_data(kinds.get(p.mime, 13), p.data) for p in found.pictures]
    return items + ([Box(b"covr", b"".join(covers))] if covers else [])


def _data(kind, value):
    return bytes(Box(b"data", struct.pack(">II", kind, 0) + value))


def _sound_is_behind(path, where):
    """Whether "mdat" follows "moov", whose positions move with the size of it."""
    with open(path, "rb") as file:
        position = where.start + where.size
        while True:
            file.seek(position)
            head = file.read(16)
            if len(head) < 8:
                return False
            size, name = struct.unpack_from(">I4s", head)
            if name == b"mdat":
                return True
            if size == 1 and len(head) == 16:
                (size,) = struct.unpack_from(">Q", head, 8)
            if size < 8:
                return False
            position += size


def _shifted(box, shift):
    """A box with positions in the file moved."""
    if box.name in _TO_POSITIONS:
        boxes = [_shifted(each, shift) for each in _boxes(box.payload)]
        return Box(box.name, _joined(boxes))
    form = {b"stco": ">I", b"co64": ">Q"}.get(box.name)
    if not form:
        return box
    payload = bytearray(box.payload)
    for position in range(8, len(payload), struct.calcsize(form)):
        (value,) = struct.unpack_from(form, payload, position)
        struct.pack_into(form, payload, position, value + shift)
    return Box(box.name, bytes(payload))
