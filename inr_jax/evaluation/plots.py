"""Figures of an evaluation: of the scores of all clips, and of the median clip."""

from collections.abc import Sequence

import numpy as np

from inr_jax.data.noise import Condition
from inr_jax.evaluation import score_plots
from inr_jax.evaluation.results import reference
from inr_jax.evaluation.source import Source
from inr_jax.evaluation.store import Store
from inr_jax.evaluation.systems import CLEAN
from inr_jax.plots import clips, style


def write_scores(
    store: Store, labels: Sequence[str], conditions: Sequence[Condition]
) -> None:
    """Writes `figures/` of scores: over cost and clip by clip, over several levels too.

    Args:
      store: Holds the rows.
      labels: Of methods, in the order to show; clean clips are not drawn.
      conditions: The same; cost and clips are of the first.
    """
    labels = [label for label in labels if label != CLEAN]
    first = store.of(conditions[0])
    _save(store, "over_cost", score_plots.over_cost(first, labels))
    for metric in ("pesq", "si_sdr"):
        figure = score_plots.against_noisy(first, labels, metric, reference(labels))
        _save(store, f"{metric}_by_clip", figure)
    if len({condition.snr_db for condition in conditions}) > 1:
        rows = [row for condition in conditions for row in store.of(condition)]
        _save(store, "over_snr", score_plots.over_snr(rows, labels))


def write_clip(
    store: Store, source: Source, labels: Sequence[str], condition: Condition
) -> None:
    """Writes `figures/mel` and `figures/waveform` of the median clip, if there is one.

    Args:
      store: Holds rows and estimates.
      source: Of the clips.
      labels: Of methods, in the order to show.
      condition: The one to show.

    Raises:
      InputError: an estimate was not kept, or the clip cannot be read.
    """
    against = reference(labels)
    names = [clip.name for clip in source.clips]
    rows = [row for row in store.of(condition) if row["clip"] in names]
    name = median_clip(rows, against)
    if name is None:
        return
    position = names.index(name)
    example = source.load(position, condition)
    signals = {"clean": example.clean, "noisy": example.noisy}
    for label in labels:
        if store.row(name, label, condition):
            signals[label] = store.estimate(name, label, condition)
    signals = {label: samples[:, 0] for label, samples in signals.items()}
    title = f"{name}, the clip with the median PESQ of {against}; {condition.title}"
    for figure_name, draw in (
        ("mel", clips.mel_spectrograms),
        ("waveform", clips.waveforms),
    ):
        _save(store, figure_name, draw(signals, example.sample_rate, title))


def median_clip(rows: Sequence[dict], method: str) -> str | None:
    """The clip with the median PESQ of a method, the lower of two; None without PESQ."""
    ranked = sorted(
        (row["pesq"], row["clip"])
        for row in rows
        if row["method"] == method and np.isfinite(row["pesq"])
    )
    return ranked[(len(ranked) - 1) // 2][1] if ranked else None


def _save(store, name, figure):
    for ending in ("png", "pdf"):
        style.save(figure, store.folder / "figures" / f"{name}.{ending}")
