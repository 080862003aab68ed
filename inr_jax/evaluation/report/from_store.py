"""The listening page of an evaluation: its clips with the estimates of every method."""

import pathlib
from collections.abc import Iterator

from inr_jax.evaluation import results
from inr_jax.evaluation.report import page
from inr_jax.evaluation.source import Source
from inr_jax.evaluation.store import Store

_NOTES = """
SSNR and CBAK reward silence, SI-SDR does not. PESQ is wide band at 16 kHz. Intervals are
of the difference from the method compared with, 95 %, paired bootstrap over clips.
"""


def write(store: Store, source: Source, summaries: results.Summaries) -> pathlib.Path:
    """Writes `report/` from kept estimates and returns its `index.html`.

    Args:
      store: Holds rows and estimates.
      source: Of the clips.
      summaries: Of `results.summarise`, for the table; clips are shown in the same order
        of conditions and methods.

    Raises:
      InputError: an estimate was not kept, or a clip cannot be read.
    """
    return page.write(
        store.folder / "report",
        "Evaluation",
        results.as_table(summaries),
        _clips(store, source, summaries),
        _NOTES.strip(),
    )


def _clips(store, source, summaries) -> Iterator[page.ClipReport]:
    for condition, labels in summaries.items():
        for i, clip in enumerate(source.clips):
            rows = {label: store.row(clip.name, label, condition) for label in labels}
            if not any(rows.values()):  # it could not be read
                continue
            clean = source.clean(i)
            takes = [page.Take(page.REFERENCE, clean.samples, {})]
            for label, row in rows.items():
                if row and label != page.REFERENCE:
                    estimate = store.estimate(clip.name, label, condition)
                    takes.append(page.Take(label, estimate, row))
            yield page.ClipReport(clip.name, condition.title, clean.sample_rate, takes)
