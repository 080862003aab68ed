"""Trained denoisers as small folders that anyone can read: numbers, settings, a card.

`weights.npz` holds 16-bit arrays named by their place in the pytree, `config.json` the
model's settings, the step and a SHA-256 of both; numpy alone opens them.
"""

import dataclasses
import functools
import hashlib
import json
import os
import pathlib
from typing import Any

import flax
import jax
import jax.numpy as jnp
import numpy as np

from inr_jax.configs.hyper_gain import HyperGainConfig
from inr_jax.configs.networks import MODELS, WEIGHTS, HyperSoundConfig
from inr_jax.errors import InputError
from inr_jax.io import atomic
from inr_jax.models.hyper_gain import HyperGain
from inr_jax.models.hypersound import HyperSound
from inr_jax.models.stft_mask import StftMaskNet

FORMAT = 1  # of the folder; rises when older versions would misread it
_MAX_BYTES = 2**30  # of the weights, unpacked: a few bytes could fill memory
_CONFIGS = {**MODELS, "hyper_gain": HyperGainConfig}


def build(config: Any, precision: str = "float32") -> flax.linen.Module:
    """The untrained model of these settings; `precision` is that of its products."""
    if isinstance(config, HyperGainConfig):
        return HyperGain(config)
    kind = HyperSound if isinstance(config, HyperSoundConfig) else StftMaskNet
    return kind(config, precision)


def _name(config):
    return next(name for name, kind in _CONFIGS.items() if kind is type(config))


def save(folder: str | os.PathLike, config: Any, params: Any, step: int) -> None:
    """Writes a model's weights, rounded to 16 bits, and its settings.

    Args:
      folder: Where to.
      config: Settings of one of `model_configs.MODELS`.
      params: As from the model's `init`.
      step: Of the training.
    """
    folder = pathlib.Path(folder)
    flat = flax.traverse_util.flatten_dict(params["params"], sep="/")
    arrays = {key: np.asarray(value, np.float16) for key, value in flat.items()}
    with (
        atomic.replacing(folder / WEIGHTS) as aside,
        open(aside, "wb") as file,
    ):
        np.savez_compressed(file, **arrays)
    described = {"format": FORMAT, "model": _name(config), "step": step}
    described["config"] = dataclasses.asdict(config)
    described["sha256"] = _digest(folder, described)
    atomic.write_json(folder / "config.json", described)


def load(folder: str | os.PathLike) -> tuple[flax.linen.Module, Any]:
    """The model of a folder and its weights, float32, for `model.apply(params, noisy)`.

    Read again only where its files are others than the last time.

    Raises:
      InputError: the folder does not hold such a model, or one of other shapes, of a
        later format, or changed since it was saved.
    """
    folder = pathlib.Path(folder)
    return _load(folder, _written(folder / "config.json"), _written(folder / WEIGHTS))


def _written(path):
    """What changes whenever a file is written."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


@functools.lru_cache(maxsize=8)
def _load(folder, *written):
    del written
    try:
        described = json.loads((folder / "config.json").read_text())
        if described.get("format") != FORMAT:
            raise ValueError(
                f"its format {described.get('format')!r} is not {FORMAT}, which this "
                "version of inr_jax reads"
            )
        model = _model(described)
        flat = _weights(folder)
        wrong = _misfits(flat, model)
        changed = _is_changed(folder, described)
    # a broken archive or broken settings can raise anything
    except Exception as error:  # noqa: BLE001
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{folder}: no trained model: {reason}") from None
    if wrong:
        listed = ", ".join(map(repr, wrong))
        raise InputError(f"{folder}: weights do not fit the config: {listed}")
    if changed:
        raise InputError(f"{folder}: changed since it was saved: not of its SHA-256")
    params = {"params": flax.traverse_util.unflatten_dict(flat, sep="/")}
    return model, jax.tree.map(jnp.asarray, params)


def _model(described):
    return build(_as_config(_CONFIGS[described["model"]], described["config"]))


def _as_config(kind, values):
    """A dataclass, and those in it, from what JSON made of them."""
    nested = {f.name: f.default_factory for f in dataclasses.fields(kind)}
    return kind(
        **{
            key: _as_config(nested[key], value)
            if isinstance(value, dict)
            else _as_tuple(value)
            for key, value in values.items()
        }
    )


def _as_tuple(value):
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value


def _weights(folder):
    with np.load(folder / WEIGHTS) as arrays:
        if sum(entry.file_size for entry in arrays.zip.infolist()) > _MAX_BYTES:
            raise ValueError(f"{WEIGHTS} unpacks to more than {_MAX_BYTES} bytes")
        return {key: arrays[key].astype(np.float32) for key in arrays.files}


def _misfits(flat, model):
    """Names of weights that are missing, unknown, of another shape or not finite."""
    noisy = jax.ShapeDtypeStruct(*_input(model.config))
    wanted = jax.eval_shape(model.init, jax.random.key(0), noisy)["params"]
    wanted = flax.traverse_util.flatten_dict(wanted, sep="/")
    return sorted(
        key
        for key in {*flat, *wanted}
        if key not in flat
        or key not in wanted
        or flat[key].shape != wanted[key].shape
        or not np.all(np.isfinite(flat[key]))
    )


def _input(config):
    """Shape and kind of an array that a model takes."""
    if isinstance(config, HyperGainConfig):
        return (4, config.field.num_cells * config.field.cell_bins), np.complex64
    return (getattr(config, "num_samples", 1024),), np.float32


def _is_changed(folder, described):
    """Whether weights or settings are others than were saved."""
    told = {key: value for key, value in described.items() if key != "sha256"}
    return described.get("sha256") != _digest(folder, told)


def _digest(folder, described):
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    digest.update((folder / WEIGHTS).read_bytes())
    return digest.hexdigest()
