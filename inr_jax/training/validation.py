"""Scores of a denoiser in training, on speakers that are not in its training data."""

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from inr_jax import audio
from inr_jax.data import datasets, noise
from inr_jax.metrics.pool import Job, ScorePool

# By what is trained.
METRICS = {"all": ("si_sdr", "ssnr", "stoi", "pesq"), "highs": ("high_sdr",)}
CLIP_S = 4.0
MAX_CLIPS = 20
WHITE_SNR_DB = 0.0
RECORDED_SNR_DB = 5.0


class ValidationExample(NamedTuple):
    """A noisy clip with its clean version, (samples,) each; `noise` names the kind."""

    clip: str
    noise: str
    noisy: np.ndarray
    clean: np.ndarray


def examples(
    clean_dir: str | os.PathLike,
    noise_dir: str | os.PathLike | None,
    sample_rate: int,
    seed: int = 0,
) -> list[ValidationExample]:
    """The beginnings of clips, all of `CLIP_S` seconds, with each kind of noise.

    Args:
      clean_dir: Speech; `MAX_CLIPS` clips are drawn where there are more.
      noise_dir: Recorded noise, or None for white noise alone.
      sample_rate: Hz that the denoiser runs at.
      seed: Of the noise and of the choice.

    Raises:
      InputError: a folder is missing or empty, or a file cannot be read.
    """
    made = []
    clips = datasets.choose(datasets.find_clips(clean_dir), MAX_CLIPS, seed)
    recordings = datasets.find_clips(noise_dir) if noise_dir else []
    for i, clip in enumerate(clips):
        clean = _of_length(
            datasets.mono(audio.read(clip.path), sample_rate), sample_rate
        )
        clip_seed = noise.clip_seed(seed, clip.name)
        white = noise.add_white(clean, clip_seed, WHITE_SNR_DB)
        made.append(ValidationExample(clip.name, "white", white, clean))
        if recordings:
            path = recordings[i * len(recordings) // len(clips)].path
            recording = datasets.mono(audio.read(path), sample_rate)
            noisy = noise.add_recorded(
                clean[:, None], recording[:, None], clip_seed, RECORDED_SNR_DB
            )
            made.append(ValidationExample(clip.name, "recorded", noisy[:, 0], clean))
    return made


def mean_scores(
    estimates: Mapping[int, np.ndarray],
    of: Sequence[ValidationExample],
    sample_rate: int,
    metrics: Sequence[str],
    pool: ScorePool,
) -> dict[str, float]:
    """Mean scores, named `noise/metric`.

    Args:
      estimates: (samples,) by position in the examples.
      of: The examples.
      sample_rate: Hz.
      metrics: Names of `inr_jax.metrics`.
      pool: Scores them.
    """
    pending = [
        pool.submit(
            Job(
                example.clip,
                example.noise,
                0,
                example.clean[:, None],
                estimates[i][:, None],
                sample_rate,
                tuple(metrics),
            )
        )
        for i, example in enumerate(of)
    ]
    rows = [future.result() for future in pending]
    kinds = dict.fromkeys(row["method"] for row in rows)
    return {
        f"{kind}/{name}": float(
            np.nanmean([row[name] for row in rows if row["method"] == kind])
        )
        for kind in kinds
        for name in metrics
    }


def selection_score(scores: Mapping[str, float]) -> float:
    """What the best checkpoint is chosen by: PESQ plus a tenth of SI-SDR in dB.

    The mean over the kinds of noise of `mean_scores`. Neither metric alone, since each
    can rise at the cost of the other. Above the cells there is but the SDR.
    """
    weights = {"pesq": 1.0, "si_sdr": 0.1, "high_sdr": 0.1}
    kinds = {name.split("/")[0] for name in scores}
    return sum(
        weights.get(name.split("/")[1], 0.0) * score for name, score in scores.items()
    ) / len(kinds)


def _of_length(samples, sample_rate):
    count = round(CLIP_S * sample_rate)
    return np.pad(samples[:count], (0, max(0, count - len(samples))))
