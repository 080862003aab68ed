"""Binaural mixtures of a voice that moves around a head, for `spatial_cues.py`."""

import numpy as np
from scipy import signal

from inr_jax import audio

HEAD_RADIUS_M, SOUND_M_PER_S = 0.0875, 343.0
LARGEST_ILD_DB = 8.0
STRETCH_S = 0.1
SPEECH_DB = -20.0  # of the loudest stretch; below are pauses
LARGEST_ITD_S = 1e-3
FINE_RATE = 192_000  # Hz, at which time differences are read: steps of 5 us


def walk(speech: np.ndarray, sample_rate: int) -> np.ndarray:
    """The voice at both ears (samples, 2), from the left to the right.

    ITD after Woodworth, for a round head; ILD in proportion to the sine of the angle.
    """
    angle = np.linspace(-np.pi / 2, np.pi / 2, len(speech))
    itd = HEAD_RADIUS_M / SOUND_M_PER_S * (angle + np.sin(angle))
    time = np.arange(len(speech)) / sample_rate
    ears = []
    for side in (-1, 1):  # the nearer ear hears it sooner and louder
        delayed = np.interp(time + side * itd / 2, time, speech)
        ears.append(delayed * 10 ** (side * LARGEST_ILD_DB * np.sin(angle) / 40))
    return np.stack(ears, axis=1).astype(np.float32)


def cues(ears: np.ndarray, sample_rate: int) -> np.ndarray:
    """ILD in dB and ITD in seconds of each stretch (stretches, 2)."""
    ears = audio.resample(ears, sample_rate, FINE_RATE)
    size, sample_rate = round(STRETCH_S * FINE_RATE), FINE_RATE
    found = []
    for start in range(0, len(ears) - size + 1, size):
        left, right = ears[start : start + size].astype(np.float64).T
        ild = 10 * np.log10((right @ right + 1e-12) / (left @ left + 1e-12))
        most = round(LARGEST_ITD_S * sample_rate)
        lags = np.arange(-most, most + 1)
        products = signal.correlate(right, left, method="fft")[size - 1 + lags]
        found.append((ild, lags[np.argmax(products)] / sample_rate))
    return np.array(found)


def errors(clean: np.ndarray, estimate: np.ndarray, sample_rate: int) -> np.ndarray:
    """Mean absolute errors of ILD in dB and ITD in seconds, where there is speech."""
    size = round(STRETCH_S * sample_rate)
    count = len(clean) // size
    power = np.mean(clean[: count * size].reshape(count, -1) ** 2, axis=1)
    speaks = power > np.max(power) * 10 ** (SPEECH_DB / 10)
    difference = cues(estimate, sample_rate) - cues(clean, sample_rate)
    return np.mean(np.abs(difference[speaks]), axis=0)
