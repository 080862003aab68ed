"""Target networks of Local HyperSound: one small SIREN for every frame.

A frame of `window` samples, half of which its neighbour shares, is a SIREN of local time
tau in [-1, 1] without hidden layers,

    s(tau) = sum_k a_k sin(omega_k tau + phi_k),

whose sines all frames share and whose output weights a_k are its own. The sines are the
harmonics of the frame, so that any frame has exact weights. Frames are weighted by a sine
window and added up.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from inr_jax.configs.fitting import SirenConfig
from inr_jax.nn import siren

TARGET = SirenConfig(width=1, depth=0, first_omega=1.0)  # the width follows the window


@functools.cache
def dft_basis(window: int) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies in rad per unit of tau, and phases, of a target's `window` sines.

    Cosines of harmonics 0 to window/2, then sines of harmonics 1 to window/2 - 1.
    """
    harmonics = np.arange(window // 2 + 1)
    harmonics = np.concatenate([harmonics, harmonics[1:-1]])
    phases = np.where(np.arange(window) <= window // 2, np.pi / 2, 0)
    return np.pi * harmonics, phases


def frame_coordinates(num_samples: int) -> np.ndarray:
    """Local times (samples,) in [-1, 1) of a window that holds so many samples."""
    return 2 * np.arange(num_samples) / num_samples - 1


def target_params(weights: jax.Array) -> siren.Params:
    """The SIREN of one frame, as from `siren.init`, for `siren.apply` with `TARGET`.

    Args:
      weights: Emitted output weights (window,).
    """
    omega, phase = dft_basis(weights.shape[0])
    return [
        {"kernel": jnp.asarray(omega[None], jnp.float32), "bias": jnp.asarray(phase)},
        {"kernel": weights[:, None], "bias": jnp.zeros(1)},
    ]


def analyse(signal: jax.Array, window: int) -> jax.Array:
    """Weights (frames, window) of the targets that give back a signal (samples,).

    Frame k begins at sample (k - 1) * window/2 of the signal, zeros stand before and
    behind it; there are ceil(samples / hop) + 1 frames.
    """
    hop = window // 2
    num_pieces = -(-signal.shape[0] // hop)
    padded = jnp.pad(signal, (hop, (num_pieces + 1) * hop - signal.shape[0]))
    pieces = padded.reshape(-1, hop)
    frames = jnp.concatenate([pieces[:-1], pieces[1:]], axis=1)
    return (frames * _frame_window(window)) @ _projection(window)


def synthesise(weights: jax.Array, num_samples: int, hop: int) -> jax.Array:
    """The signal (num_samples,) of targets (frames, window), `hop` samples apart.

    A `hop` above half the window evaluates the targets on a finer grid: at another rate.
    """
    times = frame_coordinates(2 * hop)[:, None].astype(np.float32)
    evaluate = jax.vmap(lambda one: siren.apply(target_params(one), times, TARGET))
    frames = evaluate(weights)[:, :, 0] * _frame_window(2 * hop)
    pieces = frames.reshape(-1, 2, hop)
    return (pieces[1:, 0] + pieces[:-1, 1]).reshape(-1)[:num_samples]


def to_complex(weights: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Weights of cosines and of sines, (frames, window // 2 + 1) each."""
    cosines, sines = jnp.split(weights, [weights.shape[1] // 2 + 1], axis=1)
    return cosines, jnp.pad(sines, ((0, 0), (1, 1)))


def from_complex(cosines: jax.Array, sines: jax.Array) -> jax.Array:
    """The weights that `as_pairs` took apart."""
    return jnp.concatenate([cosines, sines[:, 1:-1]], axis=1)


def _frame_window(num_samples: int) -> np.ndarray:
    """cos(pi tau / 2): squares of neighbours sum to 1 on any grid."""
    return np.cos(np.pi / 2 * frame_coordinates(num_samples)).astype(np.float32)[None]


@functools.cache
def _projection(window: int) -> np.ndarray:
    """Matrix (samples, sines) from a windowed frame to the weights that give it."""
    omega, phase = dft_basis(window)
    sines = np.sin(frame_coordinates(window)[:, None] * omega + phase)
    return (sines / np.sum(sines**2, axis=0)).astype(np.float32)
