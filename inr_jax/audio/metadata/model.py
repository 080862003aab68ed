"""What belongs to a recording, in terms that every family of files shares."""

import contextlib
import dataclasses
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import IO, Any, NamedTuple

import soundfile

from inr_jax.audio import ffmpeg
from inr_jax.io import atomic

# More than this of one file, in bytes, is no metadata.
LARGEST = 64 * 2**20
_BLOCK = 2**20

# Tags that describe the former coding of the samples.
OF_THE_CODING = {
    *("ENCODER", "ENCODER_SETTINGS", "ITUNSMPB", "MAJOR_BRAND", "MINOR_VERSION"),
    *("COMPATIBLE_BRANDS", "HANDLER_NAME", "VENDOR_ID", "DURATION", "BPS"),
    *("NUMBER_OF_FRAMES", "NUMBER_OF_BYTES"),
}


class Picture(NamedTuple):
    """A cover or another picture.

    Attributes:
      mime: Its kind, e.g. "image/jpeg".
      data: The file.
      kind: What it shows, as ID3 numbers it; 3 is the front cover.
      description: In words.
    """

    mime: str
    data: bytes
    kind: int = 3
    description: str = ""


class Marker(NamedTuple):
    """A cue point, marker or chapter.

    Attributes:
      start: In seconds.
      label: Its name.
      length: In seconds; 0 is a point, or a chapter up to the next one.
    """

    start: Fraction
    label: str = ""
    length: Fraction = Fraction(0)


@dataclasses.dataclass
class Metadata:
    """The metadata of a file.

    Attributes:
      family: Of the file; one of its own takes `blocks` as they are.
      rate: Sample rate in Hz, 0 where the family needs none.
      blocks: All of it, as its family stores it.
      tags: Values of each tag under its Vorbis name.
      pictures: Cover art.
      markers: In order of time.
      channel_mask: Speakers of the channels as in WAVE_FORMAT_EXTENSIBLE; 0 for usual.
      others: Names of blocks that no other family holds.
      damaged: Names of what could not be read.
    """

    family: str
    rate: float = 0
    blocks: list[Any] = dataclasses.field(default_factory=list)
    tags: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    pictures: list[Picture] = dataclasses.field(default_factory=list)
    markers: list[Marker] = dataclasses.field(default_factory=list)
    channel_mask: int = 0
    others: list[str] = dataclasses.field(default_factory=list)
    damaged: list[str] = dataclasses.field(default_factory=list)
    _size: int = 0

    def admit(self, size: int) -> None:
        """Counts bytes that are about to be read.

        Raises:
          ValueError: they are more than metadata have.
        """
        if not 0 <= size <= LARGEST - self._size:
            raise ValueError("too large for metadata")
        self._size += size

    def rescaled(self, function: Callable, ratio: Fraction) -> list[Any]:
        """The blocks by a function of block and ratio; those that break it are left out."""
        if ratio == 1:
            return self.blocks
        blocks = []
        for block in self.blocks:
            with self.reading("positions"):
                blocks.append(function(block, ratio))
        return blocks

    def tag(self, name: str, value: str) -> None:
        """Adds a value, unless it is there or describes the coding."""
        name, value = name.upper() or "COMMENT", value.strip("\0 \r\n\t")
        known = self.tags.get(name, [])
        # Matroska puts the language behind a name
        is_of_the_coding = name.split("-")[0] in OF_THE_CODING or name[0] == "_"
        if value and not is_of_the_coding and value not in known:
            self.tags[name] = [*known, value]

    def add(self, other: "Metadata") -> None:
        """Takes in what another account of the same file holds, and this one does not."""
        for name, values in other.tags.items():
            self.tags.setdefault(name, values)
        self.pictures = self.pictures or other.pictures
        self.markers = self.markers or other.markers
        self.damaged += other.damaged

    def names(self) -> list[str]:
        """What there is, in a word or two each."""
        kinds = {
            "tags": self.tags,
            "cover art": self.pictures,
            "markers": self.markers,
            "channel mask": self.channel_mask,
        }
        return [name for name, found in kinds.items() if found] + self.others

    def without_place(self) -> list[str]:
        """Names of what families hold that know tags, pictures and markers alone."""
        return [*self.others, *(["channel mask"] if self.channel_mask else [])]

    @contextlib.contextmanager
    def reading(self, name: str):
        """Names what is damaged, instead of failing for it."""
        try:
            yield
        # whatever strangers' bytes can raise
        except Exception:  # noqa: BLE001
            self.damaged.append(name)


def text(data: bytes) -> str:
    """Text of unknown encoding, up to its terminator."""
    data = data.split(b"\0", 1)[0]
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


class Range(NamedTuple):
    """Bytes of a file that stay as they are."""

    start: int
    size: int


def splice(path: str | os.PathLike, pieces: Iterable[bytes | Range]) -> None:
    """Rewrites a file as a row of new bytes and ranges of what it was.

    The file is replaced when all of the new one is there, and programs find the same
    sound in it.

    Raises:
      OSError: no space, or the file is shorter than a range of it.
      ValueError: what is new in it hides the sound.
    """
    with (
        replacing(path) as temporary,
        open(path, "rb") as old,
        open(temporary, "wb") as new,
    ):
        for piece in pieces:
            if isinstance(piece, Range):
                _copy(old, new, piece)
            else:
                new.write(piece)


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Gives a path for the file anew, which takes its place with the same sound in it.

    Raises:
      OSError: no space.
      ValueError: programs do not find the same sound in it.
    """
    with atomic.replacing(path) as temporary:
        yield temporary
        try:
            is_same = _by_libsndfile(temporary) == _by_libsndfile(path)
        except soundfile.LibsndfileError:  # a format that FFmpeg alone knows
            is_same = _by_ffmpeg(temporary) == _by_ffmpeg(path)
        if not is_same:
            raise ValueError("not the same sound")


def _by_libsndfile(path):
    """Frames, rate, channels and coding."""
    with (
        open(path, "rb") as file,
        soundfile.SoundFile(file.fileno(), closefd=False) as sound,
    ):
        return sound.frames, sound.samplerate, sound.channels, sound.subtype


def _by_ffmpeg(path):
    """Duration, rate, channels and coding."""
    with open(path, "rb") as file, ffmpeg.opened(file) as container:
        sound = container.streams.audio[0]
        return sound.duration, sound.rate, sound.channels, sound.codec.name


def _copy(old: IO[bytes], new: IO[bytes], piece: Range):
    old.seek(piece.start)
    left = piece.size
    while left:
        block = old.read(min(left, _BLOCK))
        if not block:
            raise OSError(f"{old.name}: ends early")
        new.write(block)
        left -= len(block)
