"""Folders of sound, decoded once into one long array that examples are cut from."""

import hashlib
import os
import pathlib
from collections.abc import Callable

import numpy as np

from inr_jax import audio
from inr_jax.data import datasets
from inr_jax.io.atomic import replacing

# Root mean square that every file is brought to, so that crops may span two files.
_RMS = 0.05


def load(
    folder: str | os.PathLike,
    cache_dir: str | os.PathLike,
    sample_rate: int,
    on_file: Callable[[int, int], None] = lambda done, total: None,
) -> np.ndarray:
    """All sound below a folder, end to end, as read-only int16 (samples,) on disk.

    Channels are averaged and each file is brought to one level, peaks held to full
    scale. Decoded again only when names, sizes or times of the files change.

    Args:
      folder: Any tree of audio files.
      cache_dir: Where the decoded array is kept.
      sample_rate: Hz; other rates are resampled.
      on_file: Called with files done and files in all, while decoding.

    Raises:
      InputError: no such folder, nothing in it, or a file that cannot be read.
    """
    return _decoded(folder, cache_dir, sample_rate, on_file)[0]


def load_files(
    folder: str | os.PathLike,
    cache_dir: str | os.PathLike,
    sample_rate: int,
    on_file: Callable[[int, int], None] = lambda done, total: None,
) -> list[np.ndarray]:
    """The same as `load`, file by file."""
    samples, lengths = _decoded(folder, cache_dir, sample_rate, on_file)
    return np.split(samples, np.cumsum(lengths)[:-1])


def _decoded(folder, cache_dir, sample_rate, on_file):
    """Samples of all files end to end, and how many each has."""
    clips = datasets.find_clips(folder)
    stem = pathlib.Path(cache_dir) / _fingerprint(clips, sample_rate)
    paths = [stem.with_suffix(end) for end in (".lengths.npy", ".npy")]
    if not all(path.exists() for path in paths):
        pieces = []
        for i, clip in enumerate(clips):
            pieces.append(_decode(clip.path, sample_rate))
            on_file(i + 1, len(clips))
        lengths = np.array([len(piece) for piece in pieces])
        for path, array in zip(paths, (lengths, np.concatenate(pieces)), strict=True):
            with replacing(path) as part, open(part, "wb") as file:
                np.save(file, array)
    lengths, samples = (np.load(path, mmap_mode="r") for path in paths)
    return samples, lengths


def _fingerprint(clips, sample_rate):
    stats = [(clip.name, clip.path.stat()) for clip in clips]
    text = repr([sample_rate, [(n, s.st_size, s.st_mtime_ns) for n, s in stats]])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _decode(path, sample_rate):
    recording = audio.read(path)
    samples = audio.resample(
        np.mean(recording.samples, axis=1), recording.sample_rate, sample_rate
    )
    rms, peak = np.sqrt(np.mean(samples**2)), np.max(np.abs(samples))
    scale = min(_RMS / max(rms, 1e-6), 0.99 / max(peak, 1e-6))
    return np.round(samples * (scale * 32767)).astype(np.int16)
