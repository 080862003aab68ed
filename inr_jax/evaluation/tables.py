"""Tables of mean scores with paired bootstrap intervals."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from inr_jax.io.markdown import table

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
# Shown where there are values of them.
OPTIONAL = (
    ("over_attenuation", "over-attenuated", 3),
    ("high_sdr", "SDR 8-20 kHz dB", 2),
    ("dnsmos_sig", "DNSMOS SIG", 3),
    ("dnsmos_bak", "DNSMOS BAK", 3),
    ("dnsmos_ovrl", "DNSMOS OVRL", 3),
    ("dnsmos_p808", "DNSMOS P.808", 3),
)
# Of all others higher is better.
LOWER_IS_BETTER = ("over_attenuation",)

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


class Cell(NamedTuple):
    """One method in one metric.

    Attributes:
      mean: Over the clips with a finite value of it; NaN where there is none.
      difference: From the method it is compared with, over the clips with finite values of
        both; None where there is none, and for that method itself.
      num_clips: Clips that have rows of both.
      num_left_out: Those of them without a finite value of it.
    """

    mean: float
    difference: Interval | None
    num_clips: int
    num_left_out: int


# By method, in the order to show, then by metric.
Summary = Mapping[str, Mapping[str, Cell]]


def paired_bootstrap(differences: np.ndarray, seed: int = 0) -> Interval:
    """Mean of paired differences (clips,) with its 95 % percentile interval."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(differences), size=(NUM_RESAMPLES, len(differences)))
    means = np.mean(differences[drawn], axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return Interval(float(np.mean(differences)), float(low), float(high))


def shown(rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, str, int]]:
    """Name, title and digits of the metrics to show of some rows, or of some cells."""
    there = set().union(*rows)
    return [*SHOWN, *(metric for metric in OPTIONAL if metric[0] in there)]


def summarise(
    rows: Sequence[dict], methods: Sequence[str], against: str = "noisy"
) -> Summary:
    """Means, and paired differences from one method with 95 % intervals.

    Args:
      rows: Of `inr_jax.metrics.pool.COLUMNS`, perhaps with those of `OPTIONAL`; values
        as numbers or as text. Of several seeds a clip has the mean, once.
      methods: In the order to show.
      against: The method that the others are compared with, clip by clip.
    """
    by_method: dict[str, dict[tuple, dict]] = {method: {} for method in methods}
    for row in rows:
        if row["method"] in by_method:
            by_method[row["method"]][row["clip"], row["seed"]] = row
    theirs = by_method.get(against, {})
    names = [name for name, *_ in shown(rows)]
    return {
        method: {
            name: _cell(_pairs(by_method[method], theirs, name), method == against)
            for name in names
        }
        for method in methods
    }


def markdown(summary: Summary, against: str = "noisy") -> str:
    """A table of means and one of differences; what was left out is counted below.

    Args:
      summary: Of `summarise`.
      against: The method that it compares with.
    """
    titles = [title for _, title, _ in shown(summary.values())]
    means = [[method, *_means(cells)] for method, cells in summary.items()]
    text = table(["mean", *titles], means) + "\n" + differences(summary, against)
    num_clips = max(
        cell.num_clips for cells in summary.values() for cell in cells.values()
    )
    noun = "clip" if num_clips == 1 else "clips"
    text += f"\nOver {num_clips} {noun}; intervals are 95 % paired bootstrap."
    text += _EXPLANATION
    missing = [
        f"{method} {title}: {cells[name].num_left_out}"
        for method, cells in summary.items()
        for name, title, _ in shown([cells])
        if cells[name].num_left_out
    ]
    if missing:
        text += f"Clips without a finite value, left out: {'; '.join(missing)}.\n"
    if any(cell.num_left_out for cell in summary.get(against, {}).values()):
        text += f"Differences leave out those of {against} as well.\n"
    return text


def differences(summary: Summary, against: str = "noisy") -> str:
    """A table of the differences from one method, with their intervals.

    Args:
      summary: Of `summarise`.
      against: The method that it compares with.
    """
    titles = [title for _, title, _ in shown(summary.values())]
    rows = [
        [method, *_differences(cells)]
        for method, cells in summary.items()
        if method != against
    ]
    return table([f"difference from {against}", *titles], rows)


def latex(summary: Summary, against: str = "noisy") -> str:
    """The means as a tabular of booktabs, differences from one method below each.

    Args:
      summary: Of `summarise`.
      against: The method that it compares with.
    """
    titles = [title for _, title, _ in shown(summary.values())]
    lines = [
        rf"\begin{{tabular}}{{l{'r' * len(titles)}}}",
        r"\toprule",
        " & ".join(["", *titles]) + r" \\",
        r"\midrule",
    ]
    for method, cells in summary.items():
        name = method.replace("_", r"\_")
        lines.append(" & ".join([name, *_means(cells)]) + r" \\")
        if method != against:
            small = (rf"{{\scriptsize {text}}}" for text in _differences(cells))
            lines.append(" & ".join(["", *small]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _cell(pairs, is_reference):
    mine = finite_means(pairs[..., 0])
    with np.errstate(invalid="ignore"):  # of two that are infinite
        differences = finite_means(pairs[..., 0] - pairs[..., 1])
    mean, difference = float("nan"), None
    if len(mine):
        mean = float(np.mean(mine))
    if len(differences) and not is_reference:
        difference = paired_bootstrap(differences)
    return Cell(mean, difference, len(pairs), len(pairs) - len(mine))


def _pairs(mine, theirs, name) -> np.ndarray:
    """Values of a method and of the one to compare with, (clips, seeds, 2)."""
    both = [key for key in mine if key in theirs]
    values = [(_number(mine[key], name), _number(theirs[key], name)) for key in both]
    return by_clip([clip for clip, _ in both], np.array(values).reshape(-1, 2))


def by_clip(clips: Sequence[str], values: np.ndarray) -> np.ndarray:
    """Values (rows, ...) as (clips, seeds, ...), NaN where a clip has fewer seeds."""
    seeds: dict[str, list] = {}
    for clip, value in zip(clips, values, strict=True):
        seeds.setdefault(clip, []).append(value)
    most = max(map(len, seeds.values()), default=0)
    result = np.full((len(seeds), most, *values.shape[1:]), np.nan)
    for row, of_clip in zip(result, seeds.values(), strict=True):
        row[: len(of_clip)] = of_clip
    return result


def finite_means(values: np.ndarray) -> np.ndarray:
    """Means over the seeds of each clip that has a finite one, of (clips, seeds)."""
    is_finite = np.isfinite(values)
    values, is_finite = (x[is_finite.any(axis=1)] for x in (values, is_finite))
    return np.mean(values, axis=1, where=is_finite)


def _number(row, name) -> float:
    """NaN where a row lacks the metric."""
    value = row.get(name, "")
    return float("nan") if value == "" else float(value)


def _means(cells) -> list[str]:
    return [
        f"{cells[name].mean:.{digits}f}" if np.isfinite(cells[name].mean) else "none"
        for name, _, digits in shown([cells])
    ]


def _differences(cells) -> list[str]:
    return [
        "{:+.{n}f} [{:+.{n}f}, {:+.{n}f}]".format(*cells[name].difference, n=digits)
        if cells[name].difference
        else "none"
        for name, _, digits in shown([cells])
    ]
