"""Tables and CSV of an evaluation, and one evaluation made of shards."""

import itertools
import operator
import pathlib
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from inr_jax.data.noise import Condition
from inr_jax.errors import InputError
from inr_jax.evaluation import manifest, store, tables
from inr_jax.evaluation.source import Source
from inr_jax.evaluation.store import Store
from inr_jax.io import atomic, run_dir
from inr_jax.metrics import pool

Summaries = Mapping[Condition, tables.Summary]


def reference(labels: Sequence[str]) -> str:
    """The method that others are compared with: noisy, or else the first."""
    return "noisy" if "noisy" in labels else labels[0]


def summarise(
    rows: Store, labels: Sequence[str], conditions: Sequence[Condition]
) -> Summaries:
    """Summary of an evaluation for tables and page.

    Args:
      rows: Of the evaluation.
      labels: Of methods, in the order to show.
      conditions: The same.
    """
    against = reference(labels)
    return {c: tables.summarise(rows.of(c), labels, against) for c in conditions}


def write(rows: Store, summaries: Summaries) -> str:
    """Writes `scores.csv` and `table.md`, `.tex`, `.json`; returns the text of the first.

    Args:
      rows: Of the evaluation.
      summaries: Of `summarise`; their order is that of the rows.
    """
    ordered = [
        row
        for condition, summary in summaries.items()
        for label in summary
        for row in rows.of(condition, label)
    ]
    optional = [name for name in pool.OPTIONAL if any(name in row for row in ordered)]
    columns = (*store.COLUMNS, *optional)
    atomic.write_csv(rows.folder / store.SCORES, columns, ordered)
    text = "\n".join(
        f"## {condition.title}\n\n{tables.markdown(summary, reference(list(summary)))}"
        for condition, summary in summaries.items()
    )
    atomic.write_text(rows.folder / "table.md", text)
    latex = "\n".join(
        f"% {condition.title}\n{tables.latex(summary, reference(list(summary)))}"
        for condition, summary in summaries.items()
    )
    atomic.write_text(rows.folder / "table.tex", latex)
    atomic.write_json(rows.folder / "table.json", as_table(summaries))
    return text


def as_table(summaries: Summaries) -> list[dict]:
    """A line for each condition and method: clips, then of each metric its mean and, as
    `<metric>_low` and `<metric>_high`, the interval of the difference.
    """
    lines = []
    for condition, summary in summaries.items():
        for label, cells in summary.items():
            line = {"condition": condition.title, "method": label}
            line["clips"] = max(cell.num_clips for cell in cells.values())
            for name, cell in cells.items():
                line[name] = None if cell.mean != cell.mean else cell.mean
                if cell.difference:
                    line[f"{name}_low"] = cell.difference.low
                    line[f"{name}_high"] = cell.difference.high
            lines.append(line)
    return lines


def merge(
    shards: Sequence[pathlib.Path],
    into: pathlib.Path,
    source: Source,
    settings: Mapping[str, Any],
    labels: Sequence[str] = (),
    conditions: Sequence[Condition] = (),
) -> None:
    """Joins shards of one evaluation: rows, estimates, settings.

    Args:
      shards: Their folders.
      into: Gets the whole.
      source: All clips, of which each shard must have rows, but for those that cannot be
        read.
      settings: All that rows depend on, as the shards record them.
      labels: Of methods that must be there, besides those that the shards have rows of;
        those that they record where neither these nor conditions are given.
      conditions: The same.

    Raises:
      InputError: their settings differ or are others, one is missing, is there twice or
        not finished, or clips or noise have changed.
    """
    theirs, methods, indices = _read_settings(shards)
    run_dir.refuse_others(shards[0], theirs, settings)
    stores, whole = [Store(folder) for folder in shards], Store(into)
    shares = [source.share(index, len(shards)) for index in indices]
    rows = []
    for one, share in zip([whole, *stores], [source, *shares], strict=True):
        manifest.check(one, share)
        # a clip may have been in another share before others came
        own = {clip.name for clip in share.clips}
        rows += [row for row in one.rows if one is whole or row["clip"] in own]
    kinds = _wanted(stores, methods, labels, conditions)
    for one, share in zip(stores, shares, strict=True):
        _require_finished(one, share, kinds)
    whole_settings = {**theirs, "num_shards": 1, "shard_index": 0}
    run_dir.keep_settings(into, whole_settings, methods=methods)
    key = operator.itemgetter("clip", "method", "noise", "snr_db", "seed")
    # rows of methods that were added to the whole stay
    whole.replace(list({key(row): row for row in rows}.values()))
    for folder in shards:
        if (folder / "audio").exists():
            shutil.copytree(folder / "audio", into / "audio", dirs_exist_ok=True)


def _read_settings(shards):
    """What shards have in common: settings and methods; and the index of each.

    Raises:
      InputError: they differ, or one is missing or there twice.
    """
    theirs = [run_dir.read_settings(folder) for folder in shards]
    methods = [run_dir.read_methods(folder) for folder in shards]
    counts = [each.pop("num_shards", None) for each in theirs]
    indices = [each.pop("shard_index", None) for each in theirs]
    for i, folder in enumerate(shards):
        if (theirs[i], methods[i]) != (theirs[0], methods[0]):
            raise InputError(f"{folder}: has other settings than {shards[0]}")
    if sorted(indices, key=str) != sorted(range(counts[0] or 0), key=str):
        raise InputError(
            f"each of the {counts[0]} shards is needed once, but their indices are "
            f"{indices}"
        )
    return theirs[0], methods[0], indices


def _wanted(stores, methods, labels, conditions):
    """Conditions and methods of which every clip needs a row, as pairs; as for `merge`."""
    kinds = {(Condition.of_row(r), r["method"]) for one in stores for r in one.rows}
    if not kinds:
        raise InputError("none of the shards has a row; run them again, then merge")
    known = list(dict.fromkeys(condition for condition, _ in kinds))
    if labels or conditions:
        return kinds | set(itertools.product(conditions or known, labels or methods))
    # what was killed before its first row
    begun = {method for _, method in kinds}
    return kinds | set(itertools.product(known, methods.keys() - begun))


def _require_finished(shard, share, kinds):
    """Raises InputError where a clip that can be read lacks a row of some kind."""
    for position, clip in enumerate(share.clips):
        for condition, method in sorted(kinds, key=str):
            if clip.name in shard.done(method, condition):
                continue
            try:
                share.load(position, condition)
            except InputError:
                break  # it was left out, with a line
            raise InputError(
                f"{shard.folder}: not finished, lacks {method} of {clip.name} in "
                f"{condition.title}; run it again, then merge"
            )
