"""Folders with weights of SepFormer, read without torch and checked.

A folder holds SpeechBrain's own `encoder.ckpt`, `masknet.ckpt` and `decoder.ckpt`, with
`hyperparams.yaml` if at hand for the sample rate, or a copy of ours as `io.weights` has
it: the same tensors by the same names, the file's name in front.
"""

import dataclasses
import functools
import os
import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np

from inr_jax.configs import from_json
from inr_jax.configs.sepformer import SepformerConfig
from inr_jax.errors import InputError
from inr_jax.io import weights
from inr_jax.models.sepformer import torch_checkpoint
from inr_jax.models.sepformer.modeling import Sepformer, positional_encoding
from inr_jax.models.sepformer.params import TABLE, Tensors, shapes, to_params

PARTS = ("encoder", "masknet", "decoder")
PUBLISHED = SepformerConfig()


def load(
    folder: str | os.PathLike | None, config: SepformerConfig = PUBLISHED
) -> tuple[Sepformer, dict]:
    """The model of a folder and its weights, for `model.apply(params, noisy)`.

    Args:
      folder: With SpeechBrain's files, which go first, or a copy of ours.
      config: Of SpeechBrain's files, but for the sample rate; a copy has its own.

    Raises:
      InputError: no folder is given; files are missing or cannot be read; tensors are
        missing, unknown or of other shapes, and are named.
    """
    if folder is None:
        raise InputError(
            "sepformer: the folder of its weights is not given; `inr-jax download` "
            "fetches them"
        )
    return _load(pathlib.Path(folder), config, weights.stamp(folder))


@functools.lru_cache(maxsize=2)
def _load(folder, config, stamp):
    del stamp
    config, tensors = read(folder, config)
    params = jax.tree.map(jnp.asarray, to_params(tensors, config))
    return Sepformer(config), params


def read(
    folder: str | os.PathLike, config: SepformerConfig = PUBLISHED
) -> tuple[SepformerConfig, Tensors]:
    """Settings and checked tensors of a folder, without the tables of positions.

    Args and errors are those of `load`.
    """
    folder = pathlib.Path(folder)
    original = (folder / "masknet.ckpt").exists()
    if not original and (folder / weights.CONFIG).exists():
        config, tensors = _read_copy(folder)
    else:
        _require_parts(folder)
        rate = _sample_rate(folder / "hyperparams.yaml") or config.sample_rate
        config = dataclasses.replace(config, sample_rate=rate)
        tensors = {
            f"{part}.{name}": tensor
            for part in PARTS
            for name, tensor in torch_checkpoint.read(folder / f"{part}.ckpt").items()
        }
    _check(folder, tensors, config)
    return config, {n: t for n, t in tensors.items() if not n.endswith(TABLE)}


def save(folder: str | os.PathLike, config: SepformerConfig, tensors: Tensors) -> None:
    """Writes a copy of 32 bits."""
    described = {"model": "sepformer", "config": dataclasses.asdict(config)}
    weights.save(folder, tensors, described)


def _require_parts(folder):
    lacking = [
        f"{part}.ckpt" for part in PARTS if not (folder / f"{part}.ckpt").exists()
    ]
    if lacking:
        reason = f"lacks {', '.join(lacking)}" if folder.is_dir() else "no such folder"
        raise InputError(
            f"{folder}: {reason}; `inr-jax download --output_dir={folder}` fetches the "
            "weights of SepFormer"
        )


def _read_copy(folder):
    described, tensors = weights.load(folder)
    try:
        if described["model"] != "sepformer":
            raise ValueError(f"a model of the kind {described['model']}")
        config = from_json.build(SepformerConfig, described["config"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder}: no SepFormer: {error}") from None
    return config, {name: x.astype(np.float32) for name, x in tensors.items()}


def _sample_rate(path) -> int | None:
    """Hz that a file of hyperparameters names in a line of its own."""
    if not path.exists():
        return None
    text = path.read_text(encoding="utf-8", errors="replace")
    match = re.search(r"^sample_rate:\s*(\d+)\s*(#.*)?$", text, re.MULTILINE)
    return int(match[1]) if match and int(match[1]) else None


def _check(folder, tensors, config):
    expected = shapes(config)
    parameters = [name for name in expected if not name.endswith(TABLE)]
    problems = [f"{name} is missing" for name in parameters if name not in tensors]
    problems += [f"{name} is unexpected" for name in tensors if name not in expected]
    for name in expected.keys() & tensors.keys():
        tensor, shape = tensors[name], expected[name]
        if tensor.shape != shape:
            problems.append(f"{name} has shape {tensor.shape}, not {shape}")
        elif not np.all(np.isfinite(tensor)):
            problems.append(f"{name} holds NaN or infinity")
        elif name.endswith(TABLE) and not _is_table(tensor[0]):
            problems.append(f"{name} holds no sinusoidal positional encoding")
    if problems:
        rest = f", and {len(problems) - 4} more" if len(problems) > 4 else ""
        listed = "; ".join(sorted(problems)[:4])
        raise InputError(f"{folder}: not the weights of this SepFormer: {listed}{rest}")


def _is_table(table):
    # late positions differ by the rounding of their angles
    return np.allclose(table, positional_encoding(*table.shape), atol=2e-3)
