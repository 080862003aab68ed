"""Denoises and scores: many methods on many noisy clips, kept row by row."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from inr_jax import audio
from inr_jax.data import datasets, noise
from inr_jax.enhancement import api
from inr_jax.evaluation.store import Condition, Evaluation, Source
from inr_jax.metrics import pool as scoring

# Clips whose samples are in memory at once.
CHUNK = 64


def run(
    found: Evaluation,
    source: Source,
    methods: Mapping[str, Callable],
    condition: Condition,
    pool: scoring.ScorePool,
    on_clips: Callable[[float], None],
    keep_audio: bool = True,
) -> None:
    """Denoises and scores what is missing in one condition; a clip is read once.

    Args:
      found: Gets rows and estimates.
      source: Of the clips.
      methods: Denoisers as from `denoisers.make`, by their names in the rows.
      condition: What is done to the clips.
      pool: Workers.
      on_clips: Called with clips done since the last call.
      keep_audio: Whether estimates are written.
    """
    known = {method: found.done(method, condition) for method in methods}
    for start in range(0, len(source.clips), CHUNK):
        positions = range(start, min(start + CHUNK, len(source.clips)))
        names = {source.clips[i].name for i in positions}
        loaded = [
            source.load(i, condition)
            for i in positions
            if any(source.clips[i].name not in done for done in known.values())
        ]
        for method, denoiser in methods.items():
            on_clips(len(names & known[method]))
            todo = [one for one in loaded if one.name not in known[method]]
            _run_one(
                found, todo, method, denoiser, condition, pool, on_clips, keep_audio
            )


def _run_one(found, todo, method, denoiser, condition, pool, on_clips, keep_audio):
    """One method on a few clips."""
    pending = []
    for example, estimate, work_s in _timed(denoiser, todo, condition.seed, on_clips):
        if keep_audio:
            path = found.sound(example.name, method, condition)
            audio.write(path, estimate, example.sample_rate, "FLOAT")
        job = _job(example, method, condition, estimate)
        pending.append((pool.submit(job), work_s))
        while pending and pending[0][0].done():
            _keep(found, condition, *pending.pop(0))
    for row in pending:
        _keep(found, condition, *row)


def score(
    found: Evaluation,
    example: datasets.Example,
    estimates: Mapping[str, np.ndarray],
    condition: Condition,
    pool: scoring.ScorePool,
) -> None:
    """Keeps sounds and rows of several methods on one clip, the last row last.

    How long the work took is left open (NaN), as fits may have been resumed.

    Args:
      found: Gets them; what it has of them is not done again.
      example: The clip.
      estimates: (samples, channels) by method.
      condition: What was done to the clip.
      pool: Workers.
    """
    pending = []
    for method, estimate in estimates.items():
        if example.name in found.done(method, condition):
            continue
        path = found.sound(example.name, method, condition)
        audio.write(path, estimate, example.sample_rate, "FLOAT")
        pending.append(pool.submit(_job(example, method, condition, estimate)))
    for row in pending:
        _keep(found, condition, row, math.nan)


def rescore(
    found: Evaluation,
    source: Source,
    pool: scoring.ScorePool,
    on_rows: Callable[[float], None],
) -> None:
    """Scores every kept estimate anew, clip by clip; rows change when all are done.

    Raises:
      InputError: an estimate or a clip is missing.
    """
    rows, jobs = [], _kept(found, source)
    while chunk := list(itertools.islice(jobs, CHUNK)):
        futures = [pool.submit(job) for _, job in chunk]
        for (old, _), future in zip(chunk, futures, strict=True):
            rows.append({**old, **future.result()})
            on_rows(1)
    found.replace(rows)


def _kept(found, source) -> Iterator[tuple[dict, scoring.Job]]:
    """Every row and the job that scores it anew; a clip is read once in a condition."""
    positions = {clip.name: i for i, clip in enumerate(source.clips)}
    by_clip: dict[tuple, list[dict]] = {}
    for row in found.rows:
        condition = Condition(row["noise"], row["snr_db"], row["seed"])
        by_clip.setdefault((condition, row["clip"]), []).append(row)
    for (condition, clip), rows in by_clip.items():
        example = source.load(positions[clip], condition)
        for row in rows:
            estimate = found.estimate(clip, row["method"], condition)
            yield row, _job(example, row["method"], condition, estimate)


def _job(example, method, condition, estimate):
    return scoring.Job(
        example.name,
        method,
        condition.seed,
        example.clean,
        estimate,
        example.sample_rate,
    )


def _keep(found, condition, future, work_s):
    row = {**future.result(), **condition._asdict(), "work_s": round(work_s, 3)}
    found.add(row)


def _timed(denoiser, loaded, seed, on_clips) -> Iterator[tuple]:
    """Example, estimate and seconds of work, as the denoiser yields them."""
    noisy = [audio.Recording(e.noisy, e.sample_rate, name=e.name) for e in loaded]
    seeds = [noise.clip_seed(seed, e.name) for e in loaded]
    for estimate in api.denoise_recordings(denoiser, noisy, seeds, on_clips):
        yield loaded[estimate.position], estimate.samples, estimate.work_s
