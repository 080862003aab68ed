"""Denoises files and folders, resumably; outputs are written atomically."""

import contextlib
import dataclasses
import functools
import hashlib
import itertools
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np
from absl import logging

from inr_jax import audio
from inr_jax.audio import metadata
from inr_jax.data import datasets, prefetch
from inr_jax.enhancement import driver
from inr_jax.enhancement.driver import Denoiser, Source
from inr_jax.enhancement.levels import LevelMeter, Levels
from inr_jax.errors import InputError, listed, one_line
from inr_jax.io import atomic, standard_streams
from inr_jax.parallel import failures

PIPE = "-"
# Longer files are read part by part, where the method allows it.
READ_AT_ONCE_S = 60.0
# Beside the outputs, a file for each: which input and settings it was made from.
RECORD = ".denoised"


@dataclasses.dataclass(frozen=True)
class DryWetMix:
    """How input and estimate are mixed for the output.

    Attributes:
      wet: Share of the estimate in the output, the rest is the input.
      max_attenuation_db: Largest attenuation of the noise; the rest is left in.
    """

    wet: float = 1.0
    max_attenuation_db: float | None = None

    def __post_init__(self):
        limit_db = self.max_attenuation_db
        if limit_db is not None and not limit_db >= 0:
            raise InputError(f"max_attenuation_db is at least 0, got {limit_db}")

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
    """One file to denoise; `PIPE` means standard input and output."""

    source: str
    target: str
    residual: pathlib.Path | None
    output_format: str | None = None  # of standard output; else that of the source


class LeftOut(NamedTuple):
    """Files that are not denoised.

    Attributes:
      problems: A line for each input, or kind of files, that cannot be read.
      hidden: Files and folders whose name begins with a dot.
    """

    problems: list[str]
    hidden: list[pathlib.Path]


def jobs(
    inputs: Sequence[str],
    output: str,
    residual: str | None,
    output_format: str | None = None,
) -> tuple[list[Job], LeftOut]:
    """Which file goes where.

    One file goes to a file, or into a folder where `output` is one or ends in a slash;
    folders keep their tree below `output`.

    Args:
      inputs: Files and folders.
      output: File or folder.
      residual: File or folder for what was removed.
      output_format: Extension of what is written into a folder or to standard output;
        that of the input where None.

    Returns:
      The jobs, and what is left out.

    Raises:
      InputError: the output cannot hold the inputs.
    """
    left_out = LeftOut([], [])
    if "" in (*inputs, output, residual):
        raise InputError("an input or an output has an empty name")
    if residual == PIPE:
        raise InputError("what was removed goes to a file or folder, not to -")
    output_format = output_format and _extension(output_format)
    if PIPE in inputs or output == PIPE:
        return [_piped(inputs, output, residual, output_format)], left_out
    into_folder = (
        len(inputs) > 1 or pathlib.Path(inputs[0]).is_dir() or _is_folder(output)
    )
    if not into_folder and output_format:
        raise InputError(f"{output}: its own extension names the format of the output")
    if not into_folder:
        _require_file(pathlib.Path(inputs[0]))
        job = Job(inputs[0], output, residual and _beside(inputs[0], residual))
        for path in filter(None, (job.target, job.residual)):
            audio.check_writable(path)
        _refuse_overwriting([job])
        return [job], left_out
    for path in filter(None, (output, residual)):
        if pathlib.Path(path).is_file() or _names_a_file(path):
            why = "several are to be written"
            if path == residual and _is_folder(output):
                why = f"{output} is a folder"
            raise InputError(f"{path}: is a file, but {why}; name a folder")
    found = []
    for item in inputs:
        try:
            found += _below(
                *(pathlib.Path(item), pathlib.Path(output), residual),
                *(output_format, left_out),
            )
        except InputError as error:
            left_out.problems.append(str(error))
    found = list(dict.fromkeys(found))  # an input may be named twice
    _refuse_overwriting(found)
    if not (found or left_out.problems):
        raise InputError(f"{listed(inputs)}: nothing but what an earlier run wrote")
    return _with_outputs_of_their_own(found, left_out.problems), left_out


def _extension(output_format):
    """Without a dot; one that is written."""
    extension = output_format.removeprefix(".")
    if pathlib.Path(extension).name != extension:
        raise InputError(f"{output_format}: is no extension of a file")
    audio.check_writable(f"standard output.{extension}")
    return extension


def _piped(inputs, output, residual, output_format):
    """The job whose input or output is a pipe."""
    if len(inputs) > 1 or pathlib.Path(inputs[0]).is_dir():
        raise InputError("standard input and output hold one file, not several")
    if inputs[0] != PIPE:
        _require_file(pathlib.Path(inputs[0]))
    if output != PIPE:
        audio.check_writable(output)
        if output_format:
            raise InputError(
                f"{output}: its own extension names the format of the output"
            )
    if residual:
        audio.check_writable(residual)
    job = Job(inputs[0], output, residual and pathlib.Path(residual), output_format)
    _refuse_overwriting([job])
    return job


def _is_folder(path):
    return path.endswith(os.sep) or pathlib.Path(path).is_dir()


def _names_a_file(path):
    """Whether a path that is no folder has the extension of an audio file."""
    if _is_folder(path) or not pathlib.Path(path).suffix:
        return False
    try:
        audio.check_writable(path)
    except InputError:
        return False
    return True


def _beside(source, residual):
    """The file of the residual of one input."""
    path = pathlib.Path(residual)
    return path / pathlib.Path(source).name if _is_folder(residual) else path


def _require_file(path):
    if not path.is_file():
        raise InputError(f"{path}: no such file")


def _below(item, output, residual, output_format, left_out):
    paths = [item]
    if item.is_dir():
        # what an earlier run wrote is no input
        ours = [_real(folder) for folder in (output, residual) if folder]
        ours = [x for x in ours if not _real(item).is_relative_to(x)]
        is_beside = _real(item) == _real(output)

        def is_foreign(path):
            if path.name == RECORD or is_beside and _record_of(path).exists():
                return False
            return not any(_real(path).is_relative_to(folder) for folder in ours)

        found = datasets.find(item)
        left_out.problems.extend(found.problems)
        left_out.hidden.extend(filter(is_foreign, found.hidden))
        paths = [clip.path for clip in found.clips if is_foreign(clip.path)]
    else:
        _require_file(item)
    for path in paths:
        relative = path.relative_to(item if item.is_dir() else item.parent)
        if output_format:
            relative = relative.with_suffix(f".{output_format}")
        residual_path = residual and pathlib.Path(residual) / relative
        yield Job(str(path), str(output / relative), residual_path)


def _real(path):
    # not Path.resolve, which raises where links go round in a circle
    return pathlib.Path(os.path.realpath(path))


def _refuse_overwriting(found):
    """No output may be a source, or both outputs of a job."""
    sources = {_identity(job.source) for job in found if job.source != PIPE}
    for job in found:
        outputs = [path for path in (job.target, job.residual) if path]
        outputs = [path for path in outputs if path != PIPE]
        for path in outputs:
            if _identity(path) in sources:
                raise InputError(f"{path}: would be overwritten; choose another output")
        if len(set(map(_identity, outputs))) < len(outputs):
            raise InputError(
                f"{job.target}: what is left and what was removed would both become it; "
                "choose another output for one of them"
            )


def _identity(path):
    """The same for all names of a file, also where upper and lower case are the same."""
    try:
        found = os.stat(path)
    except OSError:
        return _real(path)
    return found.st_dev, found.st_ino


def _with_outputs_of_their_own(found, problems):
    """Jobs whose outputs no other job writes; the others become problems."""
    owners = {}
    for job in found:
        for path in filter(None, (job.target, job.residual)):
            owners.setdefault(_real(path), {})[job] = path
    shared = [jobs for jobs in owners.values() if len(jobs) > 1]
    for jobs in shared:
        names = listed([job.source for job in jobs])
        problems.append(
            f"{names}: would all become {next(iter(jobs.values()))}; denoise them apart, "
            "to different folders"
        )
    colliding = set().union(*shared)
    return [job for job in found if job not in colliding]


class Record:
    """A record of the input and the settings of a finished job, beside its outputs."""

    def __init__(self, job: Job, settings: dict):
        """Names the record of a job, and the settings of this run."""
        self._path = _record_of(pathlib.Path(job.target))
        self._outputs = [
            pathlib.Path(job.target),
            *([job.residual] if job.residual else []),
        ]
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
        """Deletes the record, before the outputs are replaced."""
        self._path.unlink(missing_ok=True)

    def add(self) -> None:
        """Notes that the job is done."""
        atomic.write_text(self._path, self._key)


def _record_of(target):
    """The record of a file that was written."""
    name = hashlib.sha256(os.fsencode(target.name)).hexdigest()  # of any length
    return target.parent / RECORD / name


def unfinished(jobs: Sequence[Job]) -> pathlib.Path | None:
    """Folder for the state of fits of these jobs under way; none for standard output."""
    if jobs[0].target == PIPE:
        return None
    # beside the record of the first: commands that write other files have others
    return _record_of(pathlib.Path(jobs[0].target)).with_suffix(".unfinished")


def _digest(source):
    try:  # opening a named pipe would wait for a writer
        return atomic.sha256(source) if os.path.isfile(source) else None
    except OSError:  # not done, then; `read` raises the reason
        return None


def pending(todo: Sequence[Job], settings: dict) -> Iterator[Job]:
    """Jobs that are not done yet; a pipe never is."""
    for job in todo:
        if PIPE in (job.source, job.target) or not Record(job, settings).done:
            yield job


def writable(todo: Sequence[Job]) -> tuple[list[Job], list["Outcome"]]:
    """Jobs whose folders can be written to, and the outcomes of the others.

    Raises:
      InputError: none can be; names the first.
    """
    why_not, good, bad = functools.cache(_why_not), [], []
    for job in todo:
        reasons = [
            f"{path}: {why}"
            for path in (job.target, job.residual)
            if path and path != PIPE and (why := why_not(pathlib.Path(path).parent))
        ]
        if reasons:
            bad.append(Outcome(job, reasons[0]))
        else:
            good.append(job)
    if bad and not good:
        raise InputError(bad[0].error)
    return good, bad


def _why_not(folder):
    try:
        atomic.check_writable(folder)
        return ""
    except OSError as error:
        return f"cannot write: {audio.error_reason(error)}"


class Measured(NamedTuple):
    """Duration, time and levels of a job.

    Attributes:
      seconds: Of sound.
      work_s: Seconds of work, of a batch its share.
      levels: Of the noise before and after.
    """

    seconds: float
    work_s: float
    levels: Levels


class Outcome(NamedTuple):
    """The outcome of a job.

    Attributes:
      job: The job.
      error: Why it failed; nothing was written then.
      remark: On something worth knowing.
      measured: None where it failed.
    """

    job: Job
    error: str = ""
    remark: str = ""
    measured: Measured | None = None


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
      settings: What outputs depend on, besides their input, for `pending`.
      mix: What is done with estimates.
      seed: Of methods that draw.
      on_files: Called with files done since the last call, shares too; not with files
        that cannot be opened.
      keep_times: Whether outputs get the times of last change of their inputs.
    """
    with contextlib.ExitStack() as spooled:
        sources = _Sources(todo, denoiser, on_files, spooled)
        writers: dict[Job, _Writer] = {}
        measuring: dict[Job, _Measuring] = {}
        keys = itertools.repeat(jax.random.key(seed))
        for part in driver.run(denoiser, sources, keys, on_files):
            yield from sources.failures()
            job, tracks, track = sources.opened[part.position]
            if job not in writers:
                rates = [denoiser.output_rate or x.sample_rate for x in tracks]
                writers[job] = _Writer(job, tracks, rates, settings, keep_times)
                measuring[job] = _Measuring(x.sample_rate for x in tracks)
            output = None if part.error else mix.apply(part.noisy, part.samples)
            writers[job].take(part, output, track)
            if not part.error:
                measuring[job].take(part, output, track)
            if part.is_last:  # nothing of it is needed any more, but its place
                sources.opened[part.position] = None
                if not writers[job].tracks_left:
                    outcome = writers.pop(job).outcome
                    measured = measuring.pop(job).measured
                    yield outcome._replace(measured=None if outcome.error else measured)
        yield from sources.failures()


def _why(job, error):
    """Why a job failed, in one line: no error in one file ends the work on others."""
    if isinstance(error, (InputError, OSError)):
        return one_line(error)
    logging.info("%s", job.source, exc_info=error)
    if explained := failures.explained(error):
        return f"{job.source}: {explained}"
    reason = " ".join(str(error).split())
    return (
        f"{job.source}: an error of inr_jax, {type(error).__name__}: {reason}; "
        "please report it"
    )


class _Opened(NamedTuple):
    """A recording under way: a track of a job, which usually has one."""

    job: Job
    tracks: list[audio.FileSource]
    track: int


class _Measuring:
    """Measures a job, part by part of each of its tracks."""

    def __init__(self, sample_rates):
        self._rates = list(sample_rates)
        self._meters = [LevelMeter(rate) for rate in self._rates]
        self._counts, self._work_s = [0] * len(self._rates), 0.0

    def take(self, part, output, track):
        self._meters[track].add(part.noisy, output)
        self._counts[track] += len(part.noisy)
        self._work_s += part.work_s

    @property
    def measured(self) -> Measured:
        seconds = [n / rate for n, rate in zip(self._counts, self._rates, strict=True)]
        levels = sum((meter.levels for meter in self._meters), Levels())
        return Measured(max(seconds), self._work_s, levels)


class _Sources:
    """The recordings of jobs, each read while others are denoised."""

    def __init__(self, todo, denoiser, on_files, spooled):
        self._todo, self._denoiser, self._on_files = todo, denoiser, on_files
        self._spooled = spooled
        self._failures: list[Outcome] = []
        self.opened: list[_Opened | None] = []

    def __iter__(self):
        with prefetch.Prefetch(self._open, range(len(self._todo))) as ahead:
            for i, found in ahead:
                job = self._todo[i]
                if isinstance(found, Exception):
                    self._failures.append(Outcome(job, _why(job, found)))
                    continue
                tracks = [track for track, _ in found]
                if len(tracks) > 1:  # together they are one file
                    self._on_files(1 - len(tracks))
                for number, (_, source) in enumerate(found):
                    self.opened.append(_Opened(job, tracks, number))
                    yield source

    def failures(self):
        """Jobs whose input could not be opened since the last call."""
        failures, self._failures = self._failures, []
        return failures

    def _open(self, i):
        try:
            return self._tracks(self._todo[i])
        except Exception as error:  # noqa: BLE001
            return error

    def _tracks(self, job) -> list[tuple[audio.FileSource, Source]]:
        """Tracks of sound, each with what is denoised: itself, or all of it."""
        path, name = job.source, None
        if path == PIPE:
            path, name = self._stdin(), "standard input"
        first = audio.FileSource(path, name=name)
        found, outputs = [first], [_file_target(job, first)]
        outputs += [job.residual] if job.residual else []
        if any(map(audio.holds_pictures, outputs)):
            more = range(1, first.num_tracks)
            found += [audio.FileSource(path, track, name) for track in more]
        for number, track in enumerate(found):
            # what an output cannot hold is known before the work begins
            for target in outputs:
                if number and not audio.holds_pictures(target):
                    continue  # it holds the first
                rate = self._denoiser.output_rate or track.sample_rate
                encoding = audio.encoding(
                    target, rate, track.num_channels, track.subtype
                )
                audio.check_room(target, encoding, track.duration_s)
        return [(track, self._whole_or_stream(track)) for track in found]

    def _whole_or_stream(self, track):
        is_short = 0 < track.duration_s <= READ_AT_ONCE_S
        if self._denoiser.is_streaming and not is_short:
            return track
        return audio.read_file(track)

    def _stdin(self):
        """Standard input as a file: many formats need to seek."""
        folder = self._spooled.enter_context(tempfile.TemporaryDirectory())
        path = os.path.join(folder, "stdin")
        with open(path, "wb") as file:
            shutil.copyfileobj(standard_streams.standard_input().buffer, file)
        return path


def _file_target(job, source):
    """The file that is written; for standard output one in the format of the source."""
    if job.target != PIPE:
        return job.target
    return f"standard output.{job.output_format or source.extension}"


class _Writer:
    """The outputs of one job: all of them appear whole, or none."""

    def __init__(self, job, tracks, rates, settings, keep_times):
        self.job, self._tracks, self._rates = job, tracks, rates
        self.tracks_left = len(tracks)
        self._keep_times = keep_times
        self._lost: set[str] = set()  # of the metadata
        self.outcome: Outcome | None = None
        self._clipped, self._remarks = 0, []
        self._folder = self._piped = None  # what goes to standard output when whole
        self._files = contextlib.ExitStack()
        self._add = self._add_removed = None
        self._record = (
            None if PIPE in (job.source, job.target) else Record(job, settings)
        )

    def take(self, part, output, track):
        """Writes the next part; `outcome` is there behind the last one of all tracks."""
        self.tracks_left -= part.is_last
        if self.outcome:  # it failed before
            return
        try:
            if part.error:
                raise part.error
            if self._add is None:
                self._open()
            if track < len(self._add):  # a file of sound alone takes the first
                self._clipped += self._add[track](output)
            if self._add_removed and track < len(self._add_removed):
                self._add_removed[track](part.noisy - output)
            if not self.tracks_left:
                self._close()
        except Exception as error:  # noqa: BLE001
            with contextlib.suppress(Exception):  # it may be raised again, as another
                self._files.__exit__(type(error), error, error.__traceback__)
            self._clear()
            self.outcome = Outcome(self.job, _why(self.job, error))

    def _open(self):
        if self._record:
            self._record.remove()
        if self.job.residual:
            own_rates = [track.sample_rate for track in self._tracks]
            path = self.job.residual
            self._add_removed = self._opened(path, own_rates, path)
        path = name = _file_target(self.job, self._tracks[0])
        if self.job.target == PIPE:
            self._folder = tempfile.TemporaryDirectory()
            self._piped = path = pathlib.Path(self._folder.name) / name
        self._add = self._opened(path, self._rates, name)

    def _opened(self, path, rates, name):
        return self._files.enter_context(
            audio.open_track_writers(
                path, self._tracks, rates, self._remarks, self._carry, name
            )
        )

    def _carry(self, path):
        """Copies the metadata of the source to a finished file."""
        self._lost.update(metadata.carry(self._tracks[0].path, path))

    def _close(self):
        self._files.close()
        if self._piped:
            pipe = standard_streams.standard_output().buffer
            with open(self._piped, "rb") as file:
                shutil.copyfileobj(file, pipe)
            pipe.flush()
            self._clear()
        remarks = [track.remark for track in self._tracks]
        remarks += self._accompany()
        remarks += [*self._remarks, audio.clipping_note(self.job.target, self._clipped)]
        if self._lost:
            names = ", ".join(sorted(self._lost))
            remarks.append(f"{self.job.target}: could not carry over: {names}")
        remark = "\n".join(dict.fromkeys(filter(None, remarks)))
        self.outcome = Outcome(self.job, remark=remark)

    def _accompany(self):
        """Gives finished outputs their times and record; yields why one cannot be had."""
        if self._keep_times and self.job.source != PIPE:
            for path in {self.job.target, self.job.residual} - {PIPE, None}:
                try:
                    metadata.carry_times(self.job.source, path)
                except OSError as error:
                    yield f"{path}: has no times of its input: {one_line(error)}"
        if self._record:
            try:
                self._record.add()
            except OSError as error:
                path = self.job.target
                yield f"{path}: is whole, but not noted as done: {one_line(error)}"

    def _clear(self):
        if self._folder:
            self._folder.cleanup()
