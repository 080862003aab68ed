"""Short-time Fourier transform with a sine window and half overlap, and its inverse.

The same window serves analysis and synthesis: an untouched spectrum comes back as the
signal. Frame k is centred at sample k * hop, zeros stand before and behind the signal.
"""

import jax
import jax.numpy as jnp
import numpy as np


def stft(signal: jax.Array, window: int) -> jax.Array:
    """Spectrum (frames, window // 2 + 1), complex, of a signal (samples,).

    Args:
      signal: Samples.
      window: Samples of a frame, even; the hop is half of it. There are
        ceil(samples / hop) + 1 frames.
    """
    hop = window // 2
    count = -(-len(signal) // hop)
    padded = jnp.pad(signal, (hop, (count + 1) * hop - len(signal)))
    pieces = padded.reshape(-1, hop)
    frames = jnp.concatenate([pieces[:-1], pieces[1:]], axis=1)
    return jnp.fft.rfft(frames * _window(window)[None])


def istft(spectrum: jax.Array, num_samples: int) -> jax.Array:
    """The signal (num_samples,) of a spectrum as of `stft`."""
    window = 2 * (spectrum.shape[1] - 1)
    frames = jnp.fft.irfft(spectrum) * _window(window)[None]
    pieces = frames.reshape(-1, 2, window // 2)
    return (pieces[1:, 0] + pieces[:-1, 1]).reshape(-1)[:num_samples]


def _window(window):
    """sin(pi (n + 1/2) / window): squares of neighbours sum to 1."""
    return np.sin(np.pi * (np.arange(window) + 0.5) / window).astype(np.float32)
