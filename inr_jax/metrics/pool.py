"""Scores of estimates as rows of a table, made in worker processes without jax."""

import concurrent.futures
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import threadpoolctl

from inr_jax import audio, metrics

# PESQ and the composites are defined here; other rates are resampled, both sides alike.
SCORE_RATE = 16_000
METRICS = (
    "ssnr",
    "stoi",
    "pesq",
    "csig",
    "cbak",
    "covl",
    "si_sdr",
    "csig_raw",
    "cbak_raw",
    "covl_raw",
    "estoi",
    "llr",
    "wss",
    "lag",
    "gain",
)
COLUMNS = ("clip", "method", "seed", "seconds", *METRICS, "nan_reasons")


class Job(NamedTuple):
    """One estimate to score: float (samples, channels), both of one length.

    `metrics`, where it is given, names the few that are wanted, without composites.
    """

    clip: str
    method: str
    seed: int
    reference: np.ndarray
    estimate: np.ndarray
    sample_rate: int
    metrics: tuple[str, ...] = METRICS


def score(job: Job) -> dict[str, object]:
    """One row: every metric of the job, the mean over channels, NaN with its reason.

    Raises:
      ValueError: shapes differ.
    """
    if job.reference.shape != job.estimate.shape:
        raise ValueError(
            f"{job.clip}: shapes differ: reference {job.reference.shape} and "
            f"{job.method} {job.estimate.shape}"
        )
    reference, estimate = (
        audio.resample(x, job.sample_rate, SCORE_RATE)
        for x in (job.reference, job.estimate)
    )
    channels = [
        _scores(job.metrics, reference[:, i], estimate[:, i])
        for i in range(reference.shape[1])
    ]
    row: dict[str, object] = {
        "clip": job.clip,
        "method": job.method,
        "seed": job.seed,
        "seconds": round(len(job.reference) / job.sample_rate, 3),
    }
    reasons = {}
    for name in job.metrics:
        values = [channel[name] for channel in channels]
        row[name] = round(float(np.mean(values)), 6)
        reasons |= {name: v.reason for v in values if v.reason}  # noqa: B035
    row["nan_reasons"] = "; ".join(f"{name}: {why}" for name, why in reasons.items())
    return row


def _scores(names, reference, estimate):
    if names == METRICS:  # the composites share what they are made of
        return metrics.all_metrics(reference, estimate, SCORE_RATE)
    return {
        name: getattr(metrics, name)(reference, estimate, SCORE_RATE) for name in names
    }


def _begin_worker() -> None:
    """Leaves interrupts to the parent, and ends when it ends, killed or not."""
    # threads of small products wait for each other: a row took twice the time
    threadpoolctl.threadpool_limits(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent) -> None:
    parent.join()
    os._exit(1)


class ScorePool:
    """Worker processes that score, all cores; a context manager."""

    def __init__(self):
        self._pool = concurrent.futures.ProcessPoolExecutor(
            os.cpu_count(),
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin_worker,
        )

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._pool.shutdown(cancel_futures=True)

    def submit(self, job: Job) -> concurrent.futures.Future:
        """The row of one job, to be had when it is done."""
        return self._pool.submit(score, job)

    def score(self, jobs: Iterable[Job]) -> list[dict[str, object]]:
        """Rows in the order of the jobs."""
        return list(self._pool.map(score, jobs))
