"""Denoises clips of any length, level and rate by gain fields, many at once."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np

from inr_jax.configs.fitting import GainFieldConfig
from inr_jax.dsp import noise_psd, overlap_add, stft
from inr_jax.enhancement import gain_field
from inr_jax.enhancement.classical import window_of
from inr_jax.parallel import bucketing
from inr_jax.parallel.compute import ComputeConfig, default_compute

# Longer clips are denoised in parts that overlap by an eighth.
PART_S = 20.0


def denoise_many(
    keys: Sequence[jax.Array],
    signals: Sequence[np.ndarray],
    sample_rates: Sequence[int],
    config: GainFieldConfig,
    noise: str | float = "white",
    on_clips: Callable[[float], None] = lambda clips: None,
    compute: ComputeConfig | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Fits gain fields to each clip and applies them; clips share nothing.

    Args:
      keys: One for each clip.
      signals: Noisy clips (samples,) of at least one sample.
      sample_rates: Hz of each.
      config: The same for all.
      noise: A name of `noise_power.ESTIMATORS`, or the variance of white noise where
        it is known. All parts of a long clip share one estimate, unless it is tracked.
      on_clips: Called with clips done since the last call; parts count as shares.
      compute: By default what suits the device.

    Yields:
      Position in `signals` and estimate (samples,), as clips finish, shortest first.

    Raises:
      ValueError: a signal is empty, not one-dimensional or not finite.
    """
    compute = compute or default_compute()
    parts = [
        part
        for clip, (signal, rate) in enumerate(zip(signals, sample_rates, strict=True))
        for part in _parts(
            clip, keys[clip], bucketing.checked(clip, signal), rate, noise
        )
    ]

    def run(chosen, batch):
        estimates = _denoise_batch(chosen, batch, config, compute)
        for part, estimate in zip(chosen, estimates, strict=True):
            on_clips(1 / part.of)
            yield estimate

    for clip, found in bucketing.by_clip(
        parts, sample_rates, compute.batch_samples, compute.num_devices, run
    ):
        yield clip, overlap_add.crossfade(found, len(signals[clip]), len(found[0]))


class _Part(NamedTuple):
    clip: int
    of: int  # parts of this clip
    key: jax.Array
    samples: np.ndarray
    noise: np.ndarray | None  # power; None where each part tracks its own


def _parts(clip, key, signal, sample_rate, noise):
    pieces = overlap_add.split_overlapping(signal, round(PART_S * sample_rate))
    if noise == "tracked":
        level = None
    elif isinstance(noise, str):
        estimator, window = noise_psd.ESTIMATORS[noise], window_of(sample_rate)
        level = np.median(
            [estimator(_power(piece, window)) for piece in pieces], axis=0
        )
    else:
        level = np.full((1, 1), max(noise, noise_psd.SMALLEST))
    return [
        _Part(clip, len(pieces), jax.random.fold_in(key, i), piece, level)
        for i, piece in enumerate(pieces)
    ]


def _power(signal, window):
    return np.abs(stft.analyse(signal, window)) ** 2


def _ratio(power, noise):
    return power / (noise_psd.tracked(power) if noise is None else noise)


def _denoise_batch(parts, batch, config, compute):
    window = window_of(batch.sample_rate)
    size = stft.num_frames(batch.size, window)
    spectra = [stft.analyse(part.samples, window) for part in parts]
    ratios = [
        _ratio(np.abs(spectrum) ** 2, part.noise)
        for spectrum, part in zip(spectra, parts, strict=True)
    ]
    padded = [
        np.pad(ratio, ((0, size - len(ratio)), (0, 0)), mode="edge") for ratio in ratios
    ]
    gains = gain_field.fit_gains(
        [part.key for part in parts],
        np.stack(padded).astype(np.float32),
        np.array([len(ratio) for ratio in ratios]),
        batch.sample_rate,
        config,
        compute,
    )
    for spectrum, gain, part in zip(spectra, gains, parts, strict=True):
        gain = np.maximum(gain[: len(spectrum)] ** config.exponent, config.floor)
        yield stft.synthesise(spectrum * gain.astype(np.float32), len(part.samples))
