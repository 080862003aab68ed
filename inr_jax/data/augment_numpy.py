"""Noisy examples made on the host for `train-hypersound`; `augment` is its successor.

An example follows from the seed, the step and its place in the batch alone, so that a
training that was interrupted sees what it would have seen.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from inr_jax.configs.training import MixingConfig
from inr_jax.data.noise import mix_at_snr

# Crops quieter than this against full scale are drawn again, a few times.
_QUIET_RMS = 0.01
_MAX_DRAWS = 5
# Pauses of digital zeros get noise of this deviation: no recording is that silent.
_DITHER = 2e-5
# Smooth random spectra: so many points in dB, evenly on a logarithmic axis.
_COLOUR_POINTS = 6
_COLOUR_DB = 12.0
# Rumble of rooms and wind: below so many Hz, so many dB over the noise that it joins.
_RUMBLE_HZ = (15.0, 60.0)
_RUMBLE_DB = (-10.0, 10.0)
# Voices of babble, at least and one more than at most.
_BABBLE_VOICES = (4, 9)


@dataclasses.dataclass(frozen=True)
class Speech:
    """A source of clean speech.

    Attributes:
      samples: int16 (samples,), as `decoded_cache.load` has them.
      weight: How often it is drawn, against other sources.
      band_limited: Whether it has nothing above `MixingConfig.band_limit_hz`; then its
        noise has neither, and the target stays right.
    """

    samples: np.ndarray
    weight: float = 1.0
    band_limited: bool = False


def batch(
    speech: Sequence[Speech],
    noise: np.ndarray,
    config: MixingConfig,
    places: Sequence[int],
    seed: int,
    step: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Noisy and clean examples of one step, float32 (places, samples) each.

    Args:
      speech: Sources.
      noise: Recorded noise, int16 (samples,).
      config: How they are mixed.
      places: In the batch, of the examples to make.
      seed: Of the training.
      step: Its number.
    """
    examples = [
        example(speech, noise, config, np.random.default_rng((seed, step, i)))
        for i in places
    ]
    noisy, clean = zip(*examples, strict=True)
    return np.stack(noisy), np.stack(clean)


def example(
    speech: Sequence[Speech],
    noise: np.ndarray,
    config: MixingConfig,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """One noisy example and its clean target, float32 (samples,), of one level."""
    source = _draw(speech, rng)
    count = config.num_samples
    clean = _crop(source.samples, count, rng)
    clean += _DITHER * rng.standard_normal(count, np.float32)
    disturbance = _noise(speech, noise, config, rng)
    if source.band_limited:
        cut = config.band_limit_hz / config.sample_rate
        clean, disturbance = _lowpass(clean, cut), _lowpass(disturbance, cut)
    snr_db = rng.uniform(*config.snr_range_db)
    noisy = mix_at_snr(clean, disturbance, snr_db)
    peak_db = rng.uniform(*config.level_range_db)
    scale = 10 ** (peak_db / 20) / max(np.max(np.abs(noisy)), 1e-9)
    return (scale * noisy).astype(np.float32), (scale * clean).astype(np.float32)


def _draw(speech, rng):
    weights = np.array([source.weight for source in speech])
    return speech[rng.choice(len(speech), p=weights / weights.sum())]


def _crop(samples, count, rng):
    for _ in range(_MAX_DRAWS):
        start = rng.integers(len(samples))
        crop = samples[(start + np.arange(count)) % len(samples)]
        crop = crop.astype(np.float32) / 32768
        if np.sqrt(np.mean(crop**2)) > _QUIET_RMS:
            break
    return crop


def _noise(speech, recorded, config, rng):
    noise = _of_a_kind(speech, recorded, config, rng)
    if rng.random() < config.rumble:
        noise += np.std(noise) * _rumble(len(noise), config.sample_rate, rng)
    return noise


def _of_a_kind(speech, recorded, config, rng):
    count = config.num_samples
    kinds = ("white", "coloured", "recorded", "babble", "clean")
    kind = rng.choice(kinds, p=[getattr(config, name) for name in kinds])
    if kind == "clean":
        return np.zeros(count, np.float32)
    if kind == "recorded":
        return _coloured(_crop(recorded, count, rng), 0.5 * _COLOUR_DB, rng)
    if kind == "babble":
        return _coloured(_babble(speech, count, rng), 0.5 * _COLOUR_DB, rng)
    white = rng.standard_normal(count, np.float32)
    return white if kind == "white" else _coloured(white, _COLOUR_DB, rng)


def _rumble(count, sample_rate, rng):
    low = _lowpass(
        rng.standard_normal(count, np.float32),
        rng.uniform(*_RUMBLE_HZ) / sample_rate,
        slope=5.0 / sample_rate,
    )
    return low * 10 ** (rng.uniform(*_RUMBLE_DB) / 20) / max(np.std(low), 1e-9)


def _babble(speech, count, rng):
    """Several voices at once, too many for one of them to be the target."""
    num_voices = rng.integers(*_BABBLE_VOICES)
    voices = [_crop(_draw(speech, rng).samples, count, rng) for _ in range(num_voices)]
    return sum(voice / max(np.std(voice), 1e-6) for voice in voices)


def _coloured(samples, spread_db, rng):
    """Filtered by a smooth random gain, normally distributed in dB."""
    frequencies = np.arange(1, len(samples) // 2 + 2) / len(samples)
    points = np.geomspace(frequencies[0], 0.5, _COLOUR_POINTS + 4)[4:]
    gains_db = spread_db * rng.standard_normal(_COLOUR_POINTS)
    curve = np.interp(np.log(frequencies), np.log(points), gains_db)
    spectrum = np.fft.rfft(samples) * 10 ** (curve / 20)
    return np.fft.irfft(spectrum, len(samples)).astype(np.float32)


def _lowpass(samples, cut, slope=0.01):
    """Without what lies above `cut`; it and the slope are shares of the sample rate."""
    frequencies = np.arange(len(samples) // 2 + 1) / len(samples)
    gain = np.clip((cut - frequencies) / slope + 0.5, 0, 1)
    spectrum = np.fft.rfft(samples) * gain
    return np.fft.irfft(spectrum, len(samples)).astype(np.float32)
