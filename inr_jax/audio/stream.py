"""Audio files read block by block, in bounded memory."""

import os
from collections.abc import Iterator

import numpy as np
import soundfile

from inr_jax.audio.read import Recording, check_not_truncated, checked, opened
from inr_jax.audio.write import error_reason
from inr_jax.errors import InputError


class FileSource:
    """An audio file that is decoded on demand.

    Attributes:
      name: For messages.
      sample_rate: In Hz.
      num_samples: As its header declares.
      num_channels: Number of channels.
      subtype: libsndfile's name of the sample format.
    """

    def __init__(self, path: str | os.PathLike):
        """Reads the header.

        Raises:
          InputError: it cannot be read.
        """
        self.name = os.fspath(path)
        try:
            with opened(self.name) as binary:
                info = soundfile.info(binary)
        except (soundfile.LibsndfileError, OSError, TypeError) as error:
            raise self._unreadable(error) from None
        self.sample_rate, self.num_samples = info.samplerate, info.frames
        self.num_channels, self.subtype = info.channels, info.subtype

    @property
    def duration_s(self) -> float:
        """Duration in seconds, as the header declares."""
        return self.num_samples / self.sample_rate

    def blocks(self, num_samples: int) -> Iterator[np.ndarray]:
        """Blocks of at most `num_samples` samples, float32 (samples, channels).

        Raises:
          InputError: not readable, NaN or infinite samples, or fewer samples than the
            header declares.
        """
        done = 0
        try:
            with opened(self.name) as binary, soundfile.SoundFile(binary) as file:
                while len(block := file.read(num_samples, "float32", always_2d=True)):
                    block = Recording(block, self.sample_rate, self.subtype, self.name)
                    yield checked(block).samples
                    done += len(block.samples)
        except (soundfile.LibsndfileError, OSError, TypeError) as error:
            raise self._unreadable(error) from None
        check_not_truncated(self.name, done, self.num_samples)

    def _unreadable(self, error):
        return InputError(f"{self.name}: cannot read: {error_reason(error)}")
