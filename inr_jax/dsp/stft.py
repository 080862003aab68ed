"""Short-time Fourier transform of one signal and its inverse.

One window serves analysis and synthesis. Its squares, overlap-added, have to sum to a
constant: then an unchanged spectrum gives the signal back, and a changed one the signal
whose spectrum is nearest to it in the least-squares sense (Griffin and Lim 1984).

The signal is zero-padded at both ends: frame k ends with sample (k + 1) * hop - 1, and
every sample lies in window / hop frames. The hop divides the window. Arrays may be of
numpy or of jax; the result is of the same kind.
"""

import functools
from typing import Any

import numpy as np
from jaxtyping import Complex, Float, Shaped


@functools.cache
def hann(size: int) -> Float[np.ndarray, " {size}"]:
    """The periodic Hann window, of peak 1."""
    return _constant(_hann(size))


@functools.cache
def sqrt_hann(size: int) -> Float[np.ndarray, " {size}"]:
    """Square root of the periodic Hann window, for 75 % overlap.

    Its energy is 1: white noise of variance 1 has a mean power of 1 in every bin.
    """
    window = _hann(size)
    return _constant(np.sqrt(window / np.sum(window)))


@functools.cache
def sine_window(size: int) -> Float[np.ndarray, " {size}"]:
    """sin(pi (n + 1/2) / size), for 50 % overlap."""
    return _constant(np.sin(np.pi * (np.arange(size) + 0.5) / size))


def _hann(size):
    return np.hanning(size + 1)[:-1]


def _constant(window):
    window = window.astype(np.float32)
    window.flags.writeable = False
    return window


def num_frames(num_samples: int, window_size: int, hop: int) -> int:
    """Number of frames of a signal."""
    return -(-num_samples // hop) + window_size // hop - 1


def stft(
    signal: Float[Any, " samples"], window: Float[np.ndarray, " window"], hop: int
) -> Complex[Any, "frames bins"]:
    """Spectrum of a signal, window // 2 + 1 bins of `num_frames` frames.

    Args:
      signal: Real.
      window: Its size is a multiple of `hop`.
      hop: Samples from frame to frame.
    """
    margin = len(window) - hop
    padding = (margin, -len(signal) % hop + margin)
    xp = signal.__array_namespace__()
    frames = frame(xp.pad(signal, padding), len(window), hop)
    return xp.fft.rfft(frames * window[None])


def istft(
    spectrum: Complex[Any, "frames bins"],
    window: Float[np.ndarray, " window"],
    hop: int,
    num_samples: int,
) -> Float[Any, " {num_samples}"]:
    """The signal of a spectrum, the inverse of `stft`.

    Args:
      spectrum: As from `stft`.
      window: As for `stft`.
      hop: As for `stft`.
      num_samples: Length of the signal.
    """
    xp = spectrum.__array_namespace__()
    frames = xp.fft.irfft(spectrum, len(window)) * window[None]
    # what the squared windows sum to at each sample
    total = float(np.sum(window.astype(np.float64) ** 2)) / hop
    return overlap_add(frames, hop)[len(window) - hop :][:num_samples] / total


def frame(
    signal: Shaped[Any, " samples *rest"], size: int, hop: int
) -> Shaped[Any, "frames {size} *rest"]:
    """Whole frames of a signal.

    Args:
      signal: At least `size` long; what follows the last whole frame is dropped.
      size: Samples of a frame, a multiple of `hop`.
      hop: Samples from frame to frame.
    """
    count = (len(signal) - size) // hop + 1
    signal = signal[: (count - 1) * hop + size]
    hops = signal.reshape(-1, hop, *signal.shape[1:])
    parts = [hops[i : i + count] for i in range(size // hop)]
    return signal.__array_namespace__().concatenate(parts, axis=1)


def overlap_add(
    frames: Shaped[Any, "frames size *rest"], hop: int
) -> Shaped[Any, " samples *rest"]:
    """Sum of frames that are `hop` samples apart; the hop divides their size."""
    count, size, *rest = frames.shape
    overlap = size // hop
    hops = frames.reshape(count, overlap, hop, *rest)
    xp = frames.__array_namespace__()
    no_padding = ((0, 0),) * (hops.ndim - 2)
    total = sum(
        xp.pad(hops[:, i], ((i, overlap - 1 - i), *no_padding)) for i in range(overlap)
    )
    return total.reshape(-1, *rest)
