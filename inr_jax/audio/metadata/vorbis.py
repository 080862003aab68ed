"""Vorbis comments and FLAC picture blocks, as FLAC and Ogg hold them (xiph.org)."""

import base64
import binascii
import re
import struct
from fractions import Fraction

from inr_jax.audio.metadata.model import Marker, Metadata, Picture

_PICTURE = "METADATA_BLOCK_PICTURE"
_MASK = "WAVEFORMATEXTENSIBLE_CHANNEL_MASK"
_CHAPTER = re.compile(r"CHAPTER(\d{2,3})(NAME)?")


def read(data: bytes, found: Metadata) -> None:
    """Adds what comments hold.

    Raises:
      ValueError, struct.error: they are damaged.
    """
    _, position = _string(data, 0)
    (count,) = struct.unpack_from("<I", data, position)
    position += 4
    chapters: dict[str, list[str]] = {}
    for _ in range(count):
        comment, position = _string(data, position)
        key, _, value = comment.decode("utf-8", "replace").partition("=")
        key = key.upper()
        if key == _PICTURE:
            with found.reading("cover art"):
                found.pictures.append(picture(base64.b64decode(value)))
        elif key == _MASK:
            with found.reading("channel mask"):
                found.channel_mask = int(value, 0) & 0xFFFFFFFF
        elif chapter := _CHAPTER.fullmatch(key):
            entry = chapters.setdefault(chapter[1], ["", ""])
            entry[bool(chapter[2])] = value
        else:
            found.tag(key, value)
    for time, label in chapters.values():
        with found.reading("chapters"):
            hours, minutes, seconds = time.split(":")
            start = 3600 * int(hours) + 60 * int(minutes) + Fraction(seconds)
            found.markers.append(Marker(start, label))
    found.markers.sort()


def _string(data, position):
    (size,) = struct.unpack_from("<I", data, position)
    if position + 4 + size > len(data):
        raise ValueError("a string goes beyond the end")
    return data[position + 4 : position + 4 + size], position + 4 + size


def vendor(data: bytes) -> bytes:
    """Of the encoder, which stays that of the file."""
    return _string(data, 0)[0]


def build(vendor: bytes, found: Metadata, with_pictures: bool) -> bytes:
    """Comments: tags, chapters and, for Ogg, pictures."""
    comments = [(k, v) for k, values in found.tags.items() for v in values]
    for i, marker in enumerate(found.markers, 1):
        ms = round(marker.start * 1000)
        time = f"{ms // 3600000:02}:{ms // 60000 % 60:02}:{ms // 1000 % 60:02}"
        comments.append((f"CHAPTER{i:03}", f"{time}.{ms % 1000:03}"))
        if marker.label:
            comments.append((f"CHAPTER{i:03}NAME", marker.label))
    if found.channel_mask:
        comments.append((_MASK, f"0x{found.channel_mask:04X}"))
    if with_pictures:
        for each in found.pictures:
            comments.append((_PICTURE, base64.b64encode(block(each)).decode()))
    data = struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", len(comments))
    for key, value in comments:
        # a key is ASCII without "="
        key = key.encode("ascii", "replace").replace(b"=", b"_")
        comment = key + b"=" + value.encode()
        data += struct.pack("<I", len(comment)) + comment
    return data


def picture(data: bytes) -> Picture:
    """Reads a picture block.

    Raises:
      ValueError, struct.error: it is damaged.
    """
    (kind,) = struct.unpack_from(">I", data)
    mime, position = _big_string(data, 4)
    description, position = _big_string(data, position)
    content, _ = _big_string(data, position + 16)
    return Picture(mime.decode("latin1"), content, kind, description.decode())


def _big_string(data, position):
    (size,) = struct.unpack_from(">I", data, position)
    if position + 4 + size > len(data):
        raise binascii.Error("a picture goes beyond the end")
    return data[position + 4 : position + 4 + size], position + 4 + size


def block(each: Picture) -> bytes:
    """A picture block; sizes in pixels are left unknown."""
    mime, description = each.mime.encode("latin1"), each.description.encode()
    return (
        struct.pack(">II", each.kind, len(mime))
        + mime
        + struct.pack(">I", len(description))
        + description
        + bytes(16)
        + struct.pack(">I", len(each.data))
        + each.data
    )
