"""Short-time Fourier magnitudes of one padded signal, differentiable and masked.

Frames are centred: frame k looks at samples around `k * hop`, the signal mirrored at
its true ends (librosa's `center=True, pad_mode="reflect"`), whatever padding follows.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

# Magnitudes are held above this, where the gradient is 0: silence is differentiable.
MAGNITUDE_FLOOR = 1e-4


def mirrored(signal: jax.Array, num_samples: jax.Array, margin: int) -> jax.Array:
    """The first `num_samples` of `signal` with `margin` mirrored samples at both ends.

    The result has the length of `signal` plus twice the margin; what lies beyond
    `num_samples + margin` mirrors on and on and belongs to no valid frame.
    """
    period = jnp.maximum(2 * (num_samples - 1), 1)
    position = jnp.mod(jnp.arange(-margin, signal.shape[0] + margin), period)
    return signal[jnp.minimum(position, period - position)]


def magnitudes(
    signal: jax.Array, num_samples: jax.Array, window: int, hop: int
) -> tuple[jax.Array, jax.Array]:
    """STFT magnitudes of one signal, periodic Hann window, not scaled.

    Args:
      signal: (samples,), of which the first `num_samples` count.
      num_samples: A scalar that may be traced.
      window: Window and FFT length in samples, a multiple of `hop`.
      hop: Samples from frame to frame.

    Returns:
      Magnitudes (frames, window // 2 + 1), at least `MAGNITUDE_FLOOR`, and the mask
      (frames, 1) of the `1 + num_samples // hop` frames that belong to the signal.
    """
    num_frames = 1 + signal.shape[0] // hop
    padded = mirrored(signal, num_samples, window // 2)
    padded = jnp.pad(padded, (0, -padded.shape[0] % hop))
    pieces = padded.reshape(-1, hop)
    count = window // hop
    frames = jnp.concatenate([pieces[i : i + num_frames] for i in range(count)], axis=1)
    hann = np.hanning(window + 1)[:-1].astype(np.float32)
    spectrum = jnp.fft.rfft(frames * hann[None, :])
    power = spectrum.real**2 + spectrum.imag**2
    valid = jnp.arange(num_frames) < 1 + num_samples // hop
    return jnp.sqrt(jnp.maximum(power, MAGNITUDE_FLOOR**2)), valid[:, None]


@functools.cache
def mel_matrix(sample_rate: int, window: int, num_mels: int) -> np.ndarray:
    """Slaney mel filterbank (window // 2 + 1, num_mels); narrow bands may be empty."""
    import warnings

    import librosa

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Empty filters")
        bank = librosa.filters.mel(sr=sample_rate, n_fft=window, n_mels=num_mels)
    return np.ascontiguousarray(bank.T, dtype=np.float32)
