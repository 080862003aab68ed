"""Files made of chunks: an id, a size, a payload, a pad."""

import os
import struct
from collections.abc import Iterator
from typing import IO, NamedTuple

from inr_jax.audio.metadata.model import Range

_PRINTABLE = frozenset(range(32, 127))
_FILES = (b"RIFF", b"RF64", b"BW64", b"FORM", b"caff")


class Layout(NamedTuple):
    """How a family writes its chunks.

    Attributes:
      header: Bytes in front of the first chunk.
      id_size: Bytes of an id.
      size: Of the size, as `struct` has it.
      alignment: Chunks start at multiples of it.
      counts_itself: Whether the size includes id and size.
    """

    header: int
    id_size: int
    size: str
    alignment: int
    counts_itself: bool = False

    @property
    def head(self) -> int:
        """Bytes of id and size."""
        return self.id_size + struct.calcsize(self.size)

    def padding(self, size: int) -> int:
        """Bytes between a payload and the next chunk."""
        return -size % self.alignment

    def head_of(self, name: bytes, size: int) -> bytes:
        """Id and size of a chunk whose payload has `size` bytes."""
        return name + struct.pack(self.size, size + self.head * self.counts_itself)

    def chunk(self, name: bytes, payload: bytes) -> bytes:
        """A whole chunk."""
        size = len(payload)
        return self.head_of(name, size) + payload + bytes(self.padding(size))


RIFF = Layout(12, 4, "<I", 2)
AIFF = Layout(12, 4, ">I", 2)
W64 = Layout(40, 16, "<Q", 8, counts_itself=True)
CAF = Layout(8, 4, ">q", 1)


class Chunk(NamedTuple):
    """Where a chunk is.

    Attributes:
      id: Its name.
      start: Of the payload.
      size: Of the payload, as far as the file goes.
      is_whole: Whether the file goes so far.
    """

    id: bytes
    start: int
    size: int
    is_whole: bool

    def read(self, file: IO[bytes]) -> bytes:
        """The payload.

        Raises:
          ValueError: it is cut short.
        """
        if not self.is_whole:
            raise ValueError("a chunk without its end")
        file.seek(self.start)
        return file.read(self.size)


def walk(
    file: IO[bytes], layout: Layout, sizes: dict[bytes, int] | None = None
) -> Iterator[Chunk]:
    """Chunks in order, up to the end of the file or the first that goes beyond it.

    They also end at what is none: sound whose chunk states no size, as of recorders that
    did not finish, and another file behind the first.

    Args:
      file: Open for reading.
      layout: Of the file.
      sizes: Of chunks that state theirs elsewhere; looked up when one is reached.
    """
    end = file.seek(0, os.SEEK_END)
    position = layout.header
    while position + layout.head <= end:
        file.seek(position)
        name = file.read(layout.id_size)
        (size,) = struct.unpack(layout.size, file.read(layout.head - layout.id_size))
        size = (sizes or {}).get(name, size - layout.head * layout.counts_itself)
        if layout.id_size == 4 and (name in _FILES or not _PRINTABLE.issuperset(name)):
            return
        start = position + layout.head
        is_whole = 0 <= size <= end - start
        yield Chunk(name, start, size if is_whole else end - start, is_whole)
        if not is_whole:
            return
        position = start + size + layout.padding(size)


class Block(NamedTuple):
    """A chunk to copy, and whether it was in front of the sound."""

    id: bytes
    payload: bytes
    is_in_front: bool = False


def around(
    chunks: list[Chunk], layout: Layout, kept: set[bytes], data: bytes, blocks: list
) -> list[bytes | Range]:
    """What follows a file's header: its own chunks, and blocks of another file.

    Args:
      chunks: Of the file.
      layout: Of the file.
      kept: Names of its own chunks that stay.
      data: Name of the one with the sound.
      blocks: To put before and behind it, `Block`s.
    """
    front = [layout.chunk(b.id, b.payload) for b in blocks if b.is_in_front]
    behind = [layout.chunk(b.id, b.payload) for b in blocks if not b.is_in_front]
    pieces: list[bytes | Range] = []
    for chunk in chunks:
        if chunk.id == data:
            # nothing follows a chunk that goes up to the end, whatever that is
            pieces += front if chunk.is_whole else front + behind
        if chunk.id in kept:
            pieces.append(Range(chunk.start - layout.head, layout.head + chunk.size))
            pieces.append(bytes(layout.padding(chunk.size)))
        if chunk.id == data and chunk.is_whole:
            pieces += behind
    return pieces


def length(pieces: list[bytes | Range]) -> int:
    """Bytes of all pieces."""
    return sum(p.size if isinstance(p, Range) else len(p) for p in pieces)
