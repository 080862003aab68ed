"""Scores of a denoiser in training, on speakers that are not in its training data."""

import os
from collections.abc import Mapping, Sequence

import numpy as np

from inr_jax import audio
from inr_jax.data import bad_files, datasets
from inr_jax.data.datasets import Example
from inr_jax.data.noise import Condition
from inr_jax.errors import InputError
from inr_jax.metrics.pool import Job, ScorePool

# By what is trained.
METRICS = {"all": ("si_sdr", "ssnr", "stoi", "pesq"), "highs": ("high_sdr",)}
CLIP_S = 4.0
MAX_CLIPS = 20
WHITE_SNR_DB = 0.0
RECORDED_SNR_DB = 5.0


def examples(
    clean_dir: str | os.PathLike,
    noise_dir: str | os.PathLike | None,
    sample_rate: int,
    seed: int = 0,
    allow_bad: bool = False,
) -> tuple[list[Example], list[str]]:
    """The beginnings of clips, all of `CLIP_S` seconds, with each kind of noise.

    They have one channel.

    Args:
      clean_dir: Speech; `MAX_CLIPS` clips are drawn where there are more.
      noise_dir: Recorded noise, or None for white noise alone.
      sample_rate: Hz that the denoiser runs at.
      seed: Of the noise and of the choice.
      allow_bad: Whether more than a tenth of the clips may be left out.

    Returns:
      The examples, and a line for each file, or kind of files, that cannot be used.

    Raises:
      TooManyBadFiles: more than a tenth of the clips cannot be used, and that is not
        allowed.
      InputError: a folder is missing or empty, or nothing in it can be used.
    """
    made = []
    white = Condition("white", WHITE_SNR_DB, seed)
    recorded = Condition("recorded", RECORDED_SNR_DB, seed)
    found = datasets.find(clean_dir)
    clips, problems = datasets.choose(found.clips, MAX_CLIPS, seed), found.problems
    tally = bad_files.Tally(str(clean_dir), len(clips), allow_bad)
    recordings = datasets.NoiseRecordings([])
    if noise_dir:
        of_noise = datasets.find(noise_dir)
        recordings = datasets.NoiseRecordings(of_noise.clips)
        problems += of_noise.problems
    for i, clip in enumerate(clips):
        try:
            clean = _clean(clip.path, sample_rate)
        except InputError as error:
            tally.add(str(error))
            continue
        made.append(datasets.mix(clip.name, clean, white))
        if recordings.clips:
            noise = recordings.at(i * len(recordings.clips) // len(clips))
            made.append(datasets.mix(clip.name, clean, recorded, recording=noise))
    return made, [*problems, *tally.problems, *recordings.problems]


def mean_scores(
    estimates: Mapping[int, np.ndarray],
    of: Sequence[Example],
    metrics: Sequence[str],
    pool: ScorePool,
) -> dict[str, float]:
    """Mean scores, named `noise/metric`, of the clips that have a value.

    The share of others, such as silent estimates, is `noise/undefined`, if there are any.

    Args:
      estimates: (samples,) by position in the examples.
      of: The examples.
      metrics: Names of `inr_jax.metrics`.
      pool: Scores them.
    """
    pending = [
        pool.submit(
            Job(
                example.name,
                example.condition.noise,
                example.condition.seed,
                example.clean,
                estimates[i][:, None],
                example.sample_rate,
                tuple(metrics),
            )
        )
        for i, example in enumerate(of)
    ]
    rows = [future.result() for future in pending]
    scores = {}
    for kind in dict.fromkeys(row["method"] for row in rows):
        values = np.array(
            [[row[name] for name in metrics] for row in rows if row["method"] == kind]
        )
        for name, column in zip(metrics, values.T, strict=True):
            scores[f"{kind}/{name}"] = float(np.nanmean(column))
        if undefined := float(np.mean(np.any(np.isnan(values), axis=1))):
            scores[f"{kind}/undefined"] = undefined
    return scores


def selection_score(scores: Mapping[str, float]) -> float:
    """What the best checkpoint is chosen by: PESQ plus a tenth of SI-SDR in dB.

    The mean over the kinds of noise of `mean_scores`. Neither metric alone, since each
    can rise at the cost of the other. Above the cells there is but the SDR. A clip
    without a value counts as the worst.
    """
    weights = {"pesq": 1.0, "si_sdr": 0.1, "high_sdr": 0.1, "undefined": -5.0}
    kinds = {name.split("/")[0] for name in scores}
    return sum(
        weights.get(name.split("/")[1], 0.0) * score for name, score in scores.items()
    ) / len(kinds)


def _clean(path, sample_rate):
    samples = datasets.mono(audio.read(path), sample_rate)
    count = round(CLIP_S * sample_rate)
    samples = np.pad(samples[:count], (0, max(0, count - len(samples))))
    if not np.any(samples):
        raise InputError(f"{path}: holds nothing but silence")
    return audio.Recording(samples[:, None], sample_rate)
