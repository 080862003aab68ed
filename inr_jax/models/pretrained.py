"""Trained denoisers as small folders: weights of 16 bits, settings, a card.

Weights are named by their place in the pytree; `io.weights` says how they are kept.
"""

import dataclasses
import functools
import os
import pathlib
from typing import Any

import flax
import jax
import numpy as np

from inr_jax.configs import from_json
from inr_jax.configs.hyper_gain import HyperGainConfig
from inr_jax.configs.hyper_siren import HyperSirenConfig
from inr_jax.configs.hypernetwork import NETWORKS
from inr_jax.configs.hypersound import HyperSoundConfig
from inr_jax.configs.methods import SUCCESSORS
from inr_jax.errors import InputError
from inr_jax.io import weights
from inr_jax.models.hyper_gain import HyperGain
from inr_jax.models.hyper_siren import HyperSiren
from inr_jax.models.hypersound import HyperSound
from inr_jax.parallel import failures, precision

# Weights of this library: the causal ones are of HyperGain too.
_NAMES = ("hyper_gain", "hyper_gain_live", "hyper_siren")
# They fit their settings (tested); to check takes half a second.
_SHIPPED = {weights.trained_dir(name) for name in _NAMES}


_MODELS = {
    HyperGainConfig: HyperGain,
    HyperSirenConfig: HyperSiren,
    HyperSoundConfig: HyperSound,
}


def build(config: Any) -> flax.linen.Module:
    """The untrained model of these settings."""
    return _MODELS[type(config)](config)


def name_of(config: Any) -> str:
    """The name of the model that a config is of."""
    return next(name for name, kind in NETWORKS.items() if kind is type(config))


def save(folder: str | os.PathLike, config: Any, params: Any, step: int) -> None:
    """Writes a model's weights, rounded to 16 bits, and its settings.

    Args:
      folder: Where to.
      config: Settings of the model.
      params: As from the model's `init`.
      step: Of the training.
    """
    flat = flax.traverse_util.flatten_dict(params["params"], sep="/")
    described = {"model": name_of(config), "step": step}
    described["config"] = dataclasses.asdict(config)
    tensors = {name: np.asarray(x, np.float16) for name, x in flat.items()}
    weights.save(folder, tensors, described)


def load_pretrained(model: str | os.PathLike) -> tuple[flax.linen.Module, Any]:
    """A trained model and its weights, for `model.apply(params, noisy)`.

    Args:
      model: The name of a shipped one, or the folder of a training's weights; of both,
        the name: `./hyper_gain` is a folder.

    Raises:
      InputError: there is none.
    """
    if str(model) in _NAMES:
        return load(weights.trained_dir(str(model)))
    folder = pathlib.Path(model)
    if not folder.is_dir():
        known = ", ".join(_NAMES)
        raise InputError(f"{model}: no such folder, and no model of {known}")
    return load(folder)


def load(folder: str | os.PathLike) -> tuple[flax.linen.Module, Any]:
    """The model of a folder and its weights, float32, for `model.apply(params, noisy)`.

    Read again only where its files are others than the last time.

    Raises:
      InputError: neither the folder nor `model` in it holds such a model, or it is one of
        other shapes, of a later format, or changed since it was saved.
    """
    folder = weights.folder_of(folder)
    failures.require_device()  # else the error would name the weights
    return _load(folder, weights.stamp(folder))


@functools.lru_cache(maxsize=8)
@precision.in_32_bits
def _load(folder, stamp):
    del stamp
    described, tensors = weights.load(folder)
    try:
        model = _model(described)
        flat = {name: x.astype(np.float32) for name, x in tensors.items()}
        wrong = [] if folder in _SHIPPED else _misfits(flat, model)
    # broken settings can raise anything
    except Exception as error:  # noqa: BLE001
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{folder}: no trained model: {reason}") from None
    if wrong:
        listed = ", ".join(map(repr, wrong))
        raise InputError(f"{folder}: weights do not fit the config: {listed}")
    params = {"params": flax.traverse_util.unflatten_dict(flat, sep="/")}
    return model, jax.device_put(params)  # jnp.asarray compiles for each shape


def _model(described):
    name, config = described["model"], described["config"]
    if name in SUCCESSORS:
        raise ValueError(f"{name} was removed; use {SUCCESSORS[name]}")
    if config.get("target") == "harmonics":  # what version 0.1 shipped as hypersound
        raise ValueError("the mask network hypersound was removed; use hyper_siren")
    return build(from_json.build(NETWORKS[name], config))


def _misfits(flat, model):
    """Names of weights that are missing, unknown, of another shape or not finite."""
    inputs = jax.ShapeDtypeStruct(model.input_shape, np.float32)
    expected = jax.eval_shape(model.init, jax.random.key(0), inputs)["params"]
    expected = flax.traverse_util.flatten_dict(expected, sep="/")
    return sorted(
        key
        for key in {*flat, *expected}
        if key not in flat
        or key not in expected
        or flat[key].shape != expected[key].shape
        or not np.all(np.isfinite(flat[key]))
    )
