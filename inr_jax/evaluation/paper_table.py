"""Table 1 of "INRs for audio denoising" and the same means of evaluations."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from inr_jax.configs.methods import METHODS
from inr_jax.errors import InputError
from inr_jax.evaluation import tables
from inr_jax.io import run_dir
from inr_jax.io.markdown import table

METRICS = ("ssnr", "stoi", "covl", "cbak", "pesq", "csig")
# As printed: 40 LibriSpeech clips, white noise at about 0 dB (inferred from the first
# row). The SepFormer row contradicts itself: no LLR and WSS give its CSIG, CBAK and COVL.
PRINTED = {
    "noisy": (-3.820, 0.813, 1.000, 1.560, 1.024, 1.000),
    "sepformer": (3.500, 0.914, 1.777, 1.619, 1.359, 2.282),
    "dnp": (-2.518, 0.757, 1.000, 1.703, 1.034, 1.000),
    "siren": (-3.910, 0.803, 1.000, 1.539, 1.035, 1.095),
    "hyper_siren": (0.195, 0.828, 1.000, 1.647, 1.081, 1.000),
}
# The paper's HyperSound emits one network for a clip, ours one for each window.
_OURS_OF = {"hyper_siren": "hypersound (ours: {})"}
# SSNR rewards silence, so SI-SDR is shown as well; the paper has none.
SHOWN = ("ssnr", "si_sdr", *METRICS[1:])
_ENDS = tuple(f"{name}_{end}" for name in SHOWN for end in ("low", "high"))
COLUMNS = ("method", "source", "clips", *SHOWN, "without_value", *_ENDS)
_DIGITS = {"ssnr": 2, "si_sdr": 2}
_NOT_RUN = {"sepformer": "weights not given"}


class Evaluation(NamedTuple):
    """What an evaluation left.

    Attributes:
      name: In messages.
      rows: Of `scores.csv`, values as numbers or as text.
      methods: Their settings by label, as in `config.json`.
    """

    name: str
    rows: Sequence[Mapping]
    methods: Mapping[str, Mapping[str, Any]] = {}


class Table(NamedTuple):
    """The table of some evaluations.

    Attributes:
      lines: Dicts of `COLUMNS`: for each method a line of the paper where it has one,
        then one of ours. Composites are held to [1, 5] clip by clip before the mean. Means
        are of the clips that have a value; `without_value` counts the others.
        `<metric>_low` and `<metric>_high` are the paired 95 % interval of the difference
        from noisy.
      differences: Those differences as text, with their means.
      remarks: What a reader must know of some methods.
    """

    lines: list[dict]
    differences: str
    remarks: list[str]


def compare(evaluations: Sequence[Evaluation]) -> Table:
    """The paper's table beside ours: rows in white noise at 0 dB count.

    A method whose settings are not its default ones has them in its name. It stands beside
    the paper's line all the same where the evaluations have no other of its kind.

    Raises:
      InputError: an evaluation has no such rows, lacks a column or a value, or two are of
        different weights, or have different scores of one method on one clip.
    """
    measured, kinds = _gather(evaluations)
    noisy = measured.get("noisy", [])
    summary = tables.summarise(
        [row for rows in measured.values() for row in rows], [*measured]
    )
    shown_as = {}
    for kind in PRINTED:
        titles = [title for title in measured if kinds[title] == kind]
        title = kind if kind in titles else next(iter(titles), kind)
        shown_as[title] = _OURS_OF.get(kind, "{}").format(title)
    lines = []
    for title in dict.fromkeys([*shown_as, *measured]):
        label, kind = shown_as.get(title, title), kinds.get(title, title)
        if title in shown_as:
            printed = dict(zip(METRICS, PRINTED[kind], strict=True))
            lines.append({"method": label, "source": "paper", "clips": 40, **printed})
        if title in measured:
            ours = _ours(measured[title], summary[title])
            lines.append({"method": label, "source": "inr_jax", **ours})
    remarks = [*_without_value(lines), *_other_clips(measured, noisy)]
    differences = tables.differences(summary) if noisy else ""
    return Table(lines, differences, remarks)


def caption(max_seconds: float | None) -> str:
    """States which part of each clip was scored; the paper scored whole clips."""
    part = (
        "whole clips"
        if max_seconds is None
        else f"the first {max_seconds:g} s of each clip"
    )
    return f"White noise at 0 dB, {part}; the paper's figures are of whole clips of its own:"


def markdown(result: Table) -> str:
    """The paper's value before ours in every cell, then our differences and remarks."""
    rows = []
    for method in dict.fromkeys(line["method"] for line in result.lines):
        sources = {x["source"]: x for x in result.lines if x["method"] == method}
        clips = sources.get("inr_jax", {}).get("clips", _NOT_RUN.get(method, "not run"))
        rows.append([method, clips, *(_cell(name, sources) for name in SHOWN)])
    titles = map(_title, SHOWN)
    parts = [table(["paper / ours", "clips", *titles], rows), result.differences]
    return "\n".join(part for part in [*parts, *result.remarks] if part)


def _gather(evaluations):
    """Rows by title, and the kind of method of each title."""
    measured: dict[str, dict[tuple, Mapping]] = {}
    kinds, found_in, weights = {}, {}, {}
    for evaluation in evaluations:
        rows = [r for r in evaluation.rows if _is_of_the_paper(r, evaluation.name)]
        if not rows:
            raise InputError(
                f"{evaluation.name}: no rows in white noise at 0 dB, which the table is of"
            )
        for row in rows:
            settings = evaluation.methods.get(row["method"], {})
            title = _titled(row["method"], settings)
            kinds[title] = settings.get("method", row["method"].split(":")[0])
            if digest := settings.get("weights_sha256"):
                known, where = weights.setdefault(title, (digest, evaluation.name))
                if digest != known:
                    raise InputError(
                        f"{where} and {evaluation.name}: {title} of different weights; "
                        "give one of them"
                    )
            scores = {name: _number(row, name, evaluation.name) for name in SHOWN}
            new = {"method": title, "clip": row["clip"], "seed": row["seed"], **scores}
            clip = row["clip"], row["seed"]
            old = measured.setdefault(title, {}).setdefault(clip, new)
            first = found_in.setdefault((title, clip), evaluation.name)
            if any(not np.array_equal(old[n], new[n], equal_nan=True) for n in SHOWN):
                raise InputError(
                    f"{first} and {evaluation.name}: different scores of {title} on "
                    f"{row['clip']}; give one of them"
                )
    return {title: [*rows.values()] for title, rows in measured.items()}, kinds


def _is_of_the_paper(row, where):
    for name in ("clip", "method", "noise", "seed", "snr_db"):
        _require(row, name, where)
    return row["noise"] == "white" and _number(row, "snr_db", where) == 0


def _require(row, name, where):
    if name not in row:
        raise InputError(f"{where}: scores.csv has no column {name}")
    if row[name] is None:
        raise InputError(
            f"{where}: scores.csv has a line without {name}: it is cut off"
        )


def _number(row, name, where):
    _require(row, name, where)
    try:
        return float(row[name]) if row[name] != "" else float("nan")
    except ValueError:
        raise InputError(
            f"{where}: scores.csv has {name} = {row[name]!r}, which is no number"
        ) from None


def _titled(label, settings):
    """The name of a method, with what differs from its default settings."""
    kind = settings.get("method")
    if kind not in METHODS:
        return label
    default = dict(run_dir.leaves(dataclasses.asdict(METHODS[kind])))
    given = dict(run_dir.leaves(settings))
    # one that is not there came later
    changed = [
        f"{n}={given[n]}" for n in default if given.get(n, default[n]) != default[n]
    ]
    return f"{kind} ({', '.join(changed)})" if changed else kind


def _ours(rows, cells):
    num_clips = len({row["clip"] for row in rows})
    scores = np.array([[row[name] for name in SHOWN] for row in rows])
    scores = tables.by_clip([row["clip"] for row in rows], scores)
    values = [tables.finite_means(scores[..., i]) for i in range(len(SHOWN))]
    missing = {n: num_clips - len(x) for n, x in zip(SHOWN, values, strict=True)}
    counts = [f"{_title(name)} {count}" for name, count in missing.items() if count]
    line = {
        "clips": num_clips,
        **{name: _mean(x) for name, x in zip(SHOWN, values, strict=True)},
        "without_value": ", ".join(counts),
    }
    for name in SHOWN:
        if cells[name].difference:
            _, low, high = cells[name].difference
            line |= {f"{name}_low": round(low, 4), f"{name}_high": round(high, 4)}
    return line


def _mean(values):
    return round(float(np.mean(values)), 4) if len(values) else None


def _without_value(lines):
    methods: dict[str, list[str]] = {}
    for line in lines:
        if line.get("without_value"):
            methods.setdefault(line["without_value"], []).append(line["method"])
    return [
        f"Clips without a value, {counts}: {', '.join(those)}\n"
        for counts, those in methods.items()
    ]


def _other_clips(measured, noisy):
    """Differences are of the clips that a method and noisy share; means are of all."""
    clips = {title: {row["clip"] for row in rows} for title, rows in measured.items()}
    others = [title for title in clips if noisy and clips[title] != clips["noisy"]]
    return [f"Of other clips than noisy: {', '.join(others)}\n"] if others else []


def _title(name):
    return name.upper().replace("_", "-")


def _cell(name, sources):
    values = [
        "none"
        if sources[source][name] is None
        else f"{sources[source][name]:.{_DIGITS.get(name, 3)}f}"
        for source in ("paper", "inr_jax")
        if name in sources.get(source, {})
    ]
    return " / ".join(values)
