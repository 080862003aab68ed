"""The noisy clips of an evaluation: which clips, and in the noise of which recordings."""

import collections
import dataclasses
import functools
import pathlib
from collections.abc import Sequence

from inr_jax import audio
from inr_jax.data import datasets
from inr_jax.data.noise import Condition

# Bytes of decoded samples that are kept: over an hour of speech at 16 kHz.
_DECODED_BYTES = 2**28


class _Decoded:
    """Reads sound files; those that were read last stay decoded."""

    def __init__(self):
        self._recordings: collections.OrderedDict = collections.OrderedDict()
        self._num_bytes = 0

    def __call__(self, path: pathlib.Path) -> audio.Recording:
        if path in self._recordings:
            self._recordings.move_to_end(path)
            return self._recordings[path]
        recording = audio.read(path)
        recording.samples.flags.writeable = False  # shared from now on
        self._recordings[path] = recording
        self._num_bytes += recording.samples.nbytes
        while self._num_bytes > _DECODED_BYTES:
            _, oldest = self._recordings.popitem(last=False)
            self._num_bytes -= oldest.samples.nbytes
        return recording


@dataclasses.dataclass(frozen=True)
class Source:
    """Where the clips of an evaluation come from.

    Attributes:
      clips: Clean ones or pairs.
      recordings: Of noise; they take turns. White noise if there are none.
      max_seconds: Only the beginning of each clip, when given.
      sigma: Standard deviation of white noise at full scale 1, instead of the level of
        a condition.
      root: Folder of the clips.
      left_out: A line for each file, or kind of files, that is no clip for a reason.
    """

    clips: Sequence[datasets.Clip]
    recordings: Sequence[datasets.Clip] = ()
    max_seconds: float | None = None
    sigma: float | None = None
    root: str = ""
    left_out: Sequence[str] = ()
    _turns: Sequence[int] | None = None  # of the noise of each clip; its own position
    _decoded: _Decoded = dataclasses.field(
        default_factory=_Decoded, repr=False, compare=False
    )

    def share(self, index: int, count: int) -> "Source":
        """Every `count`-th clip from `index` on, in the noise that it has in the whole."""
        own = range(index, len(self.clips), count)
        return dataclasses.replace(
            self, clips=[self.clips[i] for i in own], _turns=list(own)
        )

    @property
    def is_share(self) -> bool:
        """Whether these are some of the clips of an evaluation, perhaps none."""
        return self._turns is not None

    @property
    def problems(self) -> list[str]:
        """What was left out, and recordings of noise that could not be used so far."""
        return [*self.left_out, *self._noise.problems]

    def turn(self, position: int) -> int:
        """Which recording of noise a clip has, as they take turns in the whole."""
        return position if self._turns is None else self._turns[position]

    def load(self, position: int, condition: Condition) -> datasets.Example:
        """A noisy clip of a condition; its files are decoded once for all conditions.

        A recording of noise that cannot be used is passed over, see `problems`.

        Raises:
          InputError: a file cannot be read, or no recording of noise can be used.
        """
        recording = None
        if self.recordings:
            recording = self._noise.at(self.turn(position))
        return datasets.load(
            self.clips[position],
            condition,
            self.sigma,
            self.max_seconds,
            recording,
            self._decoded,
        )

    @functools.cached_property
    def _noise(self) -> datasets.NoiseRecordings:
        return datasets.NoiseRecordings(self.recordings, self._decoded)

    def clean(self, position: int) -> audio.Recording:
        """A clip without noise, as long as `load` gives it.

        Raises:
          InputError: the file cannot be read.
        """
        return datasets.beginning(
            self._decoded(self.clips[position].path), self.max_seconds
        )
