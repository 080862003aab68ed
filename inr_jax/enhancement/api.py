"""Denoises numpy arrays and recordings, by any method."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from inr_jax import audio
from inr_jax.configs import methods
from inr_jax.enhancement import driver, registry
from inr_jax.enhancement.driver import Denoiser, Estimate, OnClips, Source
from inr_jax.errors import InputError


def denoise(
    samples: np.ndarray,
    sample_rate: int,
    method: str = methods.DEFAULT,
    *,
    seed: int = 0,
    **settings: Any,
) -> np.ndarray:
    """Denoised samples of the same shape, level and rate, float32.

    With a setting `output_rate` they are at that rate, and so many more.

    Args:
      samples: (samples,) or (samples, channels) as `audio.read` takes: of numpy, JAX or
        torch, or lists; floating-point numbers of full scale 1 or integers of any width.
      sample_rate: In Hz, any.
      method: A name of `inr_jax.configs.methods.METHODS`.
      seed: Of methods that draw.
      **settings: Of the method, as `noise_estimator="white"`.

    Raises:
      InputError: unknown method or setting, samples that are not audio, or a seed that is
        no whole number of 64 bits.
    """
    if not (isinstance(seed, int | np.integer) and -(2**63) <= seed < 2**63):
        raise InputError(f"seed must be a whole number of 64 bits, got {seed!r}")
    samples = audio.as_array(samples)
    recording = audio.read(samples, sample_rate)
    denoiser = registry.make(method, methods.replace(method, **settings))
    (estimate,) = denoise_recordings(denoiser, [recording], [seed])
    return estimate.samples.reshape(-1, *samples.shape[1:])


def denoise_recordings(
    denoiser: Denoiser,
    recordings: Iterable[Source],
    seeds: Sequence[int],
    on_clips: OnClips = lambda clips: None,
) -> Iterator[Estimate]:
    """Whole estimates of recordings, each channel by itself, as they are done.

    Args:
      denoiser: As from `registry.make`.
      recordings: Noisy.
      seeds: Of methods that draw, one for each.
      on_clips: Called with recordings done since the last call, shares too.

    Raises:
      InputError: a recording cannot be read.
    """
    parts: dict[int, list[Estimate]] = {}
    keys = _keys(seeds)
    for part in driver.run(denoiser, recordings, keys, on_clips):
        if part.error:
            raise part.error
        parts.setdefault(part.position, []).append(part)
        if part.is_last:
            yield _whole(parts.pop(part.position))


def _keys(seeds):
    yield from map(jax.random.key, seeds)
    raise ValueError(f"{len(seeds)} seeds are fewer than recordings")


def _whole(parts):
    if len(parts) == 1:
        return parts[0]
    return parts[0]._replace(
        samples=np.concatenate([part.samples for part in parts]),
        noisy=np.concatenate([part.noisy for part in parts]),
        work_s=sum(part.work_s for part in parts),
        is_last=True,
    )
