"""What an evaluation leaves: CSV, tables, a manifest; and one made of many shards."""

import pathlib
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence

from inr_jax.errors import InputError
from inr_jax.evaluation import runs, store, tables
from inr_jax.evaluation.store import Condition, Evaluation, Source
from inr_jax.io import atomic, measuring

Summaries = Mapping[Condition, tables.Summary]


def summarise(
    found: Evaluation,
    methods: Sequence[str],
    conditions: Sequence[Condition],
    against: str = "noisy",
) -> Summaries:
    """What the tables and the page show of an evaluation.

    Args:
      found: Holds the rows.
      methods: In the order to show.
      conditions: The same.
      against: The method that others are compared with, clip by clip.
    """
    return {c: tables.summarise(found.of(c), methods, against) for c in conditions}


def write(found: Evaluation, summaries: Summaries, against: str = "noisy") -> str:
    """Writes `scores.csv` and `table.md`, `.tex`, `.json`; returns the first table.

    Args:
      found: Holds the rows.
      summaries: Of `summarise`; their order is that of the rows.
      against: The method that they compare with.
    """
    ordered = []
    for condition, summary in summaries.items():
        rows = found.of(condition)
        for method in summary:
            ordered += [row for row in rows if row["method"] == method]
    atomic.write_csv(found.folder / "scores.csv", store.COLUMNS, ordered)
    text = "\n".join(
        f"## {condition.title}\n\n{tables.markdown(summary, against)}"
        for condition, summary in summaries.items()
    )
    atomic.write_text(found.folder / "table.md", text)
    latex = "\n".join(
        f"% {condition.title}\n{tables.latex(summary, against)}"
        for condition, summary in summaries.items()
    )
    atomic.write_text(found.folder / "table.tex", latex)
    atomic.write_json(found.folder / "table.json", as_table(summaries))
    return text


def as_table(summaries: Summaries) -> list[dict]:
    """A line for each condition and method: clips, then of each metric its mean and, as
    `<metric>_low` and `<metric>_high`, the interval of the difference.
    """
    lines = []
    for condition, summary in summaries.items():
        for method, cells in summary.items():
            line = {"condition": condition.title, "method": method}
            line["clips"] = max(cell.num_clips for cell in cells.values())
            for name, cell in cells.items():
                line[name] = None if cell.mean != cell.mean else cell.mean
                if cell.difference:
                    line[f"{name}_low"] = cell.difference.low
                    line[f"{name}_high"] = cell.difference.high
            lines.append(line)
    return lines


def write_manifest(folder: pathlib.Path, source: Source, root: str, flags: dict):
    """Writes `manifest.json`: all that the same evaluation needs again.

    Args:
      folder: Where to.
      source: Of the clips.
      root: The folder of the clips, as given.
      flags: As the script was called.
    """
    value = {
        "root": root,
        "clips": [_listed(clip) for clip in source.clips],
        "recordings": [_listed(clip) for clip in dict.fromkeys(source.recordings)],
        "flags": flags,
        "versions": runs.versions(),
        "python": platform.python_version(),
        "commit": _commit(),
        "hardware": {"processor": measuring.processor(), **measuring.machine()},
    }
    atomic.write_json(folder / "manifest.json", value)


def _listed(clip):
    line = {"clip": clip.name, "sha256": atomic.sha256(clip.path)}
    if clip.noisy_path:
        line["noisy_sha256"] = atomic.sha256(clip.noisy_path)
    return line


def merge(folders: Sequence[pathlib.Path], into: pathlib.Path) -> None:
    """Joins shards of one evaluation: rows, estimates, manifest.

    Raises:
      InputError: their settings differ, one is missing or is there twice.
    """
    described = [runs.read_settings(folder) for folder in folders]
    count = described[0].get("num_shards")
    indices = [settings.pop("shard_index", None) for settings in described]
    for folder, settings in zip(folders, described, strict=True):
        if settings != described[0]:
            raise InputError(f"{folder}: has other settings than {folders[0]}")
    if sorted(indices, key=str) != list(range(count or 0)):
        raise InputError(f"--merge needs each of the {count} shards once: {indices}")
    described[0]["num_shards"] = 1
    runs.keep_settings(into, {**described[0], "shard_index": 0})
    whole = Evaluation(into)
    whole.replace([row for folder in folders for row in Evaluation(folder).rows])
    for folder in folders:
        if (folder / "audio").exists():
            shutil.copytree(folder / "audio", into / "audio", dirs_exist_ok=True)


def _commit() -> str | None:
    """Of the source, where it is a checkout of git."""
    done = subprocess.run(
        ["git", "-C", pathlib.Path(__file__).parent, "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or None
