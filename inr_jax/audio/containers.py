"""Where the audio data of a file lies, by its bytes rather than by its header.

Recorders that die leave a length of zero, streams one of 4 GB, and files that were put
one behind the other the length of the first.
"""

import io
import math
import os
import struct
import zlib
from collections.abc import Iterator
from typing import IO, NamedTuple

# Lengths that mean "unknown": of recorders that died and of streams.
PLACEHOLDERS = {0, *range(0x7FFFF000, 0x80000001), *range(0xFFFFFF00, 0x100000000)}
# A name of a W64 chunk is a RIFF name and one of these; the second is that of lists.
W64_TAILS = (
    bytes.fromhex("f3acd3118cd100c04f8edb8a"),
    bytes.fromhex("912fcf11a5d628db04c10000"),
)
_TAGS = (b"TAG", b"ID3", b"APETAGEX", b"LYRICS")  # they follow sound in any format
_FLAC = b"fLaC\x00\x00\x00\x22"  # with the header of the block that comes first
# How other files begin that are known by it wherever it is: bytes of that.
_BEGINNINGS = {b"FLV\x01": 13, b"TTA1": 6, b"#!AM": 6}
ASF, MATROSKA = b"0&\xb2u", b"\x1aE\xdf\xa3"  # how they begin
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_HEAD = 2**16  # bytes in which the properties are
_SEGMENT = bytes.fromhex("18538067")  # all of a Matroska file but its header
_BEGINS, _ENDS = 2, 4  # flags of Ogg pages
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_TAGGED = (b"RIFF", b"FORM", b"fLaC", b"OggS")  # what players' tags are put in front of
_HEAD = 2**20  # bytes in which the sound of a damaged WAV file begins


class Link(NamedTuple):
    """A part of a file that is a file of its own.

    Attributes:
      start: First byte.
      stop: Behind the last byte.
      is_whole: Whether its last part is there, where its format marks it.
      is_intact: Whether the sums of its parts are right, of Ogg.
    """

    start: int
    stop: int
    is_whole: bool = True
    is_intact: bool = True


class Extent(NamedTuple):
    """The bytes of uncompressed sound.

    Attributes:
      start: First byte.
      present: How many there are.
      declared: The number that the header states; None where it states none.
      endian: "LITTLE" or "BIG".
    """

    start: int
    present: int
    declared: int | None
    endian: str


class Span(io.RawIOBase):
    """A stretch of an open file, as a file of its own."""

    def __init__(self, file: IO[bytes], start: int, stop: int):
        """Reads from `start` and up to `stop`."""
        super().__init__()
        self._file, self._start, self._stop, self._at = file, start, stop, start
        self._patches = []

    def patch(self, at: int, data: bytes) -> None:
        """Has other bytes read at a place, counted from the start."""
        self._patches.append((self._start + at, data))

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Bytes from the start of the stretch."""
        return self._at - self._start

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of any file."""
        origins = {os.SEEK_SET: self._start, os.SEEK_CUR: self._at}
        self._at = origins.get(whence, self._stop) + offset
        return self.tell()

    def readinto(self, buffer) -> int:
        """As of any file; there is nothing outside of the stretch."""
        if not self._start <= self._at < self._stop:  # a damaged header leads anywhere
            return 0
        self._file.seek(self._at)
        data = self._file.read(max(0, min(len(buffer), self._stop - self._at)))
        for at, patch in self._patches:
            data = self._patched(data, at, patch)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _patched(self, data, at, patch):
        first = max(self._at, at)
        last = min(self._at + len(data), at + len(patch))
        if first >= last:
            return data
        own = patch[first - at : last - at]
        return data[: first - self._at] + own + data[last - self._at :]


def without_length(file: IO[bytes], link: Link) -> tuple[Span, int]:
    """A FLAC file with an unknown length in its header, and the one that it states."""
    span = Span(file, link.start, link.stop)
    stated = int.from_bytes(bytes_at(file, link.start + 21, 5), "big")
    span.patch(21, (stated >> 36 << 36).to_bytes(5, "big"))
    return span, stated & (2**36 - 1)


def size(file: IO[bytes]) -> int:
    """Bytes of an open file."""
    return file.seek(0, os.SEEK_END)


def links(file: IO[bytes]) -> list[Link]:
    """The files that a file was put together from, one as a rule.

    Ogg has chains of them by its standard; the others come from people who joined files.
    """
    stop, head = size(file), bytes_at(file, 0, 12)
    if (front := front_tags(file)) and bytes_at(file, front, 4) in _TAGGED:
        found = links(Span(file, front, stop))
        return [x._replace(start=front + x.start, stop=front + x.stop) for x in found]
    if head[:4] == b"OggS":
        return _ogg_links(file, stop)
    if head[:4] == b"fLaC":
        starts = [0, *(at for at in _found(file, _FLAC) if at)]
    elif length := _BEGINNINGS.get(head[:4]):
        starts = list(_found(file, bytes_at(file, 0, length)))
    elif end := _ENDS_OF.get(head[4:8] if head[4:8] == b"ftyp" else head[:4]):
        starts = list(_starts(file, end, stop)) or [0]
    else:
        starts = [0]
        if front or is_mpeg(file):
            stop = without_end_tags(file, front, stop)
    stops = [*starts[1:], stop]
    return [Link(*ends) for ends in zip(starts, stops, strict=True)]


def _starts(file, end, stop):
    """Where files of one kind begin, each at the end of the one before."""
    start, head = 0, bytes_at(file, 0, 12)
    is_mp4 = head[4:8] == b"ftyp"
    while start + 12 < stop:
        own = bytes_at(file, start, 12)
        same = own[4:8] == b"ftyp" if is_mp4 else own[:4] == head[:4]
        if not same or own[8:] == b"AVIX":  # a long AVI file continues
            return
        yield start
        before = start
        try:
            start = end(file, start, stop)
        except struct.error:  # the header itself ends early
            return
        if start <= before:  # its header is wrong
            return


def _riff_end(file, start, stop):
    (length,) = struct.unpack("<I", bytes_at(file, start + 4, 4))
    return start + 8 + length + length % 2


def _rf64_end(file, start, stop):
    if bytes_at(file, start + 12, 4) != b"ds64":
        return stop
    (length,) = struct.unpack("<Q", bytes_at(file, start + 20, 8))
    return start + 8 + length + length % 2 if length else stop


def _w64_end(file, start, stop):
    (length,) = struct.unpack("<Q", bytes_at(file, start + 16, 8))
    end = start + length
    if not start < end < stop:  # it is the last, or died
        return stop
    return end if bytes_at(file, end, 4) == b"riff" else start + -(-length // 8) * 8


def _form_end(file, start, stop):
    (length,) = struct.unpack(">I", bytes_at(file, start + 4, 4))
    return start + 8 + length + length % 2


def _au_end(file, start, stop):
    offset, length = struct.unpack(">II", bytes_at(file, start + 4, 8))
    return start + offset + length


def _caf_end(file, start, stop):
    at = start + 8
    while at + 12 <= stop and bytes_at(file, at, 4) != b"caff":
        (length,) = struct.unpack(">q", bytes_at(file, at + 4, 8))
        at = stop if length < 0 else at + 12 + length
    return at


def _mp4_end(file, start, stop):
    at = start
    while at + 8 <= stop and (at == start or bytes_at(file, at + 4, 4) != b"ftyp"):
        (length,) = struct.unpack(">I", bytes_at(file, at, 4))
        if length == 1:
            (length,) = struct.unpack(">Q", bytes_at(file, at + 8, 8))
        at = at + length if length >= 8 else stop
    return at


def matroska_end(file: IO[bytes], start: int) -> int | None:
    """Where the header of a Matroska file says that it ends; None of a stream."""
    at = start
    for _ in range(8):  # the header, and at most a little that fills up
        name = bytes_at(file, at, _ebml_width(file, at))
        at += len(name)
        width = _ebml_width(file, at)
        unknown = 2 ** (7 * width) - 1
        length = int.from_bytes(bytes_at(file, at, width), "big") & unknown
        at += width + length
        if name == _SEGMENT:
            return None if length == unknown else at
    return None


def _ebml_width(file, at):
    """Bytes of an ID or a length: one more than its first byte has leading zeros."""
    return 9 - bytes_at(file, at, 1)[0].bit_length()


def _matroska_end(file, start, stop):
    try:
        return matroska_end(file, start) or stop
    except IndexError:  # the header itself ends early
        return stop


def asf_length(file: IO[bytes], start: int) -> tuple[int, float | None]:
    """Bytes and seconds that the header of an ASF file states; 0 and None if unknown.

    Raises:
      struct.error: the header itself ends early.
    """
    head = bytes_at(file, start, _ASF_HEAD)
    at = head.find(_ASF_PROPERTIES)
    if at < 0:
        return 0, None
    fields = struct.unpack_from("<QQQQQQI", head, at + 40)
    num_bytes, _, _, ticks, _, preroll_ms, flags = fields
    if flags & 1:  # broadcast: it was not known
        return 0, None
    seconds = ticks / 1e7 - preroll_ms / 1e3
    return num_bytes, seconds if seconds > 0 else None


def _asf_end(file, start, stop):
    length, _ = asf_length(file, start)
    return start + length if length else stop


_ENDS_OF = {
    MATROSKA: _matroska_end,
    ASF: _asf_end,
    b"RIFF": _riff_end,
    b"RF64": _rf64_end,
    b"BW64": _rf64_end,
    b"riff": _w64_end,
    b"FORM": _form_end,
    b".snd": _au_end,
    b"caff": _caf_end,
    b"ftyp": _mp4_end,
}


def _found(file, pattern, step=2**22) -> Iterator[int]:
    """Places of a pattern."""
    place, kept = 0, b""
    file.seek(0)
    while data := file.read(step):
        data, at = kept + data, -1
        while (at := data.find(pattern, at + 1)) >= 0:
            yield place + at
        kept = data[1 - len(pattern) :]
        place += len(data) - len(kept)


def _ogg_links(file, stop):
    """A link begins where a page begins a stream and one before it did not."""
    found: list[Link] = []
    start = at = 0
    began, ended, is_intact, counts = False, False, True, {}
    while at + 27 <= stop:
        head = bytes_at(file, at, 27)
        if head[5] & _BEGINS and not began and at > start:
            found.append(Link(start, at, ended, is_intact))
            start, is_intact, counts = at, True, {}
        serial, count = struct.unpack("<II", head[14:22])
        is_intact &= count == counts.get(serial, count)  # else pages are missing
        counts[serial] = count + 1
        began, ended = bool(head[5] & _BEGINS), bool(head[5] & _ENDS)
        end = at + 27 + head[26] + sum(bytes_at(file, at + 27, head[26]))
        if end != stop and bytes_at(file, end, 4) != b"OggS":
            # damaged: the next page may begin inside of what this one claims
            rest = Span(file, at + 4, stop)
            at = next((at + 4 + i for i in _found(rest, b"OggS")), stop)
            ended = ended and at >= end
            begins = any(flags & _BEGINS for flags in bytes_at(file, at + 5, 1))
            is_intact &= begins or at == stop
        else:
            is_right = _has_right_sum(bytes_at(file, at, end - at))
            is_intact, ended = is_intact and is_right, ended and is_right
            at = end
    return [*found, Link(start, stop, ended and at == stop, is_intact)]


def _has_right_sum(page):
    return page[22:26] == ogg_checksum(page)


def ogg_checksum(page: bytes) -> bytes:
    """The CRC of an Ogg page: zlib's, of mirrored bits, and nothing inverted."""
    others = page[:22] + bytes(4) + page[26:]
    found = zlib.crc32(others.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return found.to_bytes(4, "big").translate(_MIRRORED)


def extent(file: IO[bytes]) -> Extent | None:
    """Where uncompressed sound lies; None of other formats and of broken headers."""
    kind = bytes_at(file, 0, 4)
    reader = {
        b"RIFF": _riff,
        b"RIFX": _riff,
        b"RF64": _riff,
        b"BW64": _riff,
        b"FORM": _aiff,
        b"riff": _w64,
        b"caff": _caf,
        b".snd": _au,
        b"dns.": _au,
        b"NIST": _nist,
        b"Crea": _voc,
    }.get(kind)
    try:
        return reader and reader(file, size(file))
    except struct.error:  # the header itself ends early
        return None


def _riff(file, stop):
    order = ">" if bytes_at(file, 0, 4) == b"RIFX" else "<"
    length_64 = None
    for name, at, length in _chunks(file, 12, stop, order):
        if name == b"ds64":
            (length_64,) = struct.unpack("<Q", bytes_at(file, at + 8, 8))
        if name == b"data":
            if length == 0xFFFFFFFF and length_64:
                length = length_64
            endian = "BIG" if order == ">" else "LITTLE"
            return _extent(file, at, length, stop, endian)
    return None


def padded_bits(file: IO[bytes]) -> tuple[int, bytes] | None:
    """Where a WAV file states bits of fewer bytes than its samples take, and the bits.

    Returns:
      None where both agree; standards allow nothing else.
    """
    if bytes_at(file, 0, 4) not in (b"RIFF", b"RF64"):
        return None
    stop = size(file)
    for name, at, _ in _chunks(file, 12, stop, "<"):
        if name == b"fmt " and at + 16 <= stop:
            fields = struct.unpack("<HHIIHH", bytes_at(file, at, 16))
            tag, channels, _, _, block, bits = fields
            width = block // max(1, channels)
            is_padded = tag == 0xFFFE and -(-bits // 8) < width <= 4
            return (at + 14, struct.pack("<H", 8 * width)) if is_padded else None
    return None


def more_extents(file: IO[bytes], first: Extent) -> list[Extent]:
    """The sound in further "data" chunks of a WAV file, behind the first."""
    head, stop = bytes_at(file, 0, 4), size(file)
    if head not in (b"RIFF", b"RIFX") or first.declared != first.present:
        return []
    order, at = ("<" if head == b"RIFF" else ">"), first.start + first.present
    chunks = _chunks(file, at + first.present % 2, stop, order)
    return [
        Extent(start, min(length, stop - start), length, first.endian)
        for name, start, length in chunks
        if name == b"data"
    ]


def _aiff(file, stop):
    endian = "BIG"
    for name, at, length in _chunks(file, 12, stop, ">"):
        if name == b"COMM" and bytes_at(file, at + 18, 4) == b"sowt":
            endian = "LITTLE"
        if name == b"SSND":
            (offset,) = struct.unpack(">I", bytes_at(file, at, 4))
            length = max(0, length - 8 - offset) if length else 0
            return _extent(file, at + 8 + offset, length, stop, endian)
    return None


def _chunks(file, at, stop, order):
    """Name, place and length of the content of each chunk."""
    while at + 8 <= stop:
        name, length = struct.unpack(f"{order}4sI", bytes_at(file, at, 8))
        yield name, at + 8, length
        at += 8 + length + length % 2


def _w64(file, stop):
    at = 40
    while at + 24 <= stop:
        name, length = struct.unpack("<4s12xQ", bytes_at(file, at, 24))
        following = at + max(24, -(-length // 8) * 8)
        if name == b"data":
            if bytes_at(file, following + 4, 12) in W64_TAILS:  # a chunk of its own
                return Extent(at + 24, length - 24, length - 24, "LITTLE")
            return _extent(file, at + 24, max(0, length - 24), stop, "LITTLE")
        at = following
    return None


def _caf(file, stop):
    at, endian = 8, "BIG"
    while at + 12 <= stop:
        name, length = struct.unpack(">4sq", bytes_at(file, at, 12))
        if name == b"desc":  # rate, format, flags
            (flags,) = struct.unpack(">I", bytes_at(file, at + 24, 4))
            endian = "LITTLE" if flags & 2 else "BIG"
        if name == b"data":  # behind the count of edits
            length = 0 if length < 0 else length - 4
            return _extent(file, at + 16, length, stop, endian)
        at += 12 + max(0, length)
    return None


def _au(file, stop):
    order, endian = (">", "BIG") if bytes_at(file, 0, 1) == b"." else ("<", "LITTLE")
    start, length = struct.unpack(f"{order}II", bytes_at(file, 4, 8))
    return _extent(file, start, length, stop, endian)


def _nist(file, stop):
    """SPHERE: lines of a name, a type and a value; the second is the header's length."""
    head = bytes_at(file, 0, 1024)
    fields = {x[0]: x[2] for line in head.split(b"\n") if len(x := line.split()) == 3}
    names = b"sample_count", b"channel_count", b"sample_n_bytes"
    try:
        start = int(head.split(b"\n")[1])
        length = math.prod(int(fields[name]) for name in names)
    except (KeyError, ValueError):
        return None
    endian = "BIG" if fields.get(b"sample_byte_format") == b"10" else "LITTLE"
    return Extent(start, min(length, max(0, stop - start)), length, endian)


def _voc(file, stop):
    """Of a Creative Voice file that is one block of sound as a rule."""
    (at,) = struct.unpack("<H", bytes_at(file, 20, 2))
    (head,) = struct.unpack("<I", bytes_at(file, at, 4))
    kind, length = head & 0xFF, head >> 8
    skipped = {1: 2, 9: 12}.get(kind)
    if skipped is None:
        return None
    start, length = at + 4 + skipped, length - skipped
    return Extent(start, min(length, max(0, stop - start)), length, "LITTLE")


def _extent(file, start, declared, stop, endian):
    left = max(0, stop - start)
    if declared in PLACEHOLDERS and declared > left:
        return Extent(start, left, None, endian)
    if declared > left:
        return Extent(start, left, declared, endian)
    if not _is_sound(file, start + declared, stop, endian):
        return Extent(start, declared, declared, endian)
    return Extent(start, left, declared or None, endian)


def _is_sound(file, at, stop, endian):
    """Whether bytes behind the declared end are neither chunks, tags nor padding."""
    for start in (at, at + 1):
        head = bytes_at(file, start, 8)
        if head.startswith(_TAGS) or _is_chunk(head, stop - start - 8, endian):
            return False
    file.seek(at)
    return any(any(data) for data in iter(lambda: file.read(2**20), b""))


def _is_chunk(head, left, endian):
    if len(head) < 8:
        return True
    is_name = all(32 <= byte < 127 for byte in head[:4])
    order = "<" if endian == "LITTLE" else ">"
    return is_name and struct.unpack(f"{order}I", head[4:])[0] <= left + 1


def mp3_samples(file: IO[bytes], per_frame: int) -> int | None:
    """Samples of an MP3 file as its Xing or Info header states; None without one.

    Args:
      file: Open.
      per_frame: Samples of a frame.
    """
    frame = bytes_at(file, front_tags(file), 2048)
    at = max(frame.find(b"Xing"), frame.find(b"Info"))
    if at < 0 or len(frame) < at + 144 or not frame[at + 7] & 1:
        return None
    (count,) = struct.unpack(">I", frame[at + 8 : at + 12])
    filled = int.from_bytes(frame[at + 141 : at + 144], "big")  # twice 12 bits, LAME's
    is_known = frame[at + 120 : at + 122] in (b"LA", b"La")
    return count * per_frame - is_known * ((filled >> 12) + (filled & 0xFFF))


def is_mpeg(file: IO[bytes]) -> bool:
    """Whether it begins as MP3 and ADTS do: with a tag or a frame."""
    head = bytes_at(file, 0, 3)
    return head == b"ID3" or head[:1] == b"\xff" and head[1:2] >= b"\xe0"


def without_end_tags(file: IO[bytes], front: int, stop: int) -> int:
    """Where ID3v1, APEv2 and Lyrics3 tags at the end of MPEG audio begin.

    Args:
      file: Open.
      front: Bytes of what is in front of the sound.
      stop: Where the last tag ends.
    """
    while 0 < (length := _end_tag(file, stop)) <= stop - front:
        stop -= length
    return stop


def _end_tag(file, end):
    """Bytes of the tag that ends here."""

    def last(count, size):
        return bytes_at(file, max(0, end - count), size)

    if last(128, 3) == b"TAG":
        return 128
    foot = last(32, 32)
    if foot[:8] == b"APETAGEX":
        has_head = foot[23] & 128
        return int.from_bytes(foot[12:16], "little") + 32 * bool(has_head)
    foot = last(15, 15)
    if foot[6:] == b"LYRICS200" and foot[:6].isdigit():
        return int(foot[:6]) + 15
    return 0


def front_tags(file: IO[bytes]) -> int:
    """Bytes of all ID3 tags at the beginning of a file."""
    total = 0
    while length := id3_size(bytes_at(file, total, 10)):
        total += length
    return total


def id3_size(head: bytes) -> int:
    """Bytes of the ID3 tag that begins with these ten; 0 where there is none.

    Its length is in four times seven bits, without the head and, in version 2.4, a foot
    of ten bytes each.
    """
    if len(head) < 10 or head[:3] != b"ID3" or max(head[6:10]) > 127:
        return 0
    length = sum(byte << 7 * (3 - i) for i, byte in enumerate(head[6:10]))
    return 10 + length + (10 if head[5] & 16 else 0)


def rebuilt_wav(file: IO[bytes], link: Link) -> Span | None:
    """A WAV file whose chunks are damaged, with a new header right before its sound.

    Returns:
      None where it is no WAV file, or its format or its sound cannot be found.
    """
    head = bytes_at(file, link.start, min(_HEAD, link.stop - link.start))
    described = head.find(b"fmt ")
    start = head.find(b"data", described) + 8
    if head[:4] != b"RIFF" or described < 0 or start < 8:
        return None
    (length,) = struct.unpack_from("<I", head, described + 4)
    format_chunk = head[described : described + 8 + length]
    header = b"RIFF\xff\xff\xff\xffWAVE" + format_chunk + b"data\xff\xff\xff\xff"
    if len(header) > start:
        return None
    span = Span(file, link.start + start - len(header), link.stop)
    span.patch(0, header)
    return span


def bytes_at(file: IO[bytes], at: int, count: int) -> bytes:
    """Bytes at a place, fewer where the file ends."""
    file.seek(at)
    return file.read(count)
