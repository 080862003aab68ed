"""Tables of mean scores with paired bootstrap intervals."""

import math
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
Mean over clips; below it the mean difference from noisy and its 95 % paired bootstrap
interval. SSNR (-10 to 35 dB) and CBAK reward silence, see that row; SI-SDR does not.
PESQ is wide band at 16 kHz; CSIG, CBAK and COVL are held to [1, 5] for each clip, the
unlimited values are in `scores.csv`.
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
    """Table of mean scores, one line a method; NaN is left out and counted.

    Args:
      rows: Of `scoring.COLUMNS`, values as numbers or as text.
      methods: In the order to show.
      against: The method that the others are compared with, clip by clip.
    """
    scores = {
        method: {(r["clip"], r["seed"]): r for r in rows if r["method"] == method}
        for method in methods
    }
    lines = [
        "| method | clips | " + " | ".join(title for _, title, _ in SHOWN) + " |",
        "|---" * (len(SHOWN) + 2) + "|",
    ]
    missing = []
    for method in methods:
        cells = []
        for name, title, digits in SHOWN:
            pairs = [
                (float(row[name]), float(scores[against][key][name]))
                for key, row in scores[method].items()
                if key in scores[against]
            ]
            finite = np.array([p for p in pairs if all(map(math.isfinite, p))])
            cells.append(_cell(finite, digits, method == against))
            if len(finite) < len(pairs):
                missing.append(f"{method} {title}: {len(pairs) - len(finite)}")
        lines.append(
            f"| {method} | {len(scores[method])} | " + " | ".join(cells) + " |"
        )
    text = "\n".join(lines) + "\n" + _EXPLANATION
    if missing:
        text += f"\nClips without a value, left out: {'; '.join(missing)}.\n"
    return text


def _cell(pairs: np.ndarray, digits: int, is_base: bool) -> str:
    if len(pairs) == 0:
        return "none"
    mean = f"{np.mean(pairs[:, 0]):.{digits}f}"
    if is_base:
        return mean
    delta = paired_bootstrap(pairs[:, 0] - pairs[:, 1])
    return (
        f"{mean}<br>{delta.mean:+.{digits}f} "
        f"[{delta.low:+.{digits}f}, {delta.high:+.{digits}f}]"
    )
