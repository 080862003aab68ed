"""Table 1 of "INRs for audio denoising" and the same means of an evaluation."""

from collections.abc import Mapping, Sequence

import numpy as np

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
LABELS = {"hyper_siren": "hypersound (ours: hyper_siren)"}
# SSNR rewards silence, so SI-SDR is shown as well; the paper has none.
SHOWN = ("ssnr", "si_sdr", *METRICS[1:])
COLUMNS = ("method", "source", "clips", *SHOWN, "without_value")
_DIGITS = {"ssnr": 2, "si_sdr": 2}
_NOT_RUN = {"sepformer": "weights not given"}


def lines(rows: Sequence[Mapping]) -> list[dict]:
    """A line of the paper where it has one, and one of ours, for each method.

    Args:
      rows: Of `scores.csv`, values as numbers or as text; those in white noise at
        0 dB count.

    Returns:
      Dicts of `COLUMNS`; composites are held to [1, 5] clip by clip before the mean.
      Means are of the clips that have a value; `without_value` counts the others.

    Raises:
      ValueError: there are none.
    """
    measured: dict[str, list[Mapping]] = {}
    for row in rows:
        if row["noise"] == "white" and float(row["snr_db"] or "nan") == 0:
            measured.setdefault(row["method"], []).append(row)
    if not measured:
        raise ValueError("no rows in white noise at 0 dB, which the table is of")
    result = []
    for method in dict.fromkeys([*PRINTED, *measured]):
        label = LABELS.get(method, method)
        if method in PRINTED:
            values = dict(zip(METRICS, PRINTED[method], strict=True))
            result.append({"method": label, "source": "paper", "clips": 40, **values})
        if method in measured:
            result.append(_ours(label, measured[method]))
    return result


def _ours(label, rows):
    scores = {name: np.array([float(row[name]) for row in rows]) for name in SHOWN}
    values = {name: round(float(np.nanmean(x)), 4) for name, x in scores.items()}
    missing = {name: np.count_nonzero(np.isnan(x)) for name, x in scores.items()}
    return {
        "method": label,
        "source": "inr_jax",
        "clips": len({row["clip"] for row in rows}),
        **values,
        "without_value": ", ".join(
            f"{_title(name)} {count}" for name, count in missing.items() if count
        ),
    }


def _title(name):
    return name.upper().replace("_", "-")


def caption(max_seconds: float | None) -> str:
    """States which part of each clip was scored; the paper scored whole clips."""
    part = (
        "whole clips"
        if max_seconds is None
        else f"the first {max_seconds:g} s of each clip"
    )
    return f"White noise at 0 dB, {part}; the paper's figures are of whole clips of its own:"


def markdown(result: Sequence[Mapping]) -> str:
    """The lines of `lines`, the paper's value before ours in every cell.

    Lines below it name the methods of which some clips have no value.
    """
    rows = []
    for method in dict.fromkeys(line["method"] for line in result):
        sources = {x["source"]: x for x in result if x["method"] == method}
        clips = sources.get("inr_jax", {}).get("clips", _NOT_RUN.get(method, "not run"))
        rows.append([method, clips, *(_cell(name, sources) for name in SHOWN)])
    missing: dict[str, list[str]] = {}
    for line in result:
        if line.get("without_value"):
            missing.setdefault(line["without_value"], []).append(line["method"])
    notes = [
        f"\nClips without a value, {counts}: {', '.join(methods)}\n"
        for counts, methods in missing.items()
    ]
    titles = map(_title, SHOWN)
    return "".join([table(["paper / ours", "clips", *titles], rows), *notes])


def _cell(name, sources):
    values = [
        sources[source][name]
        for source in ("paper", "inr_jax")
        if name in sources.get(source, {})
    ]
    return " / ".join(f"{value:.{_DIGITS.get(name, 3)}f}" for value in values)
