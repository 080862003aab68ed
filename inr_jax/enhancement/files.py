"""Denoises files and folders: what is done stays done, nothing is left half-written."""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from inr_jax import audio
from inr_jax.data import datasets
from inr_jax.errors import InputError
from inr_jax.io import atomic

PIPE = "-"
# Beside the outputs, a file for each: which input and settings it was made from.
RECORD = ".denoised"


@dataclasses.dataclass(frozen=True)
class DryWetMix:
    """What is done with an estimate.

    Attributes:
      wet: Share of the estimate in the output, the rest is the input.
      max_attenuation_db: How far noise is let down at most, by leaving some in.
      output_rate: Hz of the output, or None for that of the input.
    """

    wet: float = 1.0
    max_attenuation_db: float | None = None
    output_rate: int | None = None

    @property
    def dry(self) -> float:
        """Share of the input in the output."""
        kept = 0.0
        if self.max_attenuation_db is not None:
            kept = 10 ** (-self.max_attenuation_db / 20)
        return 1 - self.wet * (1 - kept)

    def apply(self, noisy: np.ndarray, estimate: np.ndarray) -> np.ndarray:
        """The output, in the memory of `estimate` (samples, channels)."""
        if self.dry:
            estimate *= np.float32(1 - self.dry)
            estimate += np.float32(self.dry) * noisy
        return estimate


class Job(NamedTuple):
    """One file to denoise; `PIPE` stands for standard input and output."""

    source: str
    target: str
    residual: pathlib.Path | None


def jobs(
    inputs: Sequence[str], output: str, residual: str | None
) -> tuple[list[Job], list[str]]:
    """Which file goes where.

    One file goes to a file, or into a folder where `output` is one or ends in a slash;
    folders keep their tree below `output`.

    Returns:
      The jobs, and a line for each input that cannot be read.

    Raises:
      InputError: the output cannot hold the inputs.
    """
    if PIPE in inputs or output == PIPE:
        if len(inputs) > 1 or not (PIPE in inputs or pathlib.Path(inputs[0]).is_file()):
            raise InputError("standard input and output hold one file, not several")
        return [Job(inputs[0], output, residual and pathlib.Path(residual))], []
    into_folder = (
        len(inputs) > 1 or pathlib.Path(inputs[0]).is_dir() or _is_folder(output)
    )
    if not into_folder:
        _require_file(pathlib.Path(inputs[0]))
        job = Job(inputs[0], output, residual and _beside(inputs[0], residual))
        for path in filter(None, job[1:]):
            audio.check_writable(path)
        _refuse_collisions([job])
        return [job], []
    for path in filter(None, (output, residual)):
        if pathlib.Path(path).is_file():
            raise InputError(f"{path}: is a file, but several are to be written")
    found, problems = [], []
    for item in inputs:
        try:
            found += _below(pathlib.Path(item), pathlib.Path(output), residual)
        except InputError as error:
            problems.append(str(error))
    _refuse_collisions(found)
    return found, problems


def _is_folder(path):
    return path.endswith(os.sep) or pathlib.Path(path).is_dir()


def _beside(source, residual):
    """The file for what was removed from one that goes to a file of its own."""
    path = pathlib.Path(residual)
    return path / pathlib.Path(source).name if _is_folder(residual) else path


def _require_file(path):
    if not path.is_file():
        raise InputError(f"{path}: no such file")


def _below(item, output, residual):
    paths = [item]
    if item.is_dir():
        # what an earlier run wrote is no input
        ours = [_real(folder) for folder in (output, residual) if folder]
        ours = [folder for folder in ours if folder != _real(item)]
        paths = [
            clip.path
            for clip in datasets.find_clips(item)
            if not any(_real(clip.path).is_relative_to(folder) for folder in ours)
        ]
    else:
        _require_file(item)
    for path in paths:
        relative = path.relative_to(item if item.is_dir() else item.parent)
        aside = residual and pathlib.Path(residual) / relative
        yield Job(str(path), str(output / relative), aside)


def _real(path):
    # not Path.resolve, which raises where links go round in a circle
    return pathlib.Path(os.path.realpath(path))


def _refuse_collisions(found):
    """Nothing that is written is a source, or written twice."""
    owners, sources = {}, {_real(job.source) for job in found}
    for job in found:
        for path in filter(None, job[1:]):
            real = _real(path)
            if real in sources:
                raise InputError(f"{path}: would be overwritten; choose another output")
            if real in owners:
                raise InputError(
                    f"{owners[real]} and {job.source} would both become {path}"
                )
            owners[real] = job.source


class Record:
    """What the outputs of a job were made from, once it is done."""

    def __init__(self, job: Job, settings: dict):
        """Names the record of a job, and the settings of this run."""
        target = pathlib.Path(job.target)
        name = hashlib.sha256(os.fsencode(target.name)).hexdigest()  # of any length
        self._path = target.parent / RECORD / name
        self._outputs = [target, *([job.residual] if job.residual else [])]
        self._source, self._settings = job.source, json.dumps(settings, sort_keys=True)

    @functools.cached_property
    def _key(self):
        # the same without what was removed, or with it elsewhere, is done anew
        residual = [str(_real(path)) for path in self._outputs[1:]]
        text = f"{_digest(self._source)} {self._settings} {residual}"
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def done(self) -> bool:
        """Whether the outputs are there, made from this input and settings."""
        # a source is read for its digest only where there is something to compare
        return (
            all(path.exists() for path in (self._path, *self._outputs))
            and self._path.read_text() == self._key
        )

    def remove(self) -> None:
        """Forgets what was done, before the outputs become others."""
        self._path.unlink(missing_ok=True)

    def add(self) -> None:
        """Notes that the job is done."""
        atomic.write_text(self._path, self._key)


@contextlib.contextmanager
def done_marker(job: Job, settings: dict) -> Iterator[None]:
    """Has a job that goes well recorded as done; a pipe has no record."""
    record = None if PIPE in (job.source, job.target) else Record(job, settings)
    if record:
        record.remove()
    yield
    if record:
        record.add()


@functools.cache
def _digest(source):
    try:  # opening a named pipe would wait for a writer
        return atomic.sha256(source) if os.path.isfile(source) else None
    except OSError:  # not done, then; `read` tells why
        return None


def read(job: Job) -> audio.Recording:
    """The noisy recording of a job.

    Raises:
      InputError: it cannot be read.
    """
    if job.source != PIPE:
        return audio.read(job.source)
    import io

    return audio.read(io.BytesIO(sys.stdin.buffer.read()))


def write(
    job: Job, recording: audio.Recording, output: np.ndarray, mix: DryWetMix
) -> str:
    """Writes the output, and what was removed if the job asks for it.

    Returns:
      A remark for the user, or nothing.

    Raises:
      InputError: a file cannot be written.
    """
    rate, subtype = mix.output_rate or recording.sample_rate, recording.subtype
    if job.residual:
        removed = recording.samples - output
        audio.write(job.residual, removed, recording.sample_rate, subtype)
    if job.target == PIPE:
        audio.write_stream(sys.stdout.buffer, output, rate, subtype)
        return ""
    clipped = audio.write(job.target, output, rate, subtype)
    return audio.clipping_note(job.target, clipped)


def pending(todo: Sequence[Job], settings: dict) -> Iterator[Job]:
    """Jobs that are not done yet; a pipe never is."""
    for job in todo:
        if PIPE in (job.source, job.target) or not Record(job, settings).done:
            yield job
