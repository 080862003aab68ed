"""Clips on disk: LibriSpeech's tree, any folder of clean speech, clean and noisy pairs."""

import dataclasses
import os
import pathlib
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from inr_jax import audio
from inr_jax.data import folders, noise
from inr_jax.errors import InputError

_UTTERANCE = re.compile(r"\d+-\d+-\d+")


@dataclasses.dataclass(frozen=True)
class Clip:
    """A clip on disk, not read yet.

    Attributes:
      name: The utterance in LibriSpeech, else the path below the root without ending.
      path: The clean file.
      noisy_path: The noisy file of a pair, else None: noise is to be added.
    """

    name: str
    path: pathlib.Path
    noisy_path: pathlib.Path | None = None


@dataclasses.dataclass(frozen=True)
class Example:
    """A clean clip and its noisy version, float32 (samples, channels), one length."""

    name: str
    condition: noise.Condition
    clean: np.ndarray
    noisy: np.ndarray
    sample_rate: int


def shipped_clips() -> pathlib.Path:
    """The folder of the four sentences that come with inr_jax."""
    here = pathlib.Path(__file__).parent.parent
    # an installed wheel has them in the package
    shipped = here / "clips"
    return shipped if shipped.is_dir() else here.parent / "experiments" / "clips"


class Found(NamedTuple):
    """What a folder holds.

    Attributes:
      clips: Every file of sound, sorted; names are unique.
      problems: A line for each kind of file that had to be left out.
      hidden: Files and folders whose name begins with a dot; they are no clips.
    """

    clips: list[Clip]
    problems: list[str]
    hidden: list[pathlib.Path]


def find(root: str | os.PathLike) -> Found:
    """Every audio file below a folder, links to folders followed.

    LibriSpeech's tree, `<subset>/<speaker>/<chapter>/<utterance>.flac`, gives names of
    its own.

    Raises:
      InputError: no such folder, or no audio in it.
    """
    root = pathlib.Path(root)
    if not root.is_dir():
        what = "is a file, not a folder" if root.is_file() else "no such folder"
        raise InputError(f"{root}: {what}")
    contents = folders.contents(root)
    problems = contents.problems(root)
    if not contents.sound:
        raise InputError(
            "; ".join([f"{root}: no audio files in this folder", *problems])
        )
    clips: dict[str, Clip] = {}
    for path in contents.sound:
        utterance = _UTTERANCE.fullmatch(path.stem)
        relative = path.relative_to(root)
        name = path.stem if utterance else relative.with_suffix("").as_posix()
        if name in clips:
            name = relative.as_posix()
        clips[name] = Clip(name, path)
    return Found(list(clips.values()), problems, contents.hidden)


def find_clips(root: str | os.PathLike) -> list[Clip]:
    """The clips that `find` finds."""
    return find(root).clips


def find_pairs(root: str | os.PathLike) -> Found:
    """Pairs of equally named files in `root/clean` and `root/noisy`.

    Problems have a line for each file that has no partner as well.

    Raises:
      InputError: a folder is missing or empty, or no name is in both.
    """
    root = pathlib.Path(root)
    sides = [find(root / side) for side in ("clean", "noisy")]
    clean, noisy = ({clip.name: clip for clip in side.clips} for side in sides)
    pairs = [
        dataclasses.replace(clip, noisy_path=noisy[name].path)
        for name, clip in clean.items()
        if name in noisy
    ]
    if not pairs:
        raise InputError(f"{root}: no file of the same name in clean/ and noisy/")
    problems = [problem for side in sides for problem in side.problems]
    problems += [
        f"{clip.path}: no file of this name in {other}/"
        for mine, theirs, other in ((clean, noisy, "noisy"), (noisy, clean, "clean"))
        for name, clip in mine.items()
        if name not in theirs
    ]
    return Found(pairs, problems, [path for side in sides for path in side.hidden])


def choose(clips: Sequence[Clip], max_clips: int | None, seed: int) -> list[Clip]:
    """At most `max_clips` of them, drawn without replacement, in their own order."""
    if max_clips is None or max_clips >= len(clips):
        return list(clips)
    drawn = np.random.default_rng(seed).choice(len(clips), max_clips, replace=False)
    return [clips[i] for i in sorted(drawn)]


def load(
    clip: Clip,
    condition: noise.Condition,
    sigma: float | None = None,
    max_seconds: float | None = None,
    recording: audio.Recording | None = None,
    read: Callable[[pathlib.Path], audio.Recording] = audio.read,
) -> Example:
    """Reads a clip and adds noise, or reads its recorded noisy version.

    Args:
      clip: From `find_clips` or `find_pairs`.
      condition: As for `mix`.
      sigma: The same.
      max_seconds: Only the beginning, when given.
      recording: As for `mix`.
      read: Decodes a file.

    Raises:
      InputError: a file cannot be read, or a pair differs in rate, channels or length.
    """
    whole = read(clip.path)
    clean = beginning(whole, max_seconds)
    if clip.noisy_path is None:
        return mix(clip.name, clean, condition, sigma, recording)
    partner = _checked_partner(clip, whole, read(clip.noisy_path))
    noisy = beginning(partner, max_seconds).samples
    return Example(clip.name, condition, clean.samples, noisy, clean.sample_rate)


def mix(
    name: str,
    clean: audio.Recording,
    condition: noise.Condition,
    sigma: float | None = None,
    recording: audio.Recording | None = None,
) -> Example:
    """A clean clip in noise.

    Args:
      name: Of the clip; with the seed of the condition it gives that of the noise.
      clean: The clip.
      condition: Level and seed of the noise.
      sigma: Of white noise, see `noise.add_white`.
      recording: Noise to add, its first channel; white noise if None.
    """
    samples, rate = clean.samples, clean.sample_rate
    seed = noise.clip_seed(condition.seed, name)
    if recording is None:
        noisy = noise.add_white(samples, seed, condition.snr_db, sigma)
    else:
        added = mono(recording, rate)[:, None]
        noisy = noise.add_recorded(samples, added, seed, condition.snr_db)
    return Example(name, condition, samples, noisy, rate)


class NoiseRecordings:
    """Recordings of noise, which clips have in turn.

    One that cannot be read, or is silent, is passed over: the next one has its turn.

    Attributes:
      clips: All of them.
      problems: A line for each that was passed over.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        read: Callable[[pathlib.Path], audio.Recording] = audio.read,
    ):
        """Reads no recording yet."""
        self.clips, self._read = clips, read
        self._bad: dict[pathlib.Path, str] = {}

    @property
    def problems(self) -> list[str]:
        return list(self._bad.values())

    def at(self, turn: int) -> audio.Recording:
        """The recording of a turn.

        Raises:
          InputError: none of them can be used; names the first.
        """
        for i in range(len(self.clips)):
            path = self.clips[(turn + i) % len(self.clips)].path
            if path in self._bad:
                continue
            try:
                return self._checked(path)
            except InputError as error:
                self._bad[path] = str(error)
        raise InputError(
            f"none of {len(self.clips)} recordings of noise can be used; the first: "
            f"{self.problems[0]}"
        )

    def _checked(self, path):
        recording = self._read(path)
        if not np.any(recording.samples[:, 0]):
            raise InputError(f"{path}: holds nothing but silence, which is no noise")
        return recording


def mono(recording: audio.Recording, sample_rate: int) -> np.ndarray:
    """The first channel of a recording (samples,), resampled to `sample_rate`."""
    return audio.resample(recording.samples[:, 0], recording.sample_rate, sample_rate)


def beginning(recording: audio.Recording, max_seconds: float | None) -> audio.Recording:
    """The first seconds of a recording, at least a sample; all of it where None."""
    if max_seconds is None:
        return recording
    rate = recording.sample_rate
    count = round(min(max_seconds, len(recording.samples) / rate) * rate)
    # a copy, as a view would keep the whole recording in memory
    return recording._replace(samples=recording.samples[: max(1, count)].copy())


def _checked_partner(clip, recording, noisy):
    if noisy.sample_rate != recording.sample_rate:
        raise InputError(
            f"{clip.noisy_path}: {noisy.sample_rate} Hz, but the clean file has "
            f"{recording.sample_rate} Hz"
        )
    if noisy.samples.shape != recording.samples.shape:
        raise InputError(
            f"{clip.noisy_path}: (samples, channels) {noisy.samples.shape}, but the "
            f"clean file has {recording.samples.shape}"
        )
    return noisy
