"""Audio files read block by block, in bounded memory, until nothing more comes."""

import contextlib
import os
from collections.abc import Iterator
from typing import IO

import numpy as np
import soundfile
import soxr

from inr_jax.audio import containers, endings, ffmpeg, sndfile
from inr_jax.errors import InputError

# Values beyond come from broken headers or data, and would fill memory or overflow.
LOWEST_RATE, HIGHEST_RATE = 100, 10_000_000
LOUDEST = 1e12
_BLOCK = 2**16  # samples of a block where no one asks for another size
# Lengths in headers are rounded, and those of tracks count what encoders fill up.
_ROUNDING = 4096, 0.05  # samples, seconds


class FileSource:
    """An audio file, or the sound of a video, that is decoded on demand.

    The first of libsndfile and FFmpeg that reads it reliably does. What cannot be
    decoded, and what was changed, is in `remark` once all is read.

    Attributes:
      path: Of the file, or the open file.
      name: For messages.
      sample_rate: In Hz.
      num_samples: As its header declares or by a guess; 0 where neither is known.
      num_channels: Number of channels.
      subtype: Sample format by libsndfile's name, e.g. "PCM_16", or FFmpeg's name of
        a codec, e.g. "AAC" or "ALAC_24".
      bit_rate: Bits per second of a lossy codec, where it is known.
      extension: The usual one of its format, e.g. "m4a".
      num_tracks: Tracks of sound.
      num_parts: Files that it was joined from, one as a rule.
      has_pictures: Whether it is a video, or has subtitles.
      start_s: Time of its first sample in a video, known when all is read.
      remark: A line on what is missing or was converted; empty until all is read.
    """

    def __init__(
        self,
        path: str | os.PathLike | IO[bytes],
        track: int = 0,
        name: str | None = None,
    ):
        """Reads the header.

        Args:
          path: Or an open file that can seek.
          track: Which track of sound.
          name: For messages, where it is not the path.

        Raises:
          InputError: it cannot be read.
        """
        self.path, self._track = path, track
        self.name = name or _name(path)
        _refuse_what_is_no_file(path)
        with self._reading() as file:
            if not containers.size(file):
                raise InputError(f"{self.name}: cannot read: it is empty")
            self._links, readers = containers.links(file), []
            for link in self._links:
                try:
                    readers.append(self._reader(file, link))
                except InputError as error:  # reported when it is read
                    why = error
            if not readers:
                raise why
        reader, self.num_samples = readers[0], sum(x.num_samples for x in readers)
        self.sample_rate, self.num_channels = reader.sample_rate, reader.num_channels
        self.subtype, self.bit_rate = reader.subtype, reader.bit_rate
        self.extension, self.num_tracks = reader.extension, reader.num_tracks
        self.has_pictures, self.start_s, self.remark = reader.has_pictures, 0.0, ""
        self.num_parts = len(self._links)
        if not LOWEST_RATE <= self.sample_rate <= HIGHEST_RATE:
            raise InputError(
                f"{self.name}: {self.sample_rate} Hz is outside of {LOWEST_RATE} to "
                f"{HIGHEST_RATE} Hz"
            )

    @property
    def duration_s(self) -> float:
        """Duration in seconds, as the header declares."""
        return self.num_samples / self.sample_rate

    def blocks(self, num_samples: int = _BLOCK) -> Iterator[np.ndarray]:
        """Blocks of at most `num_samples` samples, float32 (samples, channels).

        Raises:
          InputError: not readable, NaN or infinite samples, or none at all.
        """
        done, self.remark, remarks = 0, "", []
        with self._reading() as file:
            converter = _Converter(self.sample_rate, self.num_channels)
            decoded = self._decoded(file, num_samples, remarks)
            for block in converter.converted(decoded):
                yield checked_samples(block, self.name)
                done += len(block)
        if not done:
            raise InputError(f"{self.name}: holds no samples; empty or cut short")
        remarks = "; ".join(filter(None, [*remarks, converter.remark]))
        self.remark = f"{self.name}: {remarks}" if remarks else ""

    @contextlib.contextmanager
    def first_part(self) -> Iterator[IO[bytes]]:
        """The first of the files that it was joined from, open."""
        with opened(self.path) as file:
            yield _span(file, self._links[0])

    def _decoded(self, file, num_samples, remarks):
        """Blocks of all links, with their rates."""
        is_first = True
        for link in self._links:
            try:
                reader = self._reader(file, link)
            except InputError as error:
                reason = str(error).removeprefix(f"{self.name}: ")
                remarks.append(
                    f"what begins at byte {link.start} is left out: {reason}"
                )
                continue
            done_s = 0.0
            for rate, block in self._link_blocks(reader, file, link, num_samples):
                yield rate, block
                done_s += len(block) / rate
            if is_first:
                self.start_s, is_first = reader.start_s, False
            remarks.append(_ends_early(reader, file, link, done_s))
            remarks.append(_damaged(reader))

    def _link_blocks(self, reader, file, link, num_samples):
        """Blocks of a link; where libsndfile stops, FFmpeg continues."""
        done = 0
        try:
            for rate, block in reader.blocks(num_samples):
                yield rate, block
                done += len(block)
            return
        except soundfile.LibsndfileError as error:
            try:
                other = ffmpeg.Reader(_span(file, link))
            except (ValueError, ImportError):
                if done:
                    reader.num_damaged = 1
                    return
                raise error from None
        for rate, block in other.blocks(num_samples):
            if len(block) > done:
                yield rate, block[done:]
            done = max(0, done - len(block))
        reader.num_damaged, reader.silent_s = other.num_damaged, other.silent_s
        reader.is_cut = other.is_cut

    def _reader(self, file, link):
        """The one that reads this link."""
        why, span, second_choice = None, _span(file, link), None
        if not self._track and not containers.is_mpeg(span):
            try:
                second_choice = sndfile.Reader(file, link)
                if second_choice.knows_length:
                    return second_choice
            except soundfile.LibsndfileError as error:
                why = error
        try:
            return ffmpeg.Reader(span, self._track)
        except ImportError as error:
            reason = f"{error_reason(why)}; " if why else ""
            raise InputError(f"{self.name}: cannot read: {reason}{error}") from None
        except ValueError as error:
            if second_choice:
                return second_choice
            reason = str(error)
            if why and ("Invalid data" in reason or "not recognised" not in str(why)):
                reason = error_reason(why)
            raise InputError(f"{self.name}: cannot read: {reason}") from None

    @contextlib.contextmanager
    def _reading(self):
        """The open file; what goes wrong names it."""
        try:
            with opened(self.path) as file:
                yield file
        except InputError:
            raise
        except (soundfile.LibsndfileError, OSError, TypeError) as error:
            raise InputError(
                f"{self.name}: cannot read: {error_reason(error)}"
            ) from None


def _span(file, link):
    return containers.Span(file, link.start, link.stop)


def _ends_early(reader, file, link, done_s):
    """A remark where less was there than the header states."""
    # half a sample, as seconds are summed block by block
    declared_s, allowed_s = reader.declared_s or 0.0, 0.5 / reader.sample_rate
    found = containers.extent(_span(file, link))
    if found and found.declared and 0 < found.present < found.declared:
        declared_s = done_s * found.declared / found.present
    elif isinstance(reader, ffmpeg.Reader):
        samples, seconds = _ROUNDING
        allowed_s = max(samples / reader.sample_rate, seconds)
    if done_s + allowed_s < declared_s:
        digits = 1 if declared_s - done_s >= 0.1 else 3
        return (
            f"cut short, ends early: {done_s:.{digits}f} of {declared_s:.{digits}f} s "
            "that its header states"
        )
    is_cut = reader.is_cut or not endings.is_complete(_span(file, link))
    if not link.is_whole or is_cut:
        return f"cut short, ends early: after {done_s:.1f} s; its end is lost"
    return ""


def _damaged(reader):
    """A remark where sound could not be decoded."""
    if reader.silent_s:
        return f"{reader.silent_s:.3f} s that are damaged are silence"
    if not (count := reader.num_damaged):
        return ""
    noun = "packets are" if count > 1 else "packet is"
    return f"{count} damaged {noun} left out"


class _Converter:
    """Brings parts of another rate or number of channels to those of the first."""

    def __init__(self, sample_rate, num_channels):
        self._rate, self._channels = sample_rate, num_channels
        self._resampler, self._from_rate = None, sample_rate
        self.remark = ""

    def converted(self, blocks):
        for rate, block in blocks:
            if rate != self._from_rate:
                yield from self._flushed()
                self._from_rate = rate
            if block.shape[1] != self._channels or rate != self._rate:
                self.remark = (
                    f"parts of another rate or number of channels were converted to "
                    f"{self._rate} Hz and {self._channels}"
                )
            block = _with_channels(block, self._channels)
            if rate == self._rate:
                yield block
                continue
            if self._resampler is None:
                self._resampler = soxr.ResampleStream(
                    rate, self._rate, self._channels, dtype="float32"
                )
            if len(block := self._resampler.resample_chunk(block)):
                yield block
        yield from self._flushed()

    def _flushed(self):
        if self._resampler is not None:
            nothing = np.zeros((0, self._channels), np.float32)
            rest = self._resampler.resample_chunk(nothing, last=True)
            self._resampler = None
            if len(rest):
                yield rest


def _with_channels(block, channels):
    """The first channels, or the mean of all for one; one channel goes to all."""
    if block.shape[1] == channels:
        return block
    if channels == 1:
        return block.mean(axis=1, keepdims=True)
    if block.shape[1] == 1:
        return np.repeat(block, channels, axis=1)
    # what does not fit is added to the last, so that nothing is lost
    fitted = np.zeros((len(block), channels), np.float32)
    shared = min(block.shape[1], channels)
    fitted[:, :shared] = block[:, :shared]
    if block.shape[1] > channels:
        fitted[:, -1] = block[:, channels - 1 :].mean(axis=1)
    return fitted


def checked_samples(samples: np.ndarray, name: str) -> np.ndarray:
    """The samples themselves, when they are valid.

    Raises:
      InputError: NaN or infinite samples.
    """
    if not -LOUDEST < samples.min() <= samples.max() < LOUDEST:
        raise InputError(
            f"{name}: holds NaN or infinite samples, or some above {LOUDEST:g} times "
            "full scale"
        )
    return samples


def _refuse_what_is_no_file(path):
    if not isinstance(path, (str, os.PathLike)):
        return
    name = os.fspath(path)
    if not os.path.exists(name):
        raise InputError(f"{name}: no such file")
    if os.path.isdir(name):
        raise InputError(f"{name}: is a folder, not an audio file")
    if not os.path.isfile(name):  # opening a named pipe waits for a writer
        raise InputError(f"{name}: is a device or a pipe, not an audio file")


def opened(
    source: str | os.PathLike | IO[bytes],
) -> contextlib.AbstractContextManager[IO[bytes]]:
    """The source as an open file: libsndfile takes no paths that are not UTF-8."""
    if isinstance(source, (str, os.PathLike)):
        return open(source, "rb")
    source.seek(0)
    return contextlib.nullcontext(source)


def error_reason(error: Exception) -> str:
    """What went wrong, in a few words without the path."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = getattr(error, "error_string", None) or str(error)
    return text.strip().rstrip(".")


def _name(source):
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    return str(getattr(source, "name", "open file"))
