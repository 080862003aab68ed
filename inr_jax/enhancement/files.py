"""Denoises files and folders: what is done stays done, nothing is left half-written."""

import contextlib
import dataclasses
import functools
import hashlib
import io
import itertools
import json
import os
import pathlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np

from inr_jax import audio
from inr_jax.audio import metadata, stream
from inr_jax.data import datasets, prefetch
from inr_jax.enhancement import driver
from inr_jax.enhancement.driver import Denoiser, Source
from inr_jax.errors import InputError, one_line
from inr_jax.io import atomic

PIPE = "-"
# Longer files are read part by part, where the method allows it.
READ_AT_ONCE_S = 60.0
# Beside the outputs, a file for each: which input and settings it was made from.
RECORD = ".denoised"


@dataclasses.dataclass(frozen=True)
class DryWetMix:
    """What is done with an estimate.

    Attributes:
      wet: Share of the estimate in the output, the rest is the input.
      max_attenuation_db: Largest attenuation of the noise; the rest is left in.
    """

    wet: float = 1.0
    max_attenuation_db: float | None = None

    @property
    def dry(self) -> float:
        """Share of the input in the output."""
        kept = 0.0
        if self.max_attenuation_db is not None:
            kept = 10 ** (-self.max_attenuation_db / 20)
        return 1 - self.wet * (1 - kept)

    def apply(self, noisy: np.ndarray, estimate: np.ndarray) -> np.ndarray:
        """The output (samples, channels)."""
        if not self.dry:
            return estimate
        return np.float32(1 - self.dry) * estimate + np.float32(self.dry) * noisy


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


@functools.cache
def _digest(source):
    try:  # opening a named pipe would wait for a writer
        return atomic.sha256(source) if os.path.isfile(source) else None
    except OSError:  # not done, then; `read` tells why
        return None


def pending(todo: Sequence[Job], settings: dict) -> Iterator[Job]:
    """Jobs that are not done yet; a pipe never is."""
    for job in todo:
        if PIPE in (job.source, job.target) or not Record(job, settings).done:
            yield job


class Outcome(NamedTuple):
    """What became of a job.

    Attributes:
      job: The job.
      error: Why it failed; nothing was written then.
      remark: On something worth knowing.
    """

    job: Job
    error: str = ""
    remark: str = ""


def denoise(
    denoiser: Denoiser,
    todo: Sequence[Job],
    settings: dict,
    mix: DryWetMix,
    seed: int = 0,
    on_files: Callable[[float], None] = lambda files: None,
    keep_times: bool = False,
) -> Iterator[Outcome]:
    """Reads, denoises and writes files, several in a batch; one that fails stops no other.

    Args:
      denoiser: As from `registry.make`.
      todo: What to read and write.
      settings: What outputs depend on, beside their input, for `pending`.
      mix: What is done with estimates.
      seed: Of methods that draw.
      on_files: Called with files done since the last call, shares too.
      keep_times: Whether outputs get the times of last change of their inputs.
    """
    sources = _Sources(todo, denoiser, on_files)
    writers: dict[int, _Writer] = {}
    keys = itertools.repeat(jax.random.key(seed))
    for part in driver.run(denoiser, sources, keys, on_files):
        yield from sources.failures()
        job, source = sources.opened[part.position]
        if part.position not in writers:
            rate = denoiser.output_rate or source.sample_rate
            writers[part.position] = _Writer(job, source, rate, settings, keep_times)
        writer = writers[part.position]
        writer.take(part, mix)
        if part.is_last:
            yield writer.outcome
            # nothing of it is needed any more, but its place
            writers[part.position] = sources.opened[part.position] = None
    yield from sources.failures()


class _Sources:
    """The recordings of jobs, each read while others are denoised."""

    def __init__(self, todo, denoiser, on_files):
        self._todo, self._denoiser, self._on_files = todo, denoiser, on_files
        self._failures: list[Outcome] = []
        self.opened: list[tuple[Job, Source]] = []

    def __iter__(self):
        with prefetch.Prefetch(self._open, range(len(self._todo))) as ahead:
            for i, source in ahead:
                if isinstance(source, Exception):
                    self._failures.append(Outcome(self._todo[i], one_line(source)))
                    self._on_files(1)
                else:
                    self.opened.append((self._todo[i], source))
                    yield source

    def failures(self):
        """Jobs whose input could not be opened since the last call."""
        failures, self._failures = self._failures, []
        return failures

    def _open(self, i):
        try:
            return self._source(self._todo[i].source)
        except (InputError, OSError) as error:
            return error

    def _source(self, path):
        if path == PIPE:
            return audio.read(io.BytesIO(sys.stdin.buffer.read()))
        if self._denoiser.is_streaming:
            source = stream.FileSource(path)
            if source.duration_s > READ_AT_ONCE_S:
                return source
        return audio.read(path)


class _Writer:
    """The outputs of one job: all of them appear whole, or none."""

    def __init__(self, job, source, rate, settings, keep_times):
        self.job, self._source, self._rate = job, source, rate
        self._keep_times = keep_times
        self._lost: set[str] = set()  # of the metadata
        self.outcome: Outcome | None = None
        self._clipped, self._piped = 0, []
        self._files = contextlib.ExitStack()
        self._add = self._add_removed = None
        self._record = (
            None if PIPE in (job.source, job.target) else Record(job, settings)
        )

    def take(self, part, mix):
        """Writes the next part; `outcome` is there behind the last one."""
        if self.outcome:  # it failed before
            return
        try:
            if part.error:
                raise part.error
            if self._add is None:
                self._open()
            output = mix.apply(part.noisy, part.samples)
            self._clipped += self._add(output) or 0
            if self._add_removed:
                self._add_removed(part.noisy - output)
            if part.is_last:
                self._close()
        except (InputError, OSError) as error:
            self._files.__exit__(type(error), error, error.__traceback__)
            self.outcome = Outcome(self.job, one_line(error))

    def _open(self):
        if self._record:
            self._record.remove()
        if self.job.residual:
            self._add_removed = self._opened(
                self.job.residual, self._source.sample_rate
            )
        if self.job.target == PIPE:
            self._add = self._piped.append
        else:
            self._add = self._opened(self.job.target, self._rate)

    def _opened(self, path, rate):
        channels, subtype = self._source.num_channels, self._source.subtype
        return self._files.enter_context(
            audio.open_writer(path, rate, channels, subtype, self._carry)
        )

    def _carry(self, path):
        """Gives a finished file what belongs to the recording beside its sound."""
        if self.job.source != PIPE:
            self._lost.update(metadata.carry(self.job.source, path))
            if self._keep_times:
                metadata.carry_times(self.job.source, path)

    def _close(self):
        self._files.close()
        if self._piped:
            whole = np.concatenate(self._piped)
            stdout, subtype = sys.stdout.buffer, self._source.subtype
            audio.write_stream(stdout, whole, self._rate, subtype)
        if self._record:
            self._record.add()
        remarks = [audio.clipping_note(self.job.target, self._clipped)]
        if self._lost:
            names = ", ".join(sorted(self._lost))
            remarks.append(f"{self.job.target}: could not carry over: {names}")
        self.outcome = Outcome(self.job, remark="\n".join(filter(None, remarks)))
