"""Mean scores of a sweep over the steps: a table of the best fits, and curves of all."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

import matplotlib
import matplotlib.figure

from inr_jax.io import markdown
from inr_jax.plots import style

_COLORS = tuple(style.OKABE_ITO.values())
_LEAST_SI_SDR = -12
_SHOWN = (("si_sdr", "SI-SDR dB", 2), ("pesq", "PESQ", 3))
_ALL = (("ssnr", "SSNR dB", 2), *_SHOWN, ("stoi", "STOI", 3))


class Curve(NamedTuple):
    """Mean scores of one setting over the steps; `fit` says what was fitted.

    `scores` is step to score to its mean over clips.
    """

    fit: str
    width: int
    depth: int
    first_omega: float
    learning_rate: float
    scores: dict[int, dict[str, float]]

    @property
    def label(self) -> str:
        """The setting in short."""
        return (
            f"{self.width} wide, {self.depth} hidden, "
            f"omega {self.first_omega:g}, rate {self.learning_rate:g}"
        )

    def best_step(self, name: str = "si_sdr") -> int:
        """Where a score is highest: where to stop."""
        return max(self.scores, key=lambda step: self.scores[step][name])


class Curves(NamedTuple):
    """All curves of a sweep, and the mean scores of the noisy clips themselves."""

    of_fits: list[Curve]
    noisy: dict[str, float]


def mean_over_clips(rows: Sequence[dict]) -> Curves:
    """Curves from rows of `sweep.csv`, values as text or numbers."""
    groups: dict[tuple, dict[int, list[dict]]] = {}
    for row in rows:
        if row["fit"] != "input":
            numbers = (float(row[n]) for n in ("first_omega", "learning_rate"))
            place = (row["fit"], int(row["width"]), int(row["depth"]), *numbers)
            steps = groups.setdefault(place, {})
            steps.setdefault(int(row["step"]), []).append(row)
    curves = [
        Curve(*place, {step: _means(steps[step]) for step in sorted(steps)})
        for place, steps in groups.items()
    ]
    return Curves(curves, _means([row for row in rows if row["fit"] == "input"]))


def table_of_best(curves: Curves) -> str:
    """Markdown: for each width and depth the fit to noise that denoises best."""
    titles = [title for _, title, _ in _ALL]
    rows = [["(the noisy clip itself)", "", *_cells(curves.noisy)]]
    for curve in best_of_each_shape(curves, "noisy"):
        step = curve.best_step()
        rows.append([curve.label, step, *_cells(curve.scores[step])])
    table = markdown.table(["fitted to the noisy clip", "stop at step", *titles], rows)
    return f"{table}\nHighest SI-SDR of each width and depth, means over clips.\n"


def best_of_each_shape(curves: Curves, fit: str) -> list[Curve]:
    """For each width and depth the curve with the highest SI-SDR anywhere."""
    best: dict[tuple, Curve] = {}
    for curve in (c for c in curves.of_fits if c.fit == fit):
        shape = (curve.width, curve.depth)
        if shape not in best or _peak(curve) > _peak(best[shape]):
            best[shape] = curve
    return [best[shape] for shape in sorted(best)]


def draw(curves: Curves) -> matplotlib.figure.Figure:
    """Scores over steps, fits to noisy and to clean clips; the best of a shape named."""
    figure = matplotlib.figure.Figure(figsize=(10, 7), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True, sharey="row")
    for column, fit in zip(panels.T, ("noisy", "clean"), strict=True):
        named = best_of_each_shape(curves, fit)
        for panel, (name, title, _) in zip(column, _SHOWN, strict=True):
            for curve in curves.of_fits:
                if curve.fit == fit and curve not in named:
                    _plot(panel, curve, name, color="0.8", linewidth=0.7)
            for i, curve in enumerate(named):
                color = _COLORS[i % len(_COLORS)]
                _plot(panel, curve, name, color=color, label=curve.label)
            panel.axhline(curves.noisy[name], color="0.3", linestyle=":")
            panel.set(ylabel=title)
            panel.label_outer()
        column[0].set_title(f"fitted to the {fit} clip")
        column[0].legend(fontsize="x-small")
        column[1].set_xlabel("Steps")
    # networks that never learn would flatten all others
    panels[0, 0].set_ylim(bottom=max(panels[0, 0].get_ylim()[0], _LEAST_SI_SDR))
    figure.suptitle("Against clean speech; dotted: the noisy clip itself")
    return figure


def _peak(curve):
    return curve.scores[curve.best_step()]["si_sdr"]


def _plot(panel, curve, name, **look):
    values = [scores[name] for scores in curve.scores.values()]
    panel.plot(list(curve.scores), values, **look)


def _means(rows):
    return {
        name: statistics.fmean(float(row[name]) for row in rows) for name, _, _ in _ALL
    }


def _cells(scores):
    return [f"{scores[name]:.{digits}f}" for name, _, digits in _ALL]
