"""Trained denoisers as small folders that anyone can read: numbers, settings, a card.

`weights.npz` holds 16-bit arrays named by their place in the pytree, `config.json` the
model's settings and the step; numpy alone opens them.
"""

import dataclasses
import functools
import json
import os
import pathlib
from typing import Any

import flax
import jax
import jax.numpy as jnp
import numpy as np

from inr_jax import files
from inr_jax.errors import InputError
from inr_jax.hypersound import HyperSound
from inr_jax.local_hypersound import LocalHyperSound
from inr_jax.model_configs import MODELS, WEIGHTS

_MODULES = {"local_hypersound": LocalHyperSound, "hypersound": HyperSound}


def build(config: Any, precision: str = "float32") -> flax.linen.Module:
    """The untrained model of these settings; `precision` is that of its products."""
    return _MODULES[_name(config)](config, precision)


def _name(config):
    return next(name for name, kind in MODELS.items() if kind is type(config))


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
        files.replacing(folder / WEIGHTS) as aside,
        open(aside, "wb") as file,
    ):
        np.savez_compressed(file, **arrays)
    files.write_json(
        folder / "config.json",
        {"model": _name(config), "step": step, "config": dataclasses.asdict(config)},
    )


@functools.cache
def load(folder: str | os.PathLike) -> tuple[flax.linen.Module, Any]:
    """The model of a folder and its weights, float32, for `model.apply(params, noisy)`.

    Raises:
      InputError: the folder does not hold such a model, or one of other shapes.
    """
    folder = pathlib.Path(folder)
    try:
        described = json.loads((folder / "config.json").read_text())
        config_class = MODELS[described["model"]]
        config = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in described["config"].items()
        }
        model = build(config_class(**config))
        with np.load(folder / WEIGHTS) as arrays:
            flat = {key: arrays[key].astype(np.float32) for key in arrays.files}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder}: no trained model: {error}") from None
    params = {"params": flax.traverse_util.unflatten_dict(flat, sep="/")}
    _check(folder, params, model)
    return model, jax.tree.map(jnp.asarray, params)


def _check(folder, params, model):
    count = getattr(model.config, "num_samples", 1024)
    wanted = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros(count))
    shapes = [
        {k: v.shape for k, v in flax.traverse_util.flatten_dict(x, sep="/").items()}
        for x in (params, wanted)
    ]
    wrong = sorted(
        key
        for key in {*shapes[0], *shapes[1]}
        if shapes[0].get(key) != shapes[1].get(key)
    )
    if wrong:
        raise InputError(f"{folder}: weights do not fit the config: {', '.join(wrong)}")
