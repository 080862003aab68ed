"""STFT magnitudes of one padded signal, differentiable and masked.

Frames are centred: frame k is centred at sample `k * hop`, the signal is reflected at
its true ends (librosa's `center=True, pad_mode="reflect"`), whatever padding follows.
"""

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from inr_jax.dsp.stft import frame, hann

# Floor of the magnitudes, below which the gradient is 0: silence is differentiable.
MAGNITUDE_FLOOR = 1e-4


def reflect(
    signal: Float[Array, " samples"], num_samples: Int[ArrayLike, ""], margin: int
) -> Float[Array, " padded"]:
    """The first `num_samples` of `signal` with reflection padding at both ends.

    Args:
      signal: Padded to any length.
      num_samples: Length of the signal proper.
      margin: Samples of padding at each end.

    Returns:
      samples + 2 * margin samples; reflection continues beyond `num_samples + margin`,
      where no valid frame lies.
    """
    period = jnp.maximum(2 * (num_samples - 1), 1)
    position = jnp.mod(jnp.arange(-margin, signal.shape[0] + margin), period)
    return signal[jnp.minimum(position, period - position)]


def magnitudes(
    signal: Float[Array, " samples"],
    num_samples: Int[ArrayLike, ""],
    window: int,
    hop: int,
) -> tuple[Float[Array, "frames bins"], Bool[Array, "frames 1"]]:
    """STFT magnitudes of one signal with a periodic Hann window, unscaled.

    Args:
      signal: Padding follows the first `num_samples` samples.
      num_samples: Length of the signal proper.
      window: Window and FFT length in samples, a multiple of `hop`.
      hop: Samples from frame to frame.

    Returns:
      Magnitudes of window // 2 + 1 bins, at least `MAGNITUDE_FLOOR`, and the mask of
      the `1 + num_samples // hop` valid frames.
    """
    num_frames = 1 + signal.shape[0] // hop
    frames = frame(reflect(signal, num_samples, window // 2), window, hop)
    spectrum = jnp.fft.rfft(frames * hann(window)[None, :])
    power = spectrum.real**2 + spectrum.imag**2
    valid = jnp.arange(num_frames) < 1 + num_samples // hop
    return jnp.sqrt(jnp.maximum(power, MAGNITUDE_FLOOR**2)), valid[:, None]
