"""Short-time Fourier transform of one signal and its exact inverse, square-root Hann.

The same window serves analysis and synthesis, so that an untouched spectrum comes back
as the signal, and a changed one as the signal whose frames are nearest to it in the
least-squares sense (Griffin and Lim 1984). Zeros stand before and behind the signal;
frame k ends with sample (k + 1) * hop - 1, so that every sample lies in four frames.
Arrays may be of numpy or of jax: what comes out is what went in.
"""

import numpy as np

OVERLAP = 4  # frames over each sample


def num_frames(num_samples: int, window: int) -> int:
    """Frames of a signal."""
    return -(-num_samples // (window // OVERLAP)) + OVERLAP - 1


def analyse(signal, window: int):
    """Spectrum (frames, window // 2 + 1), complex, of a signal (samples,).

    White noise of variance 1 has a mean power of 1 in every bin.

    Args:
      signal: Samples.
      window: Samples of a frame, a multiple of 4; the hop is a quarter.
    """
    hop, count = window // OVERLAP, num_frames(signal.shape[0], window)
    margin = window - hop
    total = (count + OVERLAP - 1) * hop
    xp = signal.__array_namespace__()
    padded = xp.pad(signal, (margin, total - margin - signal.shape[0]))
    pieces = padded.reshape(-1, hop)
    frames = xp.concatenate([pieces[i : i + count] for i in range(OVERLAP)], axis=1)
    return xp.fft.rfft(frames * _window(window)[None, :])


def synthesise(spectrum, num_samples: int):
    """The signal (num_samples,) whose frames are nearest to a spectrum as of `analyse`."""
    xp = spectrum.__array_namespace__()
    window = 2 * (spectrum.shape[1] - 1)
    hop = window // OVERLAP
    frames = xp.fft.irfft(spectrum) * _window(window)[None, :]
    pieces = frames.reshape(-1, OVERLAP, hop)
    total = sum(
        xp.pad(pieces[:, i], ((i, OVERLAP - 1 - i), (0, 0))) for i in range(OVERLAP)
    )
    # the squared windows laid over each other sum to 1 / hop
    return hop * total.reshape(-1)[window - hop :][:num_samples]


def _window(window: int) -> np.ndarray:
    """Square root of the periodic Hann window, energy 1."""
    hann = np.hanning(window + 1)[:-1]
    return np.sqrt(hann / np.sum(hann)).astype(np.float32)
