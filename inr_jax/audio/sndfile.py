"""Decoding by libsndfile, also of what its headers tell wrongly."""

from collections.abc import Iterator
from typing import IO

import numpy as np
import soundfile

from inr_jax.audio import containers

# What libsndfile reads without a header, to read on behind the length of a wrong one.
_HEADERLESS = ("PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")
_HEADERLESS += ("ULAW", "ALAW")
_BLOCK = 2**20  # samples; a header may tell of more than there is memory for


class Reader:
    """An open file that libsndfile reads.

    Attributes:
      sample_rate: In Hz, of its first link.
      num_channels: The same.
      num_samples: Of all links, as their headers tell; huge where they do not know.
      subtype: libsndfile's name of the sample format.
      extension: The usual one of its format.
      bit_rate: Bits per second of a lossy codec, else None.
      is_mpeg: Whether it is MPEG audio, whose length libsndfile does not know.
      declared_s: Seconds that the header tells of; None where that is all there is.
      is_whole: Whether the end is there.
      start_s: Where its sound starts.
      num_tracks: One.
      has_pictures: False.
    """

    start_s, num_tracks, has_pictures, num_damaged = 0.0, 1, False, 0

    def __init__(self, file: IO[bytes], name: str):
        """Reads the headers.

        Raises:
          soundfile.LibsndfileError: no file of libsndfile's.
        """
        self._file, self._links = file, containers.links(file)
        self._extent = containers.extent(file) if len(self._links) == 1 else None
        with self._opened(self._links[0]) as sound:
            self.sample_rate, self.num_channels = sound.samplerate, sound.channels
            self.subtype, form = sound.subtype, sound.format
            self.num_samples = sound.frames
        self.extension = _extension(form, self.subtype)
        self.is_mpeg = form == "MP3" or self.subtype.startswith("MPEG")
        for link in self._links[1:]:
            with self._opened(link) as sound:
                self.num_samples += sound.frames
        self.is_whole = self._links[-1].is_whole
        self.declared_s = None
        if found := self._extent:
            if found.declared and found.present < found.declared:
                share = found.declared / max(1, found.present)
                self.declared_s = share * self.num_samples / self.sample_rate
        elif len(self._links) == 1 and form == "FLAC":
            self.declared_s = self.num_samples / self.sample_rate
        seconds = max(1, self.num_samples) / self.sample_rate
        self.bit_rate = None
        if form == "OGG":
            self.bit_rate = round(8 * containers.size(file) / seconds)

    def blocks(self, num_samples: int) -> Iterator[tuple[int, np.ndarray]]:
        """Sample rates and blocks (samples, channels) of float32.

        Raises:
          soundfile.LibsndfileError: damaged.
        """
        for link in self._links:
            with self._opened(link) as sound:
                count = min(num_samples, _BLOCK)
                while len(block := sound.read(count, "float32", always_2d=True)):
                    yield sound.samplerate, block

    def _opened(self, link):
        span = self._file
        if len(self._links) > 1:
            span = containers.Span(self._file, link.start, link.stop)
        span.seek(0)
        sound = soundfile.SoundFile(span)
        found = self._extent
        if found is None or not found.is_wrong or sound.subtype not in _HEADERLESS:
            return sound
        rate, channels, subtype = sound.samplerate, sound.channels, sound.subtype
        sound.close()
        stop = found.start + found.present
        data = containers.Span(self._file, found.start, stop)
        return soundfile.SoundFile(
            data, "r", rate, channels, subtype, found.endian, "RAW"
        )


def _extension(form, subtype):
    special = {"OGG": "opus" if subtype == "OPUS" else "ogg", "WAVEX": "wav"}
    return special.get(form, form.lower())
