"""Folders of sound, decoded once into one long array that examples are cut from.

Samples are appended to a file as they are decoded, beside a journal with a line for each
source, so that an interrupted command loses nothing: the next one resumes.
"""

import contextlib
import dataclasses
import functools
import hashlib
import io
import json
import os
import pathlib
from collections.abc import Callable

import numpy as np

from inr_jax import audio
from inr_jax.data import bad_files, datasets
from inr_jax.errors import InputError
from inr_jax.io import atomic

# Root mean square that every file is brought to, so that crops may span two files.
_RMS = 0.05


@dataclasses.dataclass(frozen=True)
class Decoded:
    """All sound below a folder.

    Attributes:
      samples: int16 (samples,) of all files end to end, read-only, on disk.
      lengths: Samples of each file (files,), 0 where it could not be used.
      problems: A line for each file, or kind of files, that could not be used.
    """

    samples: np.ndarray
    lengths: np.ndarray
    problems: list[str]

    @property
    def files(self) -> list[np.ndarray]:
        """The samples of each file that could be used."""
        pieces = np.split(self.samples, np.cumsum(self.lengths)[:-1])
        return [piece for piece in pieces if len(piece)]


def load(
    folder: str | os.PathLike,
    cache_dir: str | os.PathLike,
    sample_rate: int,
    on_file: Callable[[int, int], None] = lambda done, total: None,
    allow_bad: bool = False,
) -> Decoded:
    """All sound below a folder, decoded again only when its files change.

    Channels are averaged and each file is brought to one level, peaks held to full
    scale. Files that cannot be read or are silent are left out and named; they are read
    again only when names, sizes or times of the files change.

    Args:
      folder: Any tree of audio files.
      cache_dir: Where the decoded array is kept.
      sample_rate: Hz; other rates are resampled.
      on_file: Called with files done and files in all, while decoding.
      allow_bad: Whether more than a tenth of the files may be left out.

    Raises:
      TooManyBadFiles: more than a tenth cannot be used, and that is not allowed.
      InputError: no such folder, or nothing in it that can be used.
    """
    found = datasets.find(folder)
    stem = pathlib.Path(cache_dir) / _fingerprint(found.clips, sample_rate)
    paths = [stem.with_suffix(end) for end in (".lengths.npy", ".npy")]
    tally = functools.partial(bad_files.Tally, folder, len(found.clips), allow_bad)
    if not all(map(_is_whole, paths)):
        stem.parent.mkdir(parents=True, exist_ok=True)
        with open(_journal_path(stem), "a+b") as lines:
            _lock(lines)
            if not all(map(_is_whole, paths)):  # no other process made them meanwhile
                with _Journal(stem, lines) as journal:
                    _decode_all(found.clips, journal, sample_rate, on_file, tally())
                    journal.finish(*paths)
        _journal_path(stem).unlink(missing_ok=True)
    lengths, samples = (np.load(path, mmap_mode="r") for path in paths)
    known = tally()
    for problem in _known_problems(stem):
        known.add(problem)
    problems = [*found.problems, *known.problems]
    return Decoded(samples, lengths, problems)


def _decode_all(clips, journal, sample_rate, on_file, tally):
    for problem in journal.problems:
        tally.add(problem)
    for i in range(journal.num_files, len(clips)):
        try:
            journal.add(_decode(clips[i].path, sample_rate))
        except InputError as error:
            journal.add(np.zeros(0, np.int16), str(error))
            tally.add(str(error))
        on_file(i + 1, len(clips))


class _Journal:
    """Samples of the files that are decoded so far, and a line for each of these files."""

    def __init__(self, stem, lines):
        """Reads the journal of an earlier process, without an unfinished file."""
        self._stem, self._lines, self._entries = stem, lines, []
        self._samples = open(stem.with_suffix(".decoding"), "a+b")  # noqa: SIM115
        lines.seek(0)
        for line in lines.read().splitlines(keepends=True):
            if line.endswith(b"\n"):  # not cut short by a kill
                self._entries.append(json.loads(line))
        if os.fstat(self._samples.fileno()).st_size < self._num_bytes:
            self._entries.clear()
        lines.truncate(sum(len(_line(entry)) for entry in self._entries))
        # appending to a file that is made longer leaves room for the header
        self._samples.truncate(self._num_bytes)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._samples.close()

    @property
    def _num_bytes(self):
        return len(_header(0)) + 2 * sum(self.lengths)

    @property
    def num_files(self) -> int:
        return len(self._entries)

    @property
    def lengths(self) -> list[int]:
        return [entry["samples"] for entry in self._entries]

    @property
    def problems(self) -> list[str]:
        return [entry["problem"] for entry in self._entries if entry["problem"]]

    def add(self, samples, problem=""):
        self._samples.write(samples.tobytes())
        self._samples.flush()
        self._entries.append({"samples": len(samples), "problem": problem})
        self._lines.write(_line(self._entries[-1]))
        self._lines.flush()

    def finish(self, lengths_path, samples_path):
        """Writes the arrays, and the list of bad files."""
        if self.problems:
            atomic.write_json(_problems_path(self._stem), self.problems)
        with atomic.replacing(lengths_path) as part, open(part, "wb") as file:
            np.save(file, np.array(self.lengths))
        with open(self._samples.name, "r+b") as file:
            file.write(_header(sum(self.lengths)))
        os.replace(self._samples.name, samples_path)


def _header(num_samples) -> bytes:
    """Of an .npy file of int16 (samples,); as long whatever the number."""
    file = io.BytesIO()
    header = {"descr": "<i2", "fortran_order": False, "shape": (num_samples,)}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue()


def _line(entry) -> bytes:
    return f"{json.dumps(entry)}\n".encode()


def _lock(file):
    """Waits for other processes that decode the same folder."""
    with contextlib.suppress(ImportError, OSError):  # not everywhere; then none waits
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)


def _journal_path(stem):
    return stem.with_suffix(".journal.jsonl")


def _problems_path(stem):
    return stem.with_suffix(".problems.json")


def _known_problems(stem):
    path = _problems_path(stem)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def _is_whole(path) -> bool:
    """Whether an array is there and not cut short, as by a full disk."""
    try:
        np.load(path, mmap_mode="r")
        return True
    except (OSError, ValueError, EOFError):
        return False


def _fingerprint(clips, sample_rate):
    stats = [(clip.name, *_size_and_time(clip.path)) for clip in clips]
    text = repr([sample_rate, stats])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _size_and_time(path):
    if not os.access(path, os.R_OK):  # or a link to nowhere; `audio.read` says so
        return 0, 0
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _decode(path, sample_rate):
    recording = audio.read(path)
    samples = audio.resample(
        np.mean(recording.samples, axis=1), recording.sample_rate, sample_rate
    )
    rms, peak = np.sqrt(np.mean(samples**2)), np.max(np.abs(samples))
    scale = min(_RMS / max(rms, 1e-6), 0.99 / max(peak, 1e-6))
    decoded = np.round(samples * (scale * 32767)).astype(np.int16)
    if not np.any(decoded):
        raise InputError(f"{path}: holds nothing but silence")
    return decoded
