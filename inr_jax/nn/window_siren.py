"""A signal as SIRENs of time, one for each of many short windows that overlap by half.

Each (Sitzmann et al. 2020, arXiv 2006.09661) is a function of the time t since the
centre of its window, with two layers of sines:

    f(t) = sum_j w_j sin(sum_m W_jm sin(omega_m t + b_m) + phi_j).

The first layer, omega and b, is shared by all windows. One of its sines is so slow that
within a window it is a straight line; the weights of the hidden sines for it, shared too,
are their carrier frequencies, which reach up to half the sample rate of the signals that
the network was trained on. The others, pairs of a sine and a cosine, swing about half a
period and a whole one in a window: their weights W, the window's own, modulate the phases
of the hidden sines, as speech moves between carriers and through them. Hidden sines come
in pairs as well, of one phase and phi a quarter of a period apart, whose output weights w,
the window's own, give amplitude and phase. The signal is the sum of all functions, each under half a period
of a cosine, whose squares sum to 1.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from inr_jax.configs.hyper_siren import WindowsConfig
from inr_jax.dsp.stft import overlap_add
from inr_jax.nn.sine import fast_cos, fast_sin

# Whose gathered weights and phases take some 40 MB.
_TIMES_AT_ONCE = 8192
# omega of the line, in radians per hop: it bends by a ten-thousandth.
_LINE = 0.02


class WindowSirens(NamedTuple):
    """Weights of the SIRENs of a signal.

    Attributes:
      slow: omega of the first layer's pairs, shared, in radians per hop.
      carriers: Weights for the line, shared: the frequency of each pair of hidden sines,
        in units of `config.bin_hz`.
      modulations: W of each pair, for the sines and then the cosines of `slow`.
      sines: w of the one of each pair without phase.
      cosines: w of the other.
    """

    slow: Float[Array, " slow"]
    carriers: Float[Array, " pairs"]
    modulations: Float[Array, "times pairs inputs"]
    sines: Float[Array, "times pairs"]
    cosines: Float[Array, "times pairs"]


def initial_slow(config: WindowsConfig) -> Float[np.ndarray, " slow"]:
    """Half a period in a window, a whole one, and so on."""
    return np.float32(np.pi / 2) * np.arange(1, config.slow + 1, dtype=np.float32)


def initial_carriers(config: WindowsConfig) -> Float[np.ndarray, " pairs"]:
    """The centres of equal bands."""
    pairs = np.arange(config.num_cells * config.cell_pairs, dtype=np.float32)
    return (pairs + 0.5) * config.num_bins / len(pairs)


def evaluate(
    sirens: WindowSirens, seconds: Float[Any, " n"], config: WindowsConfig
) -> Float[Array, " n"]:
    """The signal at any times, from 0 to the centre of the last window.

    Args:
      sirens: Of the signal.
      seconds: Times; the centre of the first window is at 0.
      config: Of the windows.
    """
    # in 64 bits: phases reach hundreds of radians within a window
    places = np.asarray(seconds, np.float64) / config.hop_s
    blocks = np.array_split(places, max(1, -(-len(places) // _TIMES_AT_ONCE)))
    return jnp.concatenate([_values_at(sirens, block) for block in blocks])


def _values_at(sirens, place):
    """The signal at places in hops."""
    before = np.floor(place).astype(int)
    total = 0.0
    for window in (before, before + 1):
        since = (place - window).astype(np.float32)  # in hops, from -1 to 1
        line, slow = _first_layer(sirens.slow, since)
        here = np.clip(window, 0, len(sirens.sines) - 1)
        phases = line[:, None] * sirens.carriers[None]
        phases += jnp.einsum("npm,mn->np", sirens.modulations[here], slow)
        values = sirens.sines[here] * jnp.sin(phases)
        values += sirens.cosines[here] * jnp.cos(phases)
        inside = (window >= 0) & (window < len(sirens.sines))
        total += inside * _fade(since) * jnp.sum(values, axis=1)
    return total


def on_grid(
    sirens: WindowSirens, hop: int, num_samples: int, config: WindowsConfig
) -> Float[Array, " {num_samples}"]:
    """The signal at `hop` samples in each `config.hop_s`, the first at 0 s.

    As `evaluate`, but all windows at once, whose first layer is the same. Hidden sines
    whose carriers are beyond half the sample rate of the grid are left out.
    """
    since = ((np.arange(2 * hop) - hop) / hop).astype(np.float32)
    line, slow = _first_layer(sirens.slow, since)
    pairs = len(initial_carriers(config)) * min(hop, config.num_bins) // config.num_bins
    carriers = sirens.carriers[:pairs, None] * line[None]
    weights = sirens.modulations, sirens.sines, sirens.cosines
    values = _window_by_window(carriers, slow, *(x[:, :pairs] for x in weights))
    return overlap_add(values * _fade(since)[None], hop)[hop:][:num_samples]


def _one_signal_at_a_time(function):
    """Signals of a batch one after the other, in its gradient too."""
    forward = jax.custom_batching.sequential_vmap(function)
    backward = jax.custom_batching.sequential_vmap(
        lambda inputs, gradient: jax.vjp(function, *inputs)[1](gradient)
    )
    call = jax.custom_vjp(forward)
    call.defvjp(lambda *inputs: (forward(*inputs), inputs), backward)
    return call


@_one_signal_at_a_time
def _window_by_window(carriers, slow, modulations, sines, cosines):
    """Values (times, n) of all windows.

    The hidden sines of one window of one signal stay in a core's cache: four times as
    fast on a CPU as all at once. The gradient computes them again.
    """

    @jax.checkpoint
    def one(weights):
        modulations, sines, cosines = weights
        phases = modulations @ slow + carriers
        return sines @ fast_sin(phases) + cosines @ fast_cos(phases)

    return lax.map(one, (modulations, sines, cosines))


def _first_layer(slow, since):
    """The line (n,), in radians per `bin_hz`, and the others (inputs, n); `since` in hops."""
    line = np.pi / _LINE * np.sin(_LINE * np.float64(since))
    angles = slow[:, None] * since[None]
    return line.astype(np.float32), jnp.concatenate([jnp.sin(angles), jnp.cos(angles)])


def _fade(since):
    """Half a period of a cosine over a window; its squares, overlapped, sum to 1."""
    return np.cos(np.pi / 2 * since).astype(np.float32)
