"""Ogg Vorbis and Opus: the comments in the second packet (RFC 3533, 7845).

Where its pages become more or fewer, those that follow get new numbers and checksums.
"""

import os
from collections.abc import Iterator
from typing import IO, NamedTuple

from inr_jax.audio.containers import ogg_checksum
from inr_jax.audio.metadata import vorbis
from inr_jax.audio.metadata.model import LARGEST, Metadata, Range, splice

FAMILY = "ogg"
# Of each codec: how its first and its comment packet begin, packets in the header, and
# where the first states the sample rate.
_CODECS = {
    b"\x01vorbis": (b"\x03vorbis", 3, 12),
    b"OpusHead": (b"OpusTags", 2, 12),
}


class Page(NamedTuple):
    """Where a page is, and what its head says."""

    start: int
    head: bytes  # with the table of segments
    size: int  # of what follows the head

    @property
    def serial(self):
        """Of the stream."""
        return self.head[14:18]


def _pages(file: IO[bytes]) -> Iterator[Page]:
    position = 0
    while True:
        file.seek(position)
        head = file.read(27)
        if len(head) < 27 or head[:4] != b"OggS":
            return
        table = file.read(head[26])
        page = Page(position, head + table, sum(table))
        yield page
        position += len(page.head) + page.size


class _Header(NamedTuple):
    """The packets in front of the sound."""

    packets: list[bytes]
    serial: bytes
    num_pages: int
    end: int  # where the sound begins
    codec: tuple[bytes, int, int]


def _header(file: IO[bytes]) -> _Header:
    """Reads the packets in front.

    Raises:
      ValueError: another codec, several streams, or a damaged file.
    """
    packets, packet, codec, total = [], b"", None, 0
    for number, page in enumerate(_pages(file), 1):
        if number == 1:
            serial = page.serial
        elif page.serial != serial:
            raise ValueError("several streams")
        file.seek(page.start + len(page.head))
        data, position = file.read(page.size), 0
        total += page.size
        if total > LARGEST:
            raise ValueError("too large")
        for length in page.head[27:]:
            packet += data[position : position + length]
            position += length
            if length < 255:
                packets.append(packet)
                packet = b""
        if codec is None:
            codec = next(c for k, c in _CODECS.items() if packets[0].startswith(k))
        if len(packets) == codec[1] and not packet:
            end = page.start + len(page.head) + page.size
            if not packets[1].startswith(codec[0]):
                raise ValueError("no comments")
            return _Header(packets, serial, number, end, codec)
    raise ValueError("cut short")


def read(file: IO[bytes]) -> Metadata:
    """What a file holds.

    Raises:
      ValueError: it is of another codec.
    """
    found = Metadata(FAMILY)
    header = _header(file)
    at = header.codec[2]
    found.rate = int.from_bytes(header.packets[0][at : at + 4], "little")
    with found.reading("tags"):
        vorbis.read(header.packets[1][len(header.codec[0]) :], found)
    return found


def write(path: str | os.PathLike, found: Metadata) -> list[str]:
    """Puts it into a finished file; returns names of what does not go in."""
    with open(path, "rb") as file:
        header = _header(file)
        name = header.codec[0]
        vendor = vorbis.vendor(header.packets[1][len(name) :])
        comments = name + vorbis.build(vendor, found, with_pictures=True)
        # Vorbis ends its comments with a set bit
        comments += b"\x01" if name == b"\x03vorbis" else b""
        first, _, *others = header.packets
        front = [*_paged([first], header.serial, 0, b"\x02")]
        front += _paged([comments, *others], header.serial, 1, b"\0")
        # of the sound, only numbers change
        shift = len(front) - header.num_pages
        splice(path, [*front, *_shifted(file, header, shift)])
    return list(found.others)


def _paged(packets, serial, number, kind):
    """Pages of whole packets of a header."""
    segments = []
    for packet in packets:
        for start in range(0, len(packet) + 1, 255):
            segments.append(packet[start : start + 255])
    for start in range(0, len(segments), 255):
        body = segments[start : start + 255]
        # the flag of a page that begins inside of a packet
        flag = b"\x01" if start and len(segments[start - 1]) == 255 else kind
        # no packet ends here
        is_inside = all(len(segment) == 255 for segment in body)
        granule = b"\xff" * 8 if is_inside else bytes(8)
        head = b"OggS\0" + flag + granule + serial + number.to_bytes(4, "little")
        head += bytes(4) + bytes([len(body)]) + bytes(map(len, body))
        yield _summed(head + b"".join(body))
        number += 1


def _summed(page):
    """A page with its checksum."""
    return page[:22] + ogg_checksum(page) + page[26:]


def _shifted(file, header, shift):
    """What follows the header, with other numbers of its pages."""
    end = file.seek(0, os.SEEK_END)
    if not shift:
        yield Range(header.end, end - header.end)
        return
    for page in _pages(file):
        if page.start < header.end:
            continue
        if page.serial != header.serial:
            yield Range(page.start, len(page.head) + page.size)
            continue
        file.seek(page.start)
        whole = file.read(len(page.head) + page.size)
        number = int.from_bytes(whole[18:22], "little") + shift
        yield _summed(whole[:18] + number.to_bytes(4, "little") + whole[22:])
