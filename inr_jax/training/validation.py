"""Scores of a denoiser in training, on speakers that it never hears."""

import concurrent.futures
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from inr_jax import audio
from inr_jax.data import datasets, noise
from inr_jax.metrics.pool import Job, ScorePool

METRICS = ("si_sdr", "ssnr", "stoi", "pesq")
CLIP_S = 4.0
MAX_CLIPS = 20
WHITE_SNR_DB = 0.0
RECORDED_SNR_DB = 5.0


class Case(NamedTuple):
    """A noisy clip with its clean version, (samples,) each; `noise` names the kind."""

    clip: str
    noise: str
    noisy: np.ndarray
    clean: np.ndarray


def cases(
    clean_dir: str | os.PathLike,
    noise_dir: str | os.PathLike | None,
    sample_rate: int,
    seed: int = 0,
) -> list[Case]:
    """The beginnings of clips, all of `CLIP_S` seconds, with each kind of noise.

    Args:
      clean_dir: Speech; `MAX_CLIPS` clips are drawn where there are more.
      noise_dir: Recorded noise, or None for white noise alone.
      sample_rate: Hz of what the denoiser hears.
      seed: Of the noise and of the choice.

    Raises:
      InputError: a folder is missing or empty, or a file cannot be read.
    """
    found = []
    count = round(CLIP_S * sample_rate)
    clips = datasets.choose(datasets.find_clips(clean_dir), MAX_CLIPS, seed)
    recordings = datasets.find_clips(noise_dir) if noise_dir else []
    for i, clip in enumerate(clips):
        clean = _beginning(clip.path, sample_rate, count)
        clip_seed = noise.clip_seed(seed, clip.name)
        white = noise.add_white(clean, clip_seed, WHITE_SNR_DB)
        found.append(Case(clip.name, "white", white, clean))
        if recordings:
            path = recordings[i * len(recordings) // len(clips)].path
            recording = _beginning(path, sample_rate, None)[:, None]
            noisy = noise.add_recorded(
                clean[:, None], recording, clip_seed, RECORDED_SNR_DB
            )
            found.append(Case(clip.name, "recorded", noisy[:, 0], clean))
    return found


def submit(
    estimates: Mapping[int, np.ndarray],
    of: Sequence[Case],
    sample_rate: int,
    pool: ScorePool,
) -> list[concurrent.futures.Future]:
    """Starts to score estimates (samples,), by position in the cases."""
    return [
        pool.submit(
            Job(
                case.clip,
                case.noise,
                0,
                case.clean[:, None],
                estimates[i][:, None],
                sample_rate,
                METRICS,
            )
        )
        for i, case in enumerate(of)
    ]


def means(pending: Sequence[concurrent.futures.Future]) -> dict[str, float]:
    """Mean scores, named `noise/metric`, of what `submit` gave; waits for them."""
    rows = [future.result() for future in pending]
    kinds = dict.fromkeys(row["method"] for row in rows)
    return {
        f"{kind}/{name}": float(
            np.nanmean([row[name] for row in rows if row["method"] == kind])
        )
        for kind in kinds
        for name in METRICS
    }


def _beginning(path, sample_rate, count):
    recording = audio.read(path)
    samples = recording.samples[:, 0]
    samples = audio.resample(samples, recording.sample_rate, sample_rate)
    if count is None:
        return samples
    return np.pad(samples[:count], (0, max(0, count - len(samples))))
