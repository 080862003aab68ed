"""A page for listening to an evaluation: opens from disk, in any browser, offline.

`index.html`, its scripts and its style come from `report_page/`; `data.js` holds what
they show, and `sounds/` one FLAC file and one spectrogram of every take.
"""

import importlib.resources
import json
import math
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from inr_jax import audio
from inr_jax.errors import InputError
from inr_jax.evaluation import tables
from inr_jax.evaluation.report import media
from inr_jax.io.atomic import replacing_folder

REFERENCE = "clean"
DATA = "data.js"
SOUNDS = "sounds"
_ASSIGNMENT = "const REPORT = "  # pages from disk may load scripts, but no JSON


class Take(NamedTuple):
    """One sound of one clip.

    Attributes:
      method: Its name, as "noisy"; "clean" is the reference.
      samples: Float (samples, channels) at natural level.
      scores: By names of `tables.SHOWN` and `tables.OPTIONAL`, such as a row of scores;
        none for "clean". NaN is no score.
    """

    method: str
    samples: np.ndarray
    scores: Mapping[str, Any]


class ClipReport(NamedTuple):
    """All takes of one clip in one condition, of one shape, in the order to show."""

    name: str
    condition: str
    sample_rate: int
    takes: Sequence[Take]


def write(
    folder: str | os.PathLike,
    title: str,
    table: Sequence[dict],
    clips: Iterable[ClipReport],
    notes: str,
) -> pathlib.Path:
    """Writes a report, in the place of an older one, and returns its `index.html`.

    Clips are taken one by one and none is kept. The folder appears when the last is
    written: a process that is killed leaves the older report as it was.

    Args:
      folder: Where to: new, empty, or an older report.
      title: Heading of the page.
      table: One row for each condition and method: "condition", "method", "clips" (how
        many) and the mean of each metric of `tables.SHOWN`, those of `tables.OPTIONAL`
        where there are some; `<metric>_low` and `<metric>_high`, where they are given,
        are the 95 % interval of the difference from noisy.
      clips: In the order to show.
      notes: Plain text under the heading; blank lines part paragraphs.

    Raises:
      InputError: the folder holds something else.
      ValueError: takes of one clip differ in shape.
    """
    folder = pathlib.Path(folder)
    _check_replaceable(folder)
    metrics = tables.shown(table)
    keys = [key for key, *_ in metrics]
    with replacing_folder(folder) as new:
        (new / SOUNDS).mkdir()
        data = {
            "title": title,
            "notes": notes,
            "metrics": [
                {
                    "key": key,
                    "title": name,
                    "digits": digits,
                    "lower": key in tables.LOWER_IS_BETTER,
                }
                for key, name, digits in metrics
            ],
            "table": [_table_row(row, keys) for row in table],
            "clips": [_write_clip(new, i, clip, keys) for i, clip in enumerate(clips)],
        }
        _write_page(new, data)
    return folder / "index.html"


def _check_replaceable(folder):
    if not folder.exists() or _is_report(folder):
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise InputError(f"{folder}: holds no report; name a new folder")


def _is_report(folder):
    path = folder / DATA
    return path.is_file() and path.read_bytes().startswith(_ASSIGNMENT.encode())


def _write_page(folder, data):
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    (folder / DATA).write_text(f"{_ASSIGNMENT}{text};\n", encoding="utf-8")
    for asset in (
        importlib.resources.files(__package__).joinpath("report_page").iterdir()
    ):
        (folder / asset.name).write_bytes(asset.read_bytes())


def _table_row(row, keys):
    ends = [f"{key}_{end}" for key in keys for end in ("low", "high")]
    numbers = {key: _number(row.get(key)) for key in (*keys, *ends)}
    return {key: row[key] for key in ("condition", "method", "clips")} | numbers


def _number(value):
    """None for NaN, which JSON does not know."""
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), 4)


def _write_clip(folder, position, clip, keys):
    """Writes sounds and spectrograms; returns the data of the clip for the page."""
    takes, remarks = _playable(clip)
    rate, methods = clip.sample_rate, [take.method for take in clip.takes]
    powers = [media.spectrogram(take, rate) for take in takes]
    reference = methods.index(REFERENCE) if REFERENCE in methods else 0
    gains = media.matching_gains(takes, rate)
    scale = media.peak(takes)
    entries = []
    for i, (method, _, scores) in enumerate(clip.takes):
        path = f"{SOUNDS}/{position:04d}-{i:02d}"  # names of clips may hold anything
        audio.write(folder / f"{path}.flac", takes[i], rate, "PCM_16")
        picture = folder / f"{path}.webp"
        media.write_spectrogram(picture, powers[i], np.max(powers[reference]))
        entry = {"method": method, "path": path, "gain": round(gains[i], 4)}
        entry["waveform"] = media.waveform(takes[i], scale)
        entry["scores"] = {key: _number(scores.get(key)) for key in keys if scores}
        entries.append(entry)
    return {
        "name": clip.name,
        "condition": clip.condition,
        "seconds": round(len(takes[0]) / rate, 3),
        "remarks": remarks,
        "takes": entries,
    }


def _playable(clip):
    """Takes that a 16-bit file holds unclipped, and remarks on changes made for it."""
    shapes = {take.samples.shape for take in clip.takes}
    if len(shapes) != 1:
        raise ValueError(f"{clip.name}: takes differ in shape: {sorted(shapes)}")
    takes = [media.finite(take.samples) for take in clip.takes]
    remarks = [
        f"{take.method} holds NaN or infinite samples, silent here."
        for take in clip.takes
        if not np.isfinite(take.samples).all()
    ]
    peak = media.peak(takes)
    if peak > 1:
        takes = [take / np.float32(peak) for take in takes]
        remarks.append(
            f"All takes {20 * np.log10(peak):.1f} dB down, to hold the peak."
        )
    return takes, remarks
