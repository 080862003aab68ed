"""A folder of trained weights: `weights.safetensors` and `config.json`.

The latter says what the weights are of, and holds a SHA-256 of itself and of the weights:
what was changed or cut short is refused.
"""

import hashlib
import io
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors.numpy

from inr_jax.errors import InputError
from inr_jax.io import atomic

WEIGHTS, CONFIG = "weights.safetensors", "config.json"
MODEL = "model"  # the folder of weights in that of a training
FORMAT = 2  # of the folder; rises when older versions would misread it
_NPZ_FORMAT, _NPZ = 1, "weights.npz"  # what earlier versions wrote


def trained_dir(model: str, given: str | os.PathLike | None = None) -> pathlib.Path:
    """The folder of a trained model: the one that is given, or the shipped one."""
    if given:
        return pathlib.Path(given)
    here = pathlib.Path(__file__).parent.parent
    # an installed wheel has them in the package
    shipped = here / "trained"
    return (shipped if shipped.is_dir() else here.parent / "checkpoints") / model


def save(
    folder: str | os.PathLike,
    tensors: Mapping[str, np.ndarray],
    description: Mapping[str, Any],
) -> None:
    """Writes both files.

    Args:
      folder: Where to.
      tensors: By name.
      description: What they are weights of, as JSON.
    """
    folder = pathlib.Path(folder)
    arrays = {name: np.ascontiguousarray(x) for name, x in tensors.items()}
    content = safetensors.numpy.save(arrays)
    with atomic.replacing(folder / WEIGHTS) as part:
        part.write_bytes(content)
    # as it will be read, since it is hashed
    described = json.loads(json.dumps({"format": FORMAT, **description}))
    described["sha256"] = _digest(content, described)
    atomic.write_json(folder / CONFIG, described)


def load(folder: str | os.PathLike) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The description and the tensors of a folder.

    Raises:
      InputError: a file is missing, changed or broken, or of a later format.
    """
    folder = folder_of(folder)
    try:
        described = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        version = described.get("format")
        if version not in (_NPZ_FORMAT, FORMAT):
            raise ValueError(f"its format is {version!r}, this version reads {FORMAT}")
        content = (folder / (WEIGHTS if version == FORMAT else _NPZ)).read_bytes()
        expected = described.pop("sha256", None)
        if expected != _digest(content, described):
            raise ValueError("changed since it was saved: not of its SHA-256")
        if version == FORMAT:
            return described, safetensors.numpy.load(content)
        with np.load(io.BytesIO(content)) as arrays:
            return described, dict(arrays)
    # a broken file can raise anything
    except Exception as error:  # noqa: BLE001
        reason = _hint(folder) or _reason(error)
        raise InputError(f"{folder}: no trained weights: {reason}") from None


def folder_of(given: str | os.PathLike) -> pathlib.Path:
    """The folder that holds the weights: `model` in the folder of a training."""
    folder = pathlib.Path(given)
    inner = folder / MODEL
    return inner if _has_weights(inner) and not _has_weights(folder) else folder


def _has_weights(folder):
    return any((folder / name).exists() for name in (WEIGHTS, _NPZ))


def _hint(folder) -> str:
    """A hint where the weights are, for a folder without any."""
    if _has_weights(folder):
        return ""
    if not folder.exists():
        return "no such folder"
    if folder.is_file():
        return "is a file; give the folder that it is in"
    if folder.is_dir() and _has_weights(folder.parent / MODEL):
        return f"a folder of checkpoints; give {folder.parent}"
    inner = sorted(
        path.parent for name in (WEIGHTS, _NPZ) for path in folder.glob(f"*/{name}")
    )
    if inner:
        return f"its folders have some; give one of {', '.join(map(str, inner))}"
    if (folder / "last").is_dir():
        return f"a training that has not ended; its end writes {folder / MODEL}"
    return ""


def _reason(error) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{pathlib.Path(error.filename).name}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__


def stamp(folder: str | os.PathLike) -> tuple:
    """Changes whenever a file of the folder is written; for caches."""
    try:
        files = sorted(os.scandir(folder), key=lambda file: file.name)
    except OSError:
        return ()
    stats = [(file.name, file.stat()) for file in files]
    return tuple((name, s.st_ino, s.st_mtime_ns, s.st_size) for name, s in stats)


def _digest(content, described):
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    digest.update(content)
    return digest.hexdigest()
