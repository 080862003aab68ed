"""How much a listener hears of what is wrong: the disturbance of PESQ, as a loss.

After ITU-T P.862 (Rix et al. 2001) and its use as a loss (Martin-Donas et al. 2018,
"PMSQE", doi 10.1109/LSP.2018.2871419): spectra become loudness in bands of equal width in
Bark, a difference counts by how far it stands above what masks it, and counts again where
something was added rather than taken away. It is made from formulas, not from the tables
of the recommendation, and aligns nothing in time, hence goes along with PESQ and is not
PESQ.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from inr_jax.dsp import mel

WINDOW = 512  # samples; frames are half of it apart
NUM_BANDS = 42

# Mean square to which speech is brought, and what power then counts for in a band.
_SPEECH_POWER = 1e7
_CALIBRATION = 6.9e-4

# Loudness of a band over its power: factor and exponent (Zwicker's law).
_LOUDNESS = 0.187
_ZWICKER_POWER = 0.23

# Differences of spectrum and of level that nobody minds: limits of the ratios that are
# made good, and powers that do not count in them.
_SPECTRUM_LIMITS, _SPECTRUM_FLOOR = (0.01, 100.0), 1e3
_LEVEL_LIMITS, _LEVEL_FLOOR = (3e-4, 5.0), 5e3

# Share of the fainter of two loudnesses that masks a difference.
_MASKED_SHARE = 0.25

# What was added counts by its ratio of powers to this power, between these limits.
_ADDED_POWER, _ADDED_FLOOR = 1.2, 50.0
_ADDED_LEAST, _ADDED_MOST = 3.0, 12.0

# What symmetric and asymmetric disturbances take from a score, the most of a frame, and
# the frames of a syllable, the next of which begins halfway.
_SYMMETRIC, _ASYMMETRIC = 0.1, 0.0309
_MOST = 45.0
_SYLLABLE = 20


def disturbance(
    estimate: jax.Array, target: jax.Array, num_samples: jax.Array, sample_rate: int
) -> jax.Array:
    """About what PESQ takes off 4.5 for the first `num_samples` of (samples,) arrays."""
    valid = jnp.arange(target.shape[0]) < num_samples
    power = jnp.sum(target**2, where=valid) / num_samples
    scale = jnp.sqrt(_SPEECH_POWER / (power + 1e-8))
    bands = _bands(sample_rate)[0]
    found, wanted = (
        mel.magnitudes(scale * x, num_samples, WINDOW, WINDOW // 2)[0] ** 2 @ bands
        for x in (estimate, target)
    )
    num_frames = 1 + num_samples // (WINDOW // 2)
    mask = jnp.arange(len(wanted)) < num_frames
    frames = _of_frames(*_forgiven(found, wanted, mask), sample_rate)
    return sum(_over_time(x, mask) for x in frames)


def _forgiven(found, wanted, mask):
    """Powers (frames, bands) without the differences of spectrum and of level."""
    means = (jnp.mean(x, 0, where=mask[:, None]) for x in (found, wanted))
    ratio = jnp.divide(*(x + _SPECTRUM_FLOOR for x in means))
    wanted *= jnp.clip(ratio, *_SPECTRUM_LIMITS)[None]
    sums = (jnp.sum(x, 1, keepdims=True) for x in (wanted, found))
    ratio = jnp.divide(*(x + _LEVEL_FLOOR for x in sums))
    return found * jnp.clip(ratio, *_LEVEL_LIMITS), wanted


def _of_frames(found, wanted, sample_rate):
    """Symmetric and asymmetric disturbance of each frame of powers (frames, bands)."""
    loud, wanted_loud = (_loudness(x, sample_rate) for x in (found, wanted))
    masked = _MASKED_SHARE * jnp.minimum(loud, wanted_loud)
    heard = jnp.maximum(jnp.abs(loud - wanted_loud) - masked, 0)
    added = ((found + _ADDED_FLOOR) / (wanted + _ADDED_FLOOR)) ** _ADDED_POWER
    added = jnp.where(added < _ADDED_LEAST, 0, jnp.minimum(added, _ADDED_MOST))
    width = _bands(sample_rate)[3]
    symmetric = jnp.sqrt(NUM_BANDS * width**3 * jnp.sum(heard**2, 1) + 1e-6)
    asymmetric = width * jnp.sum(heard * added, 1)
    # faint frames count a little more
    weight = ((jnp.sum(wanted, 1) + 1e5) / 1e7) ** -0.04
    return (
        _SYMMETRIC * jnp.minimum(weight * symmetric, _MOST),
        _ASYMMETRIC * jnp.minimum(weight * asymmetric, _MOST),
    )


def _loudness(power, sample_rate):
    _, quiet, exponent, _ = _bands(sample_rate)
    sone = (0.5 + 0.5 * power / quiet) ** exponent - 1
    return jnp.where(power > quiet, _LOUDNESS * (quiet / 0.5) ** exponent * sone, 0)


def _over_time(frames, mask):
    """Root mean square, over syllables, of sixth-power means of (frames,)."""
    half = _SYLLABLE // 2
    padding = (0, half + -len(frames) % half)
    powers = jnp.pad(jnp.where(mask, frames, 0) ** 6, padding)
    sums, counts = (
        x.reshape(-1, half).sum(1) for x in (powers, jnp.pad(mask, padding))
    )
    # one that has no second half is a syllable only where it is the first
    whole = (counts[1:] > 0) | (jnp.arange(len(sums) - 1) == 0)
    means = (sums[:-1] + sums[1:]) / jnp.maximum(counts[:-1] + counts[1:], 1)
    return jnp.sqrt(jnp.mean((means + 1e-9) ** (1 / 3), where=whole))


@functools.cache
def _bands(sample_rate):
    """How bands follow from bins (bins, bands), and of each band, (1, bands), threshold
    in quiet (Terhardt 1979) and exponent; their width in Bark (Schroeder 1977)."""
    frequencies = np.arange(WINDOW // 2 + 1) * sample_rate / WINDOW
    bark = 7 * np.arcsinh(frequencies / 650)
    edges = np.linspace(bark[1] / 2, bark[-1] + 1e-6, NUM_BANDS + 1)
    member = (bark[:, None] >= edges[:-1]) & (bark[:, None] < edges[1:])
    bands = _CALIBRATION * member / np.maximum(member.sum(0), 1)
    centres = (edges[None, 1:] + edges[None, :-1]) / 2
    khz = 0.65 * np.sinh(centres / 7)
    quiet_db = 3.64 * khz**-0.8 - 6.5 * np.exp(-0.6 * (khz - 3.3) ** 2) + 1e-3 * khz**4
    # loudness of low bands grows faster
    exponent = _ZWICKER_POWER * np.clip(6 / (centres + 2), 1, 2) ** 0.15
    arrays = (bands, 10 ** (quiet_db / 10), exponent)
    return *(x.astype(np.float32) for x in arrays), edges[1] - edges[0]
