"""Integrated loudness after ITU-R BS.1770-4, annex 1.

K-weighting, mean power in blocks of 400 ms with 75 % overlap, and two gates, one
absolute and one relative, that leave out quiet blocks.
"""

import numpy as np
from jaxtyping import Float
from scipy import signal

from inr_jax.audio.resample import resample

RATE = 48_000  # Hz, for which the recommendation states the filters
# High shelf (the head), then high pass: second-order sections b0, b1, b2, 1, a1, a2.
_K_WEIGHTING = np.array(
    [
        [1.53512485958697, -2.69169618940638, 1.19839281085285]
        + [1, -1.69065929318241, 0.73248077421585],
        [1, -2, 1, 1, -1.99004745483398, 0.99007225036621],
    ]
)
_BLOCK, _HOP = 19_200, 4800  # samples: 400 ms, 75 % overlap
_SILENCE_LUFS = -70.0
_RELATIVE_GATE_LU = -10.0


def integrated(
    samples: Float[np.ndarray, "samples channels"], sample_rate: int
) -> float:
    """Integrated loudness in LUFS; -inf where no block reaches -70 LUFS.

    A recording shorter than a block is one block.

    Args:
      samples: Full scale 1; all channels have weight 1.
      sample_rate: In Hz, any.
    """
    resampled = resample(samples, sample_rate, RATE)
    weighted = signal.sosfilt(_K_WEIGHTING, resampled, axis=0)
    powers = _block_powers(np.sum(weighted**2, axis=1))
    audible = powers[_lufs(powers) > _SILENCE_LUFS]
    if len(audible) == 0:
        return -np.inf
    gate = _lufs(np.mean(audible)) + _RELATIVE_GATE_LU
    return float(_lufs(np.mean(audible[_lufs(audible) > gate])))


def _block_powers(power: np.ndarray) -> np.ndarray:
    block = min(_BLOCK, len(power))
    sums = np.concatenate([[0], np.cumsum(power)])
    starts = np.arange(0, len(power) - block + 1, _HOP)
    return (sums[starts + block] - sums[starts]) / block


def _lufs(power):
    return -0.691 + 10 * np.log10(np.maximum(power, 1e-20))
