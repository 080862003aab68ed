"""Figures of an evaluation: scores over levels, over clips and over computing time."""

from collections.abc import Mapping, Sequence

import matplotlib.figure
import numpy as np

from inr_jax.evaluation import tables
from inr_jax.plots import style

# Markers differ in greyscale prints as well.
_MARKERS = "osD^vP*X<>"


def over_snr(rows: Sequence[dict], methods: Sequence[str]) -> matplotlib.figure.Figure:
    """Mean of each metric over the level of the noise, bars of 95 % over clips.

    Args:
      rows: Of one kind of noise, several levels, values as numbers.
      methods: In the order of the legend.
    """
    levels = sorted({row["snr_db"] for row in rows})
    metrics = tables.shown(rows)
    figure, panels = _grid(metrics)
    for (name, title, _), panel in zip(metrics, panels, strict=True):
        for method, look in _looks(methods).items():
            values = [_values(rows, method, name, level) for level in levels]
            kept = [(x, v) for x, v in zip(levels, values, strict=True) if len(v)]
            if kept:
                intervals = [tables.paired_bootstrap(values) for _, values in kept]
                means, low, high = np.array(intervals).T
                bars = np.abs([low - means, high - means])
                panel.errorbar([x for x, _ in kept], means, bars, label=method, **look)
        panel.set(title=title, xlabel="SNR of the input (dB)", xticks=levels)
    _legend(figure, panels)
    return figure


def against_noisy(
    rows: Sequence[dict], methods: Sequence[str], metric: str, reference: str = "noisy"
) -> matplotlib.figure.Figure:
    """A point for each clip: its score over that of the noisy clip, above is better.

    Args:
      rows: Of one condition.
      methods: A panel each, without `reference`.
      metric: A name of `tables.SHOWN`.
      reference: What is on the horizontal axis.
    """
    title = {name: title for name, title, _ in tables.SHOWN}[metric]
    shown = [method for method in methods if method != reference]
    figure, panels = _grid(shown, sharex=True, sharey=True)
    before = _by_clip(rows, reference, metric)
    for method, panel in zip(shown, panels, strict=True):
        after = _by_clip(rows, method, metric)
        clips = [clip for clip in after if clip in before]
        x, y = [before[c] for c in clips], [after[c] for c in clips]
        better = int(np.sum(np.greater(y, x)))
        panel.axline((np.nanmean(x or [0]),) * 2, slope=1, color="#999999", linewidth=1)
        panel.scatter(x, y, s=14, color=style.TOL_MUTED[0], alpha=0.7, linewidths=0)
        panel.set(title=f"{method}: {better} of {len(clips)} better")
        panel.set(xlabel=f"{title}, {reference}", ylabel=title)
    return figure


def over_cost(rows: Sequence[dict], methods: Sequence[str]) -> matplotlib.figure.Figure:
    """Mean PESQ and SI-SDR of each method over its real-time factor.

    Args:
      rows: Of one condition.
      methods: Those to show; one that took next to no time is left out.
    """
    chosen = (tables.SHOWN[3], tables.SHOWN[1])
    figure, panels = _grid(chosen)
    for (name, title, _), panel in zip(chosen, panels, strict=True):
        for method, look in _looks(methods).items():
            values = _values(rows, method, name)
            work, length = (
                sum(row[key] for row in rows if row["method"] == method)
                for key in ("work_s", "seconds")
            )
            if len(values) and work > 1e-4 * length:
                place = (work / length, np.mean(values))
                panel.plot(*place, **{**look, "linestyle": "", "label": method})
                panel.annotate(
                    method,
                    place,
                    xytext=(0, 6),
                    textcoords="offset points",
                    ha="center",
                    fontsize=8,
                )
        panel.set(xscale="log", xlabel="Seconds of work for a second of sound")
        panel.set(ylabel=title)
        panel.margins(x=0.25)
    return figure


def _values(rows, method, name, level=None) -> np.ndarray:
    chosen = [
        row
        for row in rows
        if row["method"] == method and (level is None or row["snr_db"] == level)
    ]
    values = np.array([row.get(name, np.nan) for row in chosen], float)
    return tables.finite_means(tables.by_clip([row["clip"] for row in chosen], values))


def _by_clip(rows, method, name) -> dict[tuple, float]:
    return {
        (row["clip"], row["seed"]): row[name]
        for row in rows
        if row["method"] == method and np.isfinite(row[name])
    }


def _looks(methods: Sequence[str]) -> Mapping[str, dict]:
    return {
        method: {
            "color": style.TOL_MUTED[i % len(style.TOL_MUTED)],
            "marker": _MARKERS[i % len(_MARKERS)],
            "markersize": 5,
            "linewidth": 1.2,
            "linestyle": "-" if i < len(style.TOL_MUTED) else "--",
        }
        for i, method in enumerate(methods)
    }


def _grid(items, **options):
    figure, panels = style.grid(len(items), 4, (3.4, 3.1), **options)
    for panel in panels:
        panel.grid(color="#E6E6E6", linewidth=0.6)
        panel.set_axisbelow(True)
    return figure, panels


def _legend(figure, panels):
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False)
