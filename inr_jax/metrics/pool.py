"""Scores of estimates as table rows, computed in worker processes without jax."""

import concurrent.futures
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import threadpoolctl
from jaxtyping import Float

from inr_jax import audio, metrics
from inr_jax.metrics.dnsmos import NAMES as DNSMOS

# Hz, at which PESQ and the composites are defined; both signals are resampled to it.
SCORE_RATE = 16_000
# Computed at the rate of the clip, and defined above `SCORE_RATE`.
NATIVE = ("high_sdr",)
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
# Absent from rows of earlier versions, of low rates, or without --dnsmos.
OPTIONAL = ("over_attenuation", *NATIVE, *DNSMOS)
COLUMNS = ("clip", "method", "seed", "seconds", *METRICS, "nan_reasons")


class Job(NamedTuple):
    """One estimate to score against its reference.

    `metrics` are those of the row: all of `METRICS` or some of them that are not composite,
    and any of `OPTIONAL`.
    """

    clip: str
    method: str
    seed: int
    reference: Float[np.ndarray, "samples channels"]
    estimate: Float[np.ndarray, "samples channels"]
    sample_rate: int
    metrics: tuple[str, ...] = METRICS


def metrics_of(sample_rate: int, dnsmos: bool = False) -> tuple[str, ...]:
    """Names of the metrics at a sample rate, with DNSMOS where it is asked for."""
    native = NATIVE if sample_rate > SCORE_RATE else ()
    return (*METRICS, "over_attenuation", *native, *(DNSMOS if dnsmos else ()))


def score(job: Job) -> dict[str, object]:
    """One row: each metric, averaged over channels, and the reasons of NaNs.

    Raises:
      ValueError: shapes differ.
    """
    if job.reference.shape != job.estimate.shape:
        raise ValueError(
            f"{job.clip}: shapes differ: reference {job.reference.shape} and "
            f"{job.method} {job.estimate.shape}"
        )
    channels = [
        _scores(job.metrics, job.reference[:, i], job.estimate[:, i], job.sample_rate)
        for i in range(job.reference.shape[1])
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


def _scores(names, reference, estimate, sample_rate):
    names, scores = set(names), {}
    for name in names.intersection(NATIVE):
        scores[name] = getattr(metrics, name)(reference, estimate, sample_rate)
    reference, estimate = (
        audio.resample(x, sample_rate, SCORE_RATE) for x in (reference, estimate)
    )
    if names >= set(METRICS):  # composites share their parts
        scores |= metrics.all_metrics(reference, estimate, SCORE_RATE)
    if names.intersection(DNSMOS):
        scores |= metrics.dnsmos(estimate, SCORE_RATE)
    for name in names.difference(scores):
        scores[name] = getattr(metrics, name)(reference, estimate, SCORE_RATE)
    return scores


def _begin_worker() -> None:
    """Leaves interrupts to the parent, and exits when it ends, killed or not."""
    # threads of small matrix products contend: a row took twice the time
    threadpoolctl.threadpool_limits(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent) -> None:
    parent.join()
    os._exit(1)


class ScorePool:
    """Scoring processes, one per core; a context manager."""

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
        """The future row of one job."""
        return self._pool.submit(score, job)

    def score(self, jobs: Iterable[Job]) -> list[dict[str, object]]:
        """Rows in the order of the jobs."""
        return list(self._pool.map(score, jobs))
