"""The listening page of an evaluation: its clips with what every method made of them."""

import pathlib
from collections.abc import Iterator, Sequence

from inr_jax import evaluation_results, report, scoring
from inr_jax.evaluation import Condition, Evaluation, Source

_NOTES = """
SSNR and CBAK reward silence, SI-SDR does not. PESQ is wide band at 16 kHz. Intervals are
of the difference from the method compared with, 95 %, paired bootstrap over clips.
"""


def write(
    found: Evaluation,
    source: Source,
    methods: Sequence[str],
    conditions: Sequence[Condition],
    against: str,
) -> pathlib.Path:
    """Writes `report/` from kept estimates and returns its `index.html`.

    Args:
      found: Holds rows and estimates.
      source: Of the clips.
      methods: In the order to show.
      conditions: The same.
      against: The method that the table compares with.

    Raises:
      InputError: an estimate was not kept, or a clip cannot be read.
    """
    return report.write(
        found.folder / "report",
        "Evaluation",
        evaluation_results.as_table(found, methods, conditions, against),
        _clips(found, source, methods, conditions),
        _NOTES.strip(),
    )


def _clips(found, source, methods, conditions) -> Iterator[report.ClipReport]:
    for condition in conditions:
        rows = {(row["clip"], row["method"]): row for row in found.of(condition)}
        for i, clip in enumerate(source.clips):
            example = source.load(i, condition)
            takes = [report.Take(report.REFERENCE, example.clean, {})]
            for method in methods:
                if row := rows.get((clip.name, method)):
                    scores = {name: row[name] for name in scoring.METRICS}
                    estimate = found.estimate(clip.name, method, condition)
                    takes.append(report.Take(method, estimate, scores))
            yield report.ClipReport(
                clip.name, condition.title, example.sample_rate, takes
            )
