"""The listening page of an evaluation: its clips with what every method made of them."""

import pathlib
from collections.abc import Iterator

from inr_jax.evaluation import results
from inr_jax.evaluation.report import page
from inr_jax.evaluation.store import Evaluation, Source
from inr_jax.metrics import pool

_NOTES = """
SSNR and CBAK reward silence, SI-SDR does not. PESQ is wide band at 16 kHz. Intervals are
of the difference from the method compared with, 95 %, paired bootstrap over clips.
"""


def write(
    found: Evaluation,
    source: Source,
    summaries: results.Summaries,
) -> pathlib.Path:
    """Writes `report/` from kept estimates and returns its `index.html`.

    Args:
      found: Holds rows and estimates.
      source: Of the clips.
      summaries: Of `evaluation_results.summarise`, for the table; clips are shown in
        the same order of conditions and methods.

    Raises:
      InputError: an estimate was not kept, or a clip cannot be read.
    """
    return page.write(
        found.folder / "report",
        "Evaluation",
        results.as_table(summaries),
        _clips(found, source, summaries),
        _NOTES.strip(),
    )


def _clips(found, source, summaries) -> Iterator[page.ClipReport]:
    for condition, methods in summaries.items():
        rows = {(row["clip"], row["method"]): row for row in found.of(condition)}
        for i, clip in enumerate(source.clips):
            example = source.load(i, condition)
            takes = [page.Take(page.REFERENCE, example.clean, {})]
            for method in methods:
                if row := rows.get((clip.name, method)):
                    scores = {name: row[name] for name in pool.METRICS}
                    estimate = found.estimate(clip.name, method, condition)
                    takes.append(page.Take(method, estimate, scores))
            yield page.ClipReport(
                clip.name, condition.title, example.sample_rate, takes
            )
