"""Estimates and scores noisy clips, kept row by row."""

import collections
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from inr_jax import audio
from inr_jax.data import noise
from inr_jax.data.datasets import Example
from inr_jax.data.noise import Condition
from inr_jax.errors import InputError
from inr_jax.evaluation.source import Source
from inr_jax.evaluation.store import Row, Store
from inr_jax.evaluation.systems import Output, System
from inr_jax.metrics import pool

# Clips that run together.
CHUNK = 64
# Bytes of clips in memory at once: fewer run together where they are long.
_LOADED_BYTES = 2**30
# Jobs that wait for a worker, with their samples: enough that none is idle.
_SUBMITTED = 2 * (os.cpu_count() or 1)

OnRows = Callable[[float], None]


class Place(NamedTuple):
    """Where rows are kept, and how they are scored.

    Attributes:
      store: Gets rows and estimates.
      workers: They score.
      keep_audio: Whether estimates are kept.
      metrics: What rows have, by the sample rate of the clip.
    """

    store: Store
    workers: pool.ScorePool
    keep_audio: bool = True
    metrics: Callable[[int], tuple[str, ...]] = pool.metrics_of


def run(
    place: Place,
    source: Source,
    systems: Sequence[System],
    conditions: Sequence[Condition],
    on_rows: OnRows = lambda rows: None,
    chunk: int = CHUNK,
) -> list[str]:
    """Computes missing estimates and scores; a clip is decoded once for all conditions.

    Args:
      place: Gets rows and estimates.
      source: Of the clips.
      systems: What to score.
      conditions: Noise and level of the clips.
      on_rows: Called with rows done since the last call, shares too; not with those of
        clips that cannot be read.
      chunk: Clips that run together, fewer where they are long.

    Returns:
      One line for each clip that cannot be read and therefore has no rows.
    """
    problems: dict[str, None] = {}
    for start in range(0, len(source.clips), chunk):
        positions = range(start, min(start + chunk, len(source.clips)))
        for condition in conditions:
            _run_chunk(place, source, positions, systems, condition, on_rows, problems)
    return list(problems)


def score(
    place: Place,
    examples: Sequence[Example],
    outputs: Iterable[Output],
    one_by_one: bool = False,
) -> None:
    """Scores estimates that have no row yet.

    Args:
      place: Gets rows and estimates.
      examples: The clips that the outputs are of.
      outputs: Taken while others are scored; all have rows when this returns.
      one_by_one: Whether each has its row before the next is taken.
    """
    store, pending = place.store, []
    for label, position, samples, work_s in outputs:
        example = examples[position]
        condition = example.condition
        if example.name in store.done(label, condition):
            continue
        if place.keep_audio:
            path = store.audio_path(example.name, label, condition)
            audio.write(path, samples, example.sample_rate, "FLOAT")
        job = pool.Job(
            *(example.name, label, condition.seed),
            *(example.clean, samples, example.sample_rate),
            place.metrics(example.sample_rate),
        )
        others = {**condition._asdict(), "work_s": round(work_s, 3)}
        pending.append((place.workers.submit(job), others))
        while pending and (one_by_one or pending[0][0].done()):
            _keep(store, *pending.pop(0))
    for scored in pending:
        _keep(store, *scored)


def rescore(place: Place, source: Source, on_rows: OnRows) -> None:
    """Scores every kept estimate again, clip by clip; rows change when all are done.

    Raises:
      InputError: an estimate or a clip is missing.
    """
    rows: list[Row] = []
    pending: collections.deque = collections.deque()

    def finish(most):
        while len(pending) > most:
            old, future = pending.popleft()
            rows.append({**old, **future.result()})
            on_rows(1)

    for old, job in _kept(place, source):
        pending.append((old, place.workers.submit(job)))
        finish(_SUBMITTED)
    finish(0)
    place.store.replace(rows)


def _run_chunk(place, source, positions, systems, condition, on_rows, problems):
    names = {i: source.clips[i].name for i in positions}
    todo = {
        system: [
            i for i in positions if not _is_done(place, system, names[i], condition)
        ]
        for system in systems
    }
    for system, missing in todo.items():
        on_rows(len(system.labels) * (len(positions) - len(missing)))
    needed = sorted(set().union(*todo.values()))
    for examples in _loaded(source, needed, condition, problems):
        for system, missing in todo.items():
            given = [examples[i] for i in missing if i in examples]
            if given:
                _run_system(place, system, given, on_rows)


def _loaded(source, positions, condition, problems) -> Iterator[dict[int, Example]]:
    """Examples by position, as many at a time as memory should hold."""
    examples: dict[int, Example] = {}
    num_bytes = 0
    for i in positions:
        try:
            example = source.load(i, condition)
        except InputError as error:
            problems.setdefault(str(error))
            continue
        examples[i] = example
        num_bytes += example.clean.nbytes + example.noisy.nbytes
        if num_bytes > _LOADED_BYTES:
            yield examples
            examples, num_bytes = {}, 0
    if examples:
        yield examples


def _is_done(place, system, clip, condition):
    return all(clip in place.store.done(label, condition) for label in system.labels)


def _run_system(place, system, examples, on_rows):
    seeds = [noise.clip_seed(x.condition.seed, x.name) for x in examples]
    outputs = system.run(
        examples, seeds, lambda clips: on_rows(clips * len(system.labels))
    )
    score(place, examples, outputs, one_by_one=system.resumes)


def _keep(store, future, others):
    store.add({**future.result(), **others})


def _kept(place, source) -> Iterator[tuple[Row, pool.Job]]:
    """Every row and the job that scores it anew; a clip is read once."""
    store, by_clip = place.store, {}
    for row in store.rows:
        by_clip.setdefault(row["clip"], []).append(row)
    positions = {clip.name: i for i, clip in enumerate(source.clips)}
    for clip, rows in by_clip.items():
        if clip not in positions:
            raise InputError(f"{clip}: has scores, but is not one of the clips")
        recording = source.clean(positions[clip])
        for row in rows:
            condition = Condition.of_row(row)
            estimate = store.estimate(clip, row["method"], condition)
            yield (
                row,
                pool.Job(
                    *(clip, row["method"], condition.seed),
                    *(recording.samples, estimate, recording.sample_rate),
                    place.metrics(recording.sample_rate),
                ),
            )
