"""ID3v2 tags: read in versions 2.2 to 2.4, written in 2.4 (id3.org)."""

import struct
from fractions import Fraction

from inr_jax.audio.containers import id3_size
from inr_jax.audio.metadata.model import Marker, Metadata, Picture

_FRAMES = {
    "TITLE": b"TIT2",
    "ARTIST": b"TPE1",
    "ALBUM": b"TALB",
    "ALBUMARTIST": b"TPE2",
    "DATE": b"TDRC",
    "TRACKNUMBER": b"TRCK",
    "DISCNUMBER": b"TPOS",
    "GENRE": b"TCON",
    "COPYRIGHT": b"TCOP",
    "COMPOSER": b"TCOM",
    "PUBLISHER": b"TPUB",
    "ISRC": b"TSRC",
    "LANGUAGE": b"TLAN",
    "BPM": b"TBPM",
}
_TAG_OF = {frame: tag for tag, frame in _FRAMES.items()} | {b"TYER": "DATE"}
# Version 2.2 has three letters.
_LONG = {
    b"TT2": b"TIT2",
    b"TP1": b"TPE1",
    b"TAL": b"TALB",
    b"TP2": b"TPE2",
    b"TYE": b"TYER",
    b"TRK": b"TRCK",
    b"TPA": b"TPOS",
    b"TCO": b"TCON",
    b"TCR": b"TCOP",
    b"TCM": b"TCOM",
    b"TPB": b"TPUB",
    b"TXX": b"TXXX",
    b"COM": b"COMM",
    b"ULT": b"USLT",
}
_ENCODINGS = {0: "latin1", 1: "utf-16", 2: "utf-16-be", 3: "utf-8"}
_IN_WORDS = {b"COMM": "COMMENT", b"USLT": "LYRICS"}


def _syncsafe(data):
    value = 0
    for byte in data:
        value = value << 7 | byte & 127
    return value


def read(data: bytes, found: Metadata) -> None:
    """Adds what a tag holds.

    Raises:
      ValueError: it is damaged.
    """
    if not id3_size(data[:10]) or 10 + _syncsafe(data[6:10]) > len(data):
        raise ValueError("no tag, or one without its end")
    version, flags = data[3], data[5]
    body = data[10 : 10 + _syncsafe(data[6:10])]
    if flags & 128 and version < 4:
        body = body.replace(b"\xff\0", b"\xff")
    if flags & 64 and version > 2:
        extra = _syncsafe(body[:4]) if version == 4 else 4 + _number(body[:4])
        body = body[extra:]
    for name, payload in _frames(body, version):
        with found.reading("an ID3 frame"):
            _read_frame(name, payload, version, found)
    found.markers.sort()


def _number(data):
    return int.from_bytes(data, "big")


def _frames(body, version):
    letters, head = (3, 6) if version == 2 else (4, 10)
    position = 0
    while position + head <= len(body) and body[position]:
        name = body[position : position + letters]
        length = body[position + letters : position + 2 * letters]
        length = _syncsafe(length) if version == 4 else _number(length)
        flags = body[position + 9] if version > 2 else 0
        payload = body[position + head : position + head + length]
        position += head + length
        if version == 4 and flags & 2:
            payload = payload.replace(b"\xff\0", b"\xff")
        if version == 4 and flags & 1:
            payload = payload[4:]
        if not flags & (12 if version == 4 else 192):  # packed or locked
            yield _LONG.get(name, name), payload


def _decoded(payload):
    """The strings of a frame that begins with its encoding."""
    return _strings(payload[1:], payload[0])


def _strings(data, encoding):
    return data.decode(_ENCODINGS[encoding]).lstrip("\ufeff").split("\0")


def _cut(data, encoding):
    """A string up to its end, and what follows."""
    width = 2 if encoding in (1, 2) else 1
    for end in range(0, len(data), width):
        if data[end : end + width] == bytes(width):
            return _strings(data[:end], encoding)[0], data[end + width :]
    return _strings(data, encoding)[0], b""


def _read_frame(name, payload, version, found):
    if name == b"TXXX":
        description, *values = _decoded(payload)
        for value in values:
            found.tag(description, value.lstrip("\ufeff"))
    elif name in _TAG_OF:
        for value in _decoded(payload):
            found.tag(_TAG_OF[name], value)
    elif name in _IN_WORDS:
        _, rest = _cut(payload[4:], payload[0])
        found.tag(_IN_WORDS[name], _strings(rest, payload[0])[0])
    elif name in (b"APIC", b"PIC"):
        found.pictures.append(_picture(payload, name == b"PIC"))
    elif name == b"CHAP":
        found.markers.append(_chapter(payload, version))


def _picture(payload, is_short):
    if is_short:
        mime, rest = f"image/{payload[1:4].decode('latin1').lower()}", payload[4:]
        mime = mime.replace("jpg", "jpeg")
    else:
        mime, rest = _cut(payload[1:], 0)
    description, data = _cut(rest[1:], payload[0])
    return Picture(mime, data, rest[0], description)


def _chapter(payload, version):
    _, rest = _cut(payload, 0)
    start, end = struct.unpack_from(">II", rest)
    label = ""
    for name, value in _frames(rest[16:], version):
        if name == b"TIT2":
            label = _decoded(value)[0]
    return Marker(Fraction(start, 1000), label, Fraction(max(0, end - start), 1000))


def build(found: Metadata) -> bytes:
    """A tag of version 2.4."""
    frames = b""
    for tag, values in found.tags.items():
        text = "\0".join(values).encode()
        if tag in _FRAMES:
            frames += _frame(_FRAMES[tag], b"\x03" + text)
        elif tag in _IN_WORDS.values():
            name = b"USLT" if tag == "LYRICS" else b"COMM"
            frames += _frame(name, b"\x03XXX\0" + "\n".join(values).encode())
        else:
            frames += _frame(b"TXXX", b"\x03" + tag.encode() + b"\0" + text)
    for picture in found.pictures:
        head = picture.mime.encode("latin1") + b"\0" + bytes([picture.kind & 255])
        description = picture.description.encode() + b"\0"
        frames += _frame(b"APIC", b"\x03" + head + description + picture.data)
    frames += _chapters(found.markers)
    return b"ID3\x04\0\0" + _safe(len(frames)) + frames if frames else b""


def _chapters(markers):
    if not markers:
        return b""
    names, frames = [], b""
    ends = [m.start + m.length for m in markers]
    for i, marker in enumerate(markers):
        name = b"chp%d\0" % i
        end = ends[i]
        if not marker.length and i + 1 < len(markers):
            end = markers[i + 1].start
        times = struct.pack(">II", *(_ms(t) for t in (marker.start, end)))
        title = (
            _frame(b"TIT2", b"\x03" + marker.label.encode()) if marker.label else b""
        )
        frames += _frame(b"CHAP", name + times + b"\xff" * 8 + title)
        names.append(name)
    # the count is a byte
    toc = b"toc\0\x03" + bytes([min(255, len(names))]) + b"".join(names[:255])
    return _frame(b"CTOC", toc) + frames


def _ms(seconds):
    return min(2**32 - 1, round(seconds * 1000))


def _frame(name, payload):
    return name + _safe(len(payload)) + bytes(2) + payload


def _safe(value):
    if value >= 2**28:
        raise ValueError("too large for ID3")
    return bytes(value >> shift & 127 for shift in (21, 14, 7, 0))
