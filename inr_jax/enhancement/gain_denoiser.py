"""Denoises clips of any length, level and rate by gain fields, many at once."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from inr_jax.configs.fitting import GainFieldConfig
from inr_jax.dsp import noise_psd, overlap_add, stft
from inr_jax.enhancement import gain_field
from inr_jax.enhancement.classical import window_of
from inr_jax.parallel import bucketing, devices
from inr_jax.parallel.compute import ComputeConfig, default_compute, over_fits

# Longer clips are denoised in parts that overlap by an eighth.
PART_S = 20.0


def denoise_many(
    keys: Sequence[jax.Array],
    signals: Sequence[np.ndarray],
    sample_rates: Sequence[int],
    config: GainFieldConfig,
    noise_estimator: str | float = "auto",
    on_clips: Callable[[float], None] = lambda clips: None,
    compute: ComputeConfig | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Fits gain fields to each clip and applies them; clips share nothing.

    Args:
      keys: One for each clip.
      signals: Noisy clips (samples,) of at least one sample.
      sample_rates: Hz of each.
      config: The same for all; what it leaves open follows from the noise of each clip.
      noise_estimator: A name of `noise_psd.ESTIMATORS`, or the variance of white noise
        where it is known. All parts of a long clip share one estimate, unless the noise
        is non-stationary.
      on_clips: Called with clips done since the last call; parts count as shares.
      compute: By default what suits the device.

    Yields:
      Position in `signals` and estimate (samples,), as clips finish, shortest first
      among those of the same settings.

    Raises:
      ValueError: a signal is empty, not one-dimensional or not finite.
      InputError: there is no such estimator.
    """
    compute = compute or default_compute()
    parts = [
        part
        for clip, (signal, rate) in enumerate(zip(signals, sample_rates, strict=True))
        for part in _parts(
            *(clip, keys[clip], bucketing.checked(clip, signal), rate),
            *(config, noise_estimator),
        )
    ]

    def run(chosen, batch):
        estimates = _denoise_batch(chosen, batch, chosen[0].config, compute)
        for part, estimate in zip(chosen, estimates, strict=True):
            on_clips(1 / part.of)
            yield estimate

    for settings in dict.fromkeys(part.config for part in parts):
        alike = [part for part in parts if part.config == settings]
        for clip, found in bucketing.by_clip(
            alike, sample_rates, compute.batch_samples, compute.num_devices, run
        ):
            yield clip, overlap_add.crossfade(found, len(signals[clip]), len(found[0]))


class _Part(NamedTuple):
    clip: int
    of: int  # parts of this clip
    key: jax.Array
    samples: np.ndarray
    config: GainFieldConfig
    noise: np.ndarray | None  # PSD; None where it moves, and each part has its own


def _parts(clip, key, signal, sample_rate, config, noise_estimator):
    pieces = overlap_add.split_overlapping(signal, round(PART_S * sample_rate))
    if isinstance(noise_estimator, str):
        window = window_of(sample_rate)
        is_white = all(noise_psd.is_white(_power(piece, window)) for piece in pieces)
        noise = _shared_noise(pieces, window, noise_estimator, is_white)
    else:
        is_white = True
        noise = np.full((1, 1), max(noise_estimator, noise_psd.SMALLEST))
    config = config.for_noise(is_white)
    return [
        _Part(clip, len(pieces), jax.random.fold_in(key, i), piece, config, noise)
        for i, piece in enumerate(pieces)
    ]


def _shared_noise(pieces, window, noise_estimator, is_white):
    """Noise PSD of all pieces of a clip; None where it moves."""
    if noise_estimator == "mmse_spp" or noise_estimator == "auto" and not is_white:
        return None
    estimates = [
        noise_psd.estimate(_power(piece, window), noise_estimator) for piece in pieces
    ]
    return np.median(estimates, axis=0)


def _power(signal, window):
    return np.abs(stft.analyse(signal, window)) ** 2


def _ratio(power, noise):
    return power / (noise_psd.mmse_spp(power) if noise is None else noise)


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
    gains = _gains_many(
        jnp.stack([part.key for part in parts]),
        np.stack(padded).astype(np.float32),
        np.array([len(ratio) for ratio in ratios]),
        batch.sample_rate,
        config,
        compute,
    )
    for spectrum, gain, part in zip(spectra, np.asarray(gains), parts, strict=True):
        gain = np.maximum(gain[: len(spectrum)] ** config.exponent, config.floor)
        yield stft.synthesise(spectrum * gain.astype(np.float32), len(part.samples))


@jax.jit(static_argnames=("sample_rate", "config", "compute"))
def _gains_many(keys, ratios, num_frames, sample_rate, config, compute):
    """Gains (clips, frames, bins): the geometric mean over the fields of a clip."""
    window = window_of(sample_rate)
    hop_s, bin_khz = window / stft.OVERLAP / sample_rate, sample_rate / window / 1000

    def gains_of(keys, ratios, num_frames):
        def one(clip, field):
            key = jax.random.fold_in(keys[clip], field)
            ratio, count = ratios[clip], num_frames[clip]
            return gain_field.fit(key, ratio, count, hop_s, bin_khz, config, compute)

        lifted = over_fits(one, compute, config.siren.width, config.num_bins)
        clips, fields = jnp.divmod(
            jnp.arange(len(ratios) * config.num_fields), config.num_fields
        )
        gains = lifted(clips, fields)
        gains = gains.reshape(len(ratios), config.num_fields, *ratios.shape[1:])
        return jnp.exp(jnp.mean(jnp.log(gains), axis=1))

    return devices.over_clips(gains_of, compute.num_devices)(keys, ratios, num_frames)
