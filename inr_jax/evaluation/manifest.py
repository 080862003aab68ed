"""`manifest.json` of an evaluation: all that is needed to repeat it."""

import contextlib
import json
import os
import pathlib
import platform
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from inr_jax.data.datasets import Clip
from inr_jax.errors import InputError
from inr_jax.evaluation.source import Source
from inr_jax.evaluation.store import Store
from inr_jax.io import atomic, provenance, run_dir


class Manifest(NamedTuple):
    """What a `manifest.json` lists.

    Attributes:
      path: The file.
      root: Folder of the clips.
      of_pairs: Whether they are pairs.
      clips: Name and SHA-256 of each.
    """

    path: str
    root: str
    of_pairs: bool
    clips: Sequence[Mapping[str, str]]

    def choose(self, clips: Sequence[Clip]) -> list[Clip]:
        """The clips that are listed, if all are there and unchanged.

        Raises:
          InputError: one is missing, or its file is another.
        """
        known = {clip.name: clip for clip in clips}
        for line in self.clips:
            clip = known.get(line["clip"])
            if clip is None:
                raise InputError(
                    f"{self.root}: has no clip {line['clip']}, which {self.path} lists"
                )
            digests = _listed(clip)
            for name, file in (
                ("sha256", clip.path),
                ("noisy_sha256", clip.noisy_path),
            ):
                if digests.get(name) != line.get(name):
                    raise InputError(f"{file}: not the file that {self.path} lists")
        return [known[line["clip"]] for line in self.clips]


def read(path: str | os.PathLike, root: str | None = None) -> Manifest:
    """Reads a manifest.

    Args:
      path: Of the file.
      root: Where its clips are now, instead of where they were.

    Raises:
      InputError: the file is not a manifest.
    """
    try:
        value = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        for line in value["clips"]:
            os.fspath(line["clip"]), os.fspath(line["sha256"])
        of_pairs = bool(value["flags"]["pairs_dir"])
        return Manifest(
            str(path), root or os.fspath(value["root"]), of_pairs, value["clips"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{path}: no manifest.json of an evaluation") from None


def check(store: Store, source: Source) -> None:
    """Compares clips and noise with those that the rows of a folder are of.

    Args:
      store: Of the evaluation; without rows, or without a manifest, all is right.
      source: Of the clips.

    Raises:
      InputError: there are rows of a clip that was another file, or in other noise.
    """
    scored, before = _scored(store), _before(store)
    if not (scored and before):
        return
    others = f"{store.folder}: has scores of {{}}; choose another folder"
    if before["recordings"] != _lines(source.recordings):
        raise InputError(others.format("clips in the noise of other recordings"))
    for clip, line in _of_clips(source).items():
        old = before["clips"].get(clip)
        if clip not in scored or old is None:
            continue
        if {**old, "turn": None} != {**line, "turn": None}:
            raise InputError(others.format(f"a clip {clip} that was another file"))
        if old.get("turn") != line.get("turn"):
            raise InputError(others.format(f"{clip} in the noise of another recording"))


def write(store: Store, source: Source, flags: Mapping[str, Any]) -> pathlib.Path:
    """Writes `manifest.json`, before the first row, and returns its path.

    Args:
      store: Of the evaluation. Of clips that have rows and are not there now, what was
        known stays listed as `absent`.
      source: Of the clips.
      flags: As the command was called.
    """
    lines, before = _of_clips(source), _before(store)
    known = before["clips"].items() if before else ()
    scored = _scored(store)
    value = {
        "root": source.root,
        "clips": list(lines.values()),
        "absent": [x for clip, x in known if clip in scored and clip not in lines],
        "recordings": _lines(source.recordings),
        "flags": flags,
        "versions": provenance.versions(),
        "python": platform.python_version(),
        "commit": provenance.commit(),
        "hardware": {"processor": provenance.processor(), **provenance.machine()},
    }
    path = store.folder / run_dir.MANIFEST
    atomic.write_json(path, value)
    return path


def _scored(store):
    return {row["clip"] for row in store.rows}


def _before(store):
    """Lines by clip, and those of noise, that a folder has; None without a manifest."""
    path = store.folder / run_dir.MANIFEST
    if not path.exists():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        lines = [*value["clips"], *value.get("absent", [])]
        clips = {line["clip"]: line for line in lines}
        return {"clips": clips, "recordings": value["recordings"]}
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path} is damaged; delete it to go on") from None


def _of_clips(source):
    """Lines by clip; in recorded noise with the turn that its recording has."""
    lines = {}
    for position, clip in enumerate(source.clips):
        for line in _lines([clip]):
            turn = {"turn": source.turn(position)} if source.recordings else {}
            lines[clip.name] = {**line, **turn}
    return lines


def _lines(clips):
    """Of those that are there: of a link to nowhere there is nothing to list."""
    lines = []
    for clip in clips:
        with contextlib.suppress(OSError):
            lines.append(_listed(clip))
    return lines


def _listed(clip):
    line = {"clip": clip.name, "sha256": atomic.sha256(clip.path)}
    if clip.noisy_path:
        line["noisy_sha256"] = atomic.sha256(clip.noisy_path)
    return line
