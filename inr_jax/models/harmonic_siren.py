"""The STFT with a sine window and 50 % overlap, written as one SIREN per frame.

A frame of `window` samples is a SIREN of local time tau in [-1, 1] without hidden
layers,

    s(tau) = sum_k a_k sin(omega_k tau + phi_k),

with fixed frequencies, the harmonics of the frame, and phases of 0 and pi/2. Its output
weights a_k are then the DFT coefficients of the windowed frame, and evaluating it is
the inverse DFT. Frames are windowed once more and overlap-added.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from inr_jax.configs.fitting import SirenConfig
from inr_jax.dsp.stft import frame, overlap_add
from inr_jax.nn import siren

TARGET = SirenConfig(width=1, depth=0, first_omega=1.0)  # the width follows the window


@functools.cache
def dft_basis(
    window: int,
) -> tuple[Float[np.ndarray, " {window}"], Float[np.ndarray, " {window}"]]:
    """Frequencies, in rad per unit of tau, and phases of the sines of a frame.

    Cosines of harmonics 0 to window/2, then sines of harmonics 1 to window/2 - 1.
    """
    harmonics = np.arange(window // 2 + 1)
    harmonics = np.concatenate([harmonics, harmonics[1:-1]])
    phases = np.where(np.arange(window) <= window // 2, np.pi / 2, 0)
    return np.pi * harmonics, phases


def frame_coordinates(num_samples: int) -> Float[np.ndarray, " {num_samples}"]:
    """Local times in [-1, 1) of the samples of a frame."""
    return 2 * np.arange(num_samples) / num_samples - 1


def target_params(weights: Float[Array, " window"]) -> siren.Params:
    """The SIREN of one frame, as from `siren.init`, for `siren.apply` with `TARGET`."""
    omega, phase = dft_basis(weights.shape[0])
    return [
        {"kernel": jnp.asarray(omega[None], jnp.float32), "bias": jnp.asarray(phase)},
        {"kernel": weights[:, None], "bias": jnp.zeros(1)},
    ]


def frame_weights(
    signal: Float[Array, " samples"], window: int
) -> Float[Array, "frames {window}"]:
    """Output weights of the SIRENs of a signal's frames: its STFT.

    Frame k begins at sample (k - 1) * window/2, with zeros before and behind the
    signal; there are ceil(samples / hop) + 1 frames.
    """
    hop = window // 2
    padded = jnp.pad(signal, (hop, -signal.shape[0] % hop + hop))
    return (frame(padded, window, hop) * _frame_window(window)) @ _dft_matrix(window)


def evaluate(
    weights: Float[Array, "frames window"], num_samples: int, hop: int
) -> Float[Array, " {num_samples}"]:
    """The signal of the SIRENs of its frames: the inverse STFT.

    A `hop` above half the window evaluates them on a finer grid, at a higher sample
    rate.
    """
    times = frame_coordinates(2 * hop)[:, None].astype(np.float32)
    values = jax.vmap(lambda one: siren.apply(target_params(one), times, TARGET))
    frames = values(weights)[:, :, 0] * _frame_window(2 * hop)
    return overlap_add(frames, hop)[hop:][:num_samples]


def to_complex(
    weights: Float[Array, "frames window"],
) -> tuple[Float[Array, "frames bins"], Float[Array, "frames bins"]]:
    """Weights of cosines and of sines, for window // 2 + 1 bins."""
    real, imag = jnp.split(weights, [weights.shape[1] // 2 + 1], axis=1)
    return real, jnp.pad(imag, ((0, 0), (1, 1)))


def from_complex(
    real: Float[Array, "frames bins"], imag: Float[Array, "frames bins"]
) -> Float[Array, "frames window"]:
    """The inverse of `to_complex`."""
    return jnp.concatenate([real, imag[:, 1:-1]], axis=1)


def _frame_window(num_samples):
    """cos(pi tau / 2): squares of overlapping windows sum to 1 on any grid."""
    return np.cos(np.pi / 2 * frame_coordinates(num_samples)).astype(np.float32)[None]


@functools.cache
def _dft_matrix(window):
    """Matrix (samples, window) from a windowed frame to the weights of its SIREN."""
    omega, phase = dft_basis(window)
    sines = np.sin(frame_coordinates(window)[:, None] * omega + phase)
    return (sines / np.sum(sines**2, axis=0)).astype(np.float32)
