"""Denoises numpy arrays and recordings of any number of channels, by any method."""

from collections.abc import Iterator, Sequence

import jax
import numpy as np
from absl import logging

from inr_jax import audio
from inr_jax.enhancement import registry
from inr_jax.enhancement.registry import Denoiser, OnClips, Options


def denoise(
    samples: np.ndarray,
    sample_rate: int,
    method: str = "local_hypersound",
    seed: int = 0,
    options: Options | None = None,
) -> np.ndarray:
    """Denoised samples of the same shape, level and rate, float32.

    With `Options.output_rate` they are at that rate, and so many more.

    Args:
      samples: (samples,) or (samples, channels), float or signed integers.
      sample_rate: In Hz, any.
      method: A name of `denoisers.METHODS`.
      seed: Of methods that draw.
      options: Settings of the method.

    Raises:
      InputError: unknown method, or samples that are no sound.
    """
    samples = np.asarray(samples)
    recording = audio.read(samples, sample_rate)
    ((_, estimate),) = denoise_recordings(
        registry.make(method, options), [recording], [seed]
    )
    return estimate.reshape(-1, *samples.shape[1:])  # longer on a finer grid


def denoise_recordings(
    denoiser: Denoiser,
    recordings: Sequence[audio.Recording],
    seeds: Sequence[int],
    on_clips: OnClips = lambda clips: None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Position and estimate (samples, channels) of each, each channel by itself.

    Where an estimate holds NaN or infinity, the noisy channel stands for it and a warning
    is logged.
    """
    owners = [(i, c) for i, r in enumerate(recordings) for c in range(len(r.samples.T))]
    found: dict[int, dict[int, np.ndarray]] = {}
    estimates = denoiser(
        [recordings[i].samples[:, c] for i, c in owners],
        [recordings[i].sample_rate for i, _ in owners],
        [jax.random.fold_in(jax.random.key(seeds[i]), c) for i, c in owners],
        lambda clips: on_clips(clips * len(recordings) / len(owners)),
    )
    for position, estimate in estimates:
        i, channel = owners[position]
        done = found.setdefault(i, {})
        done[channel] = _finite(estimate, recordings[i], channel)
        if len(done) == recordings[i].samples.shape[1]:
            del found[i]
            columns = [done[c] for c in sorted(done)]
            # a long recording of one channel is not copied
            yield i, np.stack(columns, 1) if len(columns) > 1 else columns[0][:, None]


def _finite(estimate, recording, channel):
    if np.isfinite(np.sum(estimate)):  # no array as long as the recording
        return estimate
    logging.warning(
        "%s: the estimate of channel %d is not finite; it stays noisy",
        *(recording.name, channel),
    )
    noisy = recording.samples[:, channel].copy()
    # on the finer grid of the estimate, where it has one
    return audio.resample(noisy, len(noisy), len(estimate))[: len(estimate)]
