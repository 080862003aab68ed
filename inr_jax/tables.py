"""Tables of mean scores with paired bootstrap intervals."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

NUM_RESAMPLES = 2000
SHOWN = (
    ("ssnr", "SSNR dB", 2),
    ("si_sdr", "SI-SDR dB", 2),
    ("stoi", "STOI", 3),
    ("pesq", "PESQ", 3),
    ("csig", "CSIG", 3),
    ("cbak", "CBAK", 3),
    ("covl", "COVL", 3),
)

_EXPLANATION = """
SSNR (-10 to 35 dB) and CBAK reward silence, see that row; SI-SDR does not. PESQ is wide
band at 16 kHz; CSIG, CBAK and COVL are held to [1, 5] for each clip, the unlimited values
are in `scores.csv`.
"""


class Interval(NamedTuple):
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float


def paired_bootstrap(differences: np.ndarray, seed: int = 0) -> Interval:
    """Mean of paired differences (clips,) with its 95 % percentile interval."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(differences), size=(NUM_RESAMPLES, len(differences)))
    means = np.mean(differences[drawn], axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return Interval(float(np.mean(differences)), float(low), float(high))


def markdown(
    rows: Sequence[dict], methods: Sequence[str], against: str = "noisy"
) -> str:
    """Mean scores, and paired differences from one method with 95 % intervals.

    A score that is NaN in either of a pair is left out of both tables and counted.

    Args:
      rows: Of `scoring.COLUMNS`, values as numbers or as text.
      methods: In the order to show.
      against: The method that the others are compared with, clip by clip.
    """
    titles = " | ".join(title for _, title, _ in SHOWN)
    ruler = "|---" * (len(SHOWN) + 1) + "|"
    means = [f"| mean | {titles} |", ruler]
    deltas = [f"| difference from {against} | {titles} |", ruler]
    missing, num_clips = [], 0
    for method in methods:
        mean_cells, delta_cells = [], []
        for name, title, digits in SHOWN:
            pairs = _pairs(rows, method, against, name)
            finite = pairs[np.isfinite(pairs).all(axis=1)]
            mean_cells.append(_mean(finite, digits))
            delta_cells.append(_delta(finite, digits))
            num_clips = max(num_clips, len(pairs))
            if len(finite) < len(pairs):
                missing.append(f"{method} {title}: {len(pairs) - len(finite)}")
        means.append(f"| {method} | {' | '.join(mean_cells)} |")
        if method != against:
            deltas.append(f"| {method} | {' | '.join(delta_cells)} |")
    text = "\n".join([*means, "", *deltas]) + "\n"
    text += f"\nOver {num_clips} clips; intervals are 95 % paired bootstrap."
    text += _EXPLANATION
    if missing:
        text += f"Clips without a value, left out: {'; '.join(missing)}.\n"
    return text


def _pairs(rows, method, against, name) -> np.ndarray:
    """Values of a method and of the one to compare with, (clips, 2)."""
    values = {
        which: {
            (r["clip"], r["seed"]): float(r[name]) for r in rows if r["method"] == which
        }
        for which in (method, against)
    }
    keys = [key for key in values[method] if key in values[against]]
    return np.array([(values[method][k], values[against][k]) for k in keys]).reshape(
        -1, 2
    )


def _mean(pairs: np.ndarray, digits: int) -> str:
    return f"{np.mean(pairs[:, 0]):.{digits}f}" if len(pairs) else "none"


def _delta(pairs: np.ndarray, digits: int) -> str:
    if len(pairs) == 0:
        return "none"
    delta = paired_bootstrap(pairs[:, 0] - pairs[:, 1])
    return "{:+.{n}f} [{:+.{n}f}, {:+.{n}f}]".format(*delta, n=digits)
