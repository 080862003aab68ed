"""Flags that say which network is trained, on what and how."""

import dataclasses
from typing import Any

from absl import flags

from inr_jax.cli import app
from inr_jax.configs import networks
from inr_jax.configs.fitting import LossWeights
from inr_jax.configs.training import DENOISING_LOSS, MixingConfig, TrainingConfig
from inr_jax.errors import InputError


def _define(config_class, skip=()) -> dict[str, flags.FlagHolder]:
    """A flag for each number, name or pair of numbers of a frozen config."""
    kinds = {
        bool: flags.DEFINE_bool,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        str: flags.DEFINE_string,
        tuple: flags.DEFINE_list,
    }
    return {
        f.name: kinds[type(f.default)](
            f.name,
            [str(x) for x in f.default] if type(f.default) is tuple else f.default,
            f"{config_class.__name__}.",
        )
        for f in dataclasses.fields(config_class)
        if f.name not in skip and type(f.default) in kinds
    }


MODEL = flags.DEFINE_enum(
    "model", "local_hypersound", list(networks.MODELS), "What is trained."
)
MODEL_SETTINGS = flags.DEFINE_multi_string(
    "set", [], "A setting of the model as name=value, a value list as 1,2,4."
)
MIXING = _define(MixingConfig, skip=("sample_rate",))
TRAINING = _define(TrainingConfig)
LOSSES = {
    field.name: flags.DEFINE_float(
        f"{field.name}_weight",
        getattr(DENOISING_LOSS, field.name),
        f"Weight of the {field.name} loss.",
    )
    for field in dataclasses.fields(LossWeights)
}


def configs() -> tuple[Any, MixingConfig, TrainingConfig]:
    """Settings of the model, of the examples and of the training.

    Raises:
      InputError: they make no sense.
    """
    try:
        model = networks.parse(MODEL.value, MODEL_SETTINGS.value)
        mixing = MixingConfig(
            sample_rate=model.sample_rate,
            **{
                name: tuple(app.parse_numbers(f, minimum=-1e9))
                if isinstance(f.value, list)
                else f.value
                for name, f in MIXING.items()
            },
        )
        loss = LossWeights(**{n: flag.value for n, flag in LOSSES.items()})
        training = TrainingConfig(
            loss, **{name: flag.value for name, flag in TRAINING.items()}
        )
    except ValueError as error:
        raise InputError(str(error)) from None
    wanted = getattr(model, "num_samples", mixing.num_samples)
    if mixing.num_samples != wanted:
        raise InputError(
            f"--num_samples {mixing.num_samples} must be the model's, --set=num_samples="
            f"{wanted}"
        )
    return model, mixing, training
