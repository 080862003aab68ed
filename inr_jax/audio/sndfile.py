"""Decoding by libsndfile, also of files with wrong headers."""

from collections.abc import Iterator
from typing import IO

import numpy as np
import soundfile

from inr_jax.audio import containers, formats

# Bytes of a sample, of what libsndfile reads without a header, where that is wrong.
_WIDTHS = {"PCM_S8": 1, "PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4}
_WIDTHS |= {"FLOAT": 4, "DOUBLE": 8, "ULAW": 1, "ALAW": 1}
_BLOCK = 2**20  # samples; a header may state more than there is memory for
_MOST = 2**50  # samples; more mean a length that is not known


class Reader:
    """An open file that libsndfile reads.

    Attributes:
      sample_rate: In Hz.
      num_channels: Number of channels.
      num_samples: As the header states; 0 where it does not.
      subtype: libsndfile's name of the sample format.
      extension: The usual one of its format.
      bit_rate: Bits per second of a lossy codec, else None.
      knows_length: Not of MPEG audio, not of damaged Ogg, and not of other codecs in
        WAV files whose header does not state it.
      declared_s: Seconds that the header states; None where that is all there is.
      start_s: Where its sound starts.
      num_tracks: One.
      has_pictures: False.
      num_damaged: Packets that could not be decoded.
      silent_s: Seconds of silence in their place.
      is_cut: Whether the last packet is not all there, where that can be known.
    """

    start_s, num_tracks, has_pictures = 0.0, 1, False
    num_damaged, silent_s, is_cut = 0, 0.0, False

    def __init__(self, file: IO[bytes], link: containers.Link):
        """Reads the headers.

        Raises:
          soundfile.LibsndfileError: no file of libsndfile's.
        """
        self._file, self._link = file, link
        self._rebuilt = None
        try:
            sound = soundfile.SoundFile(self._span())
        except soundfile.LibsndfileError:
            self._rebuilt = containers.rebuilt_wav(file, link)
            if self._rebuilt is None:
                raise
            sound = soundfile.SoundFile(self._span())
        self.sample_rate, self.num_channels = sound.samplerate, sound.channels
        self.subtype, form = sound.subtype, sound.format
        self._width = _WIDTHS.get(self.subtype, 0) * self.num_channels
        self._extents = self._found_extents()
        self.declared_s = None
        self.num_samples = 0
        for extent in self._extents or [None]:
            with self._as_long_as_it_is(sound, extent) as sound:
                self.num_samples += sound.frames if sound.frames < _MOST else 0
        if self._is_flac:
            _, self.num_samples = containers.without_length(file, link)
            self.declared_s = self.num_samples / self.sample_rate
        self.extension = _extension(form, self.subtype)
        self.knows_length = form != "MP3" and not self.subtype.startswith("MPEG")
        self.knows_length &= link.is_intact  # what is damaged would be left out
        if self._extents and not self._width:
            self.knows_length &= self._extents[0].declared is not None
        self.bit_rate = None
        if form == "OGG" and self.num_samples:
            num_bits = 8 * (link.stop - link.start)
            self.bit_rate = num_bits * self.sample_rate // self.num_samples

    @property
    def _is_flac(self):
        self._file.seek(self._link.start)
        return self._file.read(4) == b"fLaC"

    def blocks(self, num_samples: int) -> Iterator[tuple[int, np.ndarray]]:
        """Sample rates and blocks (samples, channels) of float32.

        Channels are in the order of WAV files.

        Raises:
          soundfile.LibsndfileError: damaged.
        """
        count = min(num_samples, _BLOCK)
        order = formats.vorbis_order(self.subtype, self.num_channels)
        for extent in self._extents or [None]:
            sound = soundfile.SoundFile(self._span())
            with self._as_long_as_it_is(sound, extent) as sound:
                while len(block := sound.read(count, "float32", always_2d=True)):
                    yield sound.samplerate, block[:, order] if order else block

    def _found_extents(self):
        """Where the sound lies, in one stretch as a rule; none where that is not known."""
        plain = containers.Span(self._file, self._link.start, self._link.stop)
        found = containers.extent(plain)
        if found and self._width and (more := containers.more_extents(plain, found)):
            self._data = plain
            return [found, *more]
        self._data = self._span()
        found = containers.extent(self._data)
        return [found] if found else []

    def _span(self):
        if self._rebuilt:
            self._rebuilt.seek(0)
            return self._rebuilt
        if self._is_flac:
            return containers.without_length(self._file, self._link)[0]
        span = containers.Span(self._file, self._link.start, self._link.stop)
        head = span.read(4)
        if head == b"BW64":  # by another name
            span.patch(0, b"RF64")
        # libsndfile takes all behind the header for sound
        if head == b"riff" and (found := containers.extent(span)):
            stop = self._link.start + found.start + found.present
            span = containers.Span(self._file, self._link.start, stop)
        if bits := containers.padded_bits(span):
            span.patch(*bits)
        span.seek(0)
        return span

    def _as_long_as_it_is(self, sound, found):
        """The same sound; read without its header where that states too little."""
        width = self._width
        # a sample more may be a byte that fills up a chunk
        if len(self._extents) < 2 and (
            not (found and width) or found.present - sound.frames * width <= width
        ):
            return sound
        rate, channels, subtype = self.sample_rate, self.num_channels, self.subtype
        sound.close()
        stop = found.start + found.present
        data = containers.Span(self._data, found.start, stop)
        return soundfile.SoundFile(
            data, "r", rate, channels, subtype, found.endian, "RAW"
        )


def _extension(form, subtype):
    special = {
        "OGG": "opus" if subtype == "OPUS" else "ogg",
        "WAVEX": "wav",
        "RF64": "wav",
    }
    return special.get(form, form.lower())
