"""Table 1 of "INRs for audio denoising" beside the same means of an evaluation."""

from collections.abc import Mapping, Sequence

import numpy as np

METRICS = ("ssnr", "stoi", "covl", "cbak", "pesq", "csig")
# As printed: 40 LibriSpeech clips, white noise at about 0 dB (told from its first row).
# The SepFormer row contradicts itself: no LLR and WSS give its CSIG, CBAK and COVL.
PRINTED = {
    "noisy": (-3.820, 0.813, 1.000, 1.560, 1.024, 1.000),
    "sepformer": (3.500, 0.914, 1.777, 1.619, 1.359, 2.282),
    "dnp": (-2.518, 0.757, 1.000, 1.703, 1.034, 1.000),
    "siren": (-3.910, 0.803, 1.000, 1.539, 1.035, 1.095),
    "hypersound": (0.195, 0.828, 1.000, 1.647, 1.081, 1.000),
}
COLUMNS = ("method", "source", "clips", *METRICS, "si_sdr")
_DIGITS = {"ssnr": 2, "si_sdr": 2}
_NOT_RUN = {"sepformer": "weights not given"}


def lines(rows: Sequence[Mapping]) -> list[dict]:
    """A line of the paper where it has one, and one of ours, for each method.

    Args:
      rows: Of `scores.csv`, values as numbers or as text; those in white noise at
        0 dB count.

    Returns:
      Dicts of `COLUMNS`; composites are held to [1, 5] clip by clip before the mean.

    Raises:
      ValueError: there are none.
    """
    found: dict[str, list[Mapping]] = {}
    for row in rows:
        if row["noise"] == "white" and float(row["snr_db"] or "nan") == 0:
            found.setdefault(row["method"], []).append(row)
    if not found:
        raise ValueError("no rows in white noise at 0 dB, which the table is of")
    table = []
    for method in dict.fromkeys([*PRINTED, *found]):
        if method in PRINTED:
            values = dict(zip(METRICS, PRINTED[method], strict=True))
            table.append({"method": method, "source": "paper", "clips": 40, **values})
        if method in found:
            table.append(_ours(method, found[method]))
    return table


def _ours(method, rows):
    values = {
        name: round(float(np.nanmean([float(row[name]) for row in rows])), 4)
        for name in (*METRICS, "si_sdr")
    }
    clips = len({row["clip"] for row in rows})
    return {"method": method, "source": "inr_jax", "clips": clips, **values}


def markdown(table: Sequence[Mapping]) -> str:
    """The lines of `lines`, the paper's figure before ours in every cell."""
    names = (*METRICS, "si_sdr")
    titles = " | ".join(name.upper().replace("_", "-") for name in names)
    text = [f"| paper / ours | clips | {titles} |", "|---" * (len(names) + 2) + "|"]
    for method in dict.fromkeys(line["method"] for line in table):
        by_source = {x["source"]: x for x in table if x["method"] == method}
        ours = by_source.get("inr_jax", {})
        cells = [
            _cell(name, by_source.get("paper"), ours if ours else None)
            for name in names
        ]
        clips = ours.get("clips", _NOT_RUN.get(method, "not run"))
        text.append(f"| {method} | {clips} | {' | '.join(cells)} |")
    return "\n".join(text) + "\n"


def _cell(name, printed, ours):
    digits = _DIGITS.get(name, 3)
    parts = []
    if printed and name in printed:
        parts.append(f"{printed[name]:.{digits}f}")
    if ours:
        parts.append(f"{ours[name]:.{digits}f}")
    return " / ".join(parts) or ""
