"""Short-time Fourier transform of one signal and its inverse.

One window serves analysis and synthesis. Its squares, overlap-added, have to sum to a
constant: then an unchanged spectrum gives the signal back, and a changed one the signal
whose spectrum is nearest to it in the least-squares sense (Griffin and Lim 1984).

The signal is zero-padded at both ends: frame k ends with sample (k + 1) * hop - 1, and
every sample lies in window / hop frames. The hop divides the window. Arrays may be of
numpy or of jax; the result is of the same kind.
"""

import functools

import numpy as np


@functools.cache
def sqrt_hann(size: int) -> np.ndarray:
    """Square root of the periodic Hann window, for 75 % overlap (size,), float32.

    Its energy is 1: white noise of variance 1 has a mean power of 1 in every bin.
    """
    hann = np.hanning(size + 1)[:-1]
    return _constant(np.sqrt(hann / np.sum(hann)))


@functools.cache
def sine_window(size: int) -> np.ndarray:
    """sin(pi (n + 1/2) / size), for 50 % overlap (size,), float32."""
    return _constant(np.sin(np.pi * (np.arange(size) + 0.5) / size))


def _constant(window):
    window = window.astype(np.float32)
    window.flags.writeable = False
    return window


def num_frames(num_samples: int, window_size: int, hop: int) -> int:
    """Number of frames of a signal."""
    return -(-num_samples // hop) + window_size // hop - 1


def stft(signal, window: np.ndarray, hop: int):
    """Spectrum (frames, window // 2 + 1), complex, of a signal (samples,).

    Args:
      signal: Samples.
      window: (window,), its size a multiple of `hop`.
      hop: Samples from frame to frame.
    """
    margin = len(window) - hop
    padding = (margin, -len(signal) % hop + margin)
    xp = signal.__array_namespace__()
    frames = frame(xp.pad(signal, padding), len(window), hop)
    return xp.fft.rfft(frames * window[None])


def istft(spectrum, window: np.ndarray, hop: int, num_samples: int):
    """The signal (num_samples,) of a spectrum (frames, bins) as from `stft`.

    Args:
      spectrum: Complex.
      window: As for `stft`.
      hop: As for `stft`.
      num_samples: Length of the signal.
    """
    xp = spectrum.__array_namespace__()
    frames = xp.fft.irfft(spectrum, len(window)) * window[None]
    # what the squared windows sum to at each sample
    total = float(np.sum(window.astype(np.float64) ** 2)) / hop
    return overlap_add(frames, hop)[len(window) - hop :][:num_samples] / total


def frame(signal, size: int, hop: int):
    """Whole frames (frames, size, ...) of a signal (samples, ...), `hop` apart.

    Args:
      signal: At least `size` samples; those behind the last whole frame are dropped.
      size: Samples of a frame, a multiple of `hop`.
      hop: Samples from frame to frame.
    """
    count = (len(signal) - size) // hop + 1
    signal = signal[: (count - 1) * hop + size]
    hops = signal.reshape(-1, hop, *signal.shape[1:])
    parts = [hops[i : i + count] for i in range(size // hop)]
    return signal.__array_namespace__().concatenate(parts, axis=1)


def overlap_add(frames, hop: int):
    """Sum (samples, ...) of frames (frames, size, ...) that are `hop` samples apart."""
    count, size, *rest = frames.shape
    overlap = size // hop
    hops = frames.reshape(count, overlap, hop, *rest)
    xp = frames.__array_namespace__()
    no_padding = ((0, 0),) * (hops.ndim - 2)
    total = sum(
        xp.pad(hops[:, i], ((i, overlap - 1 - i), *no_padding)) for i in range(overlap)
    )
    return total.reshape(-1, *rest)
