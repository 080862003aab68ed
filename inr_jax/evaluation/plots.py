"""The figures of an evaluation: its scores, and a clip that stands for the others."""

from collections.abc import Sequence

import numpy as np

from inr_jax.evaluation import score_plots
from inr_jax.evaluation.store import Condition, Evaluation, Source
from inr_jax.plots import clips, style


def write_scores(
    found: Evaluation,
    methods: Sequence[str],
    conditions: Sequence[Condition],
    against: str,
) -> None:
    """Writes `figures/` of scores: over cost and clip by clip, over several levels too.

    Args:
      found: Holds the rows.
      methods: In the order to show.
      conditions: The same; cost and clips are of the first.
      against: The method that others are compared with, clip by clip.
    """
    first = found.of(conditions[0])
    _save(found, "over_cost", score_plots.over_cost(first, methods))
    for metric in ("pesq", "si_sdr"):
        figure = score_plots.against_noisy(first, methods, metric, against)
        _save(found, f"{metric}_by_clip", figure)
    if len({condition.snr_db for condition in conditions}) > 1:
        rows = [row for condition in conditions for row in found.of(condition)]
        _save(found, "over_snr", score_plots.over_snr(rows, methods))


def write_clip(
    found: Evaluation,
    source: Source,
    methods: Sequence[str],
    condition: Condition,
    against: str,
) -> None:
    """Writes `figures/mel` and `figures/waveform` of the median clip, if there is one.

    Args:
      found: Holds rows and estimates.
      source: Of the clips.
      methods: In the order to show.
      condition: The one to show.
      against: The method whose PESQ chooses the clip.

    Raises:
      InputError: an estimate was not kept, or the clip cannot be read.
    """
    rows = found.of(condition)
    name = median_clip(rows, against)
    if name is None:
        return
    position = [clip.name for clip in source.clips].index(name)
    example = source.load(position, condition)
    done = {row["method"] for row in rows if row["clip"] == name}
    signals = {"clean": example.clean, "noisy": example.noisy}
    for method in methods:
        if method in done:
            signals[method] = found.estimate(name, method, condition)
    signals = {method: samples[:, 0] for method, samples in signals.items()}
    title = f"{name}, the clip with the median PESQ of {against}; {condition.title}"
    for figure_name, draw in (
        ("mel", clips.mel_spectrograms),
        ("waveform", clips.waveforms),
    ):
        _save(found, figure_name, draw(signals, example.sample_rate, title))


def median_clip(rows: Sequence[dict], method: str) -> str | None:
    """The clip with the median PESQ of a method, the lower of two; None without PESQ."""
    ranked = sorted(
        (row["pesq"], row["clip"])
        for row in rows
        if row["method"] == method and np.isfinite(row["pesq"])
    )
    return ranked[(len(ranked) - 1) // 2][1] if ranked else None


def _save(found, name, figure):
    for ending in ("png", "pdf"):
        style.save(figure, found.folder / "figures" / f"{name}.{ending}")
