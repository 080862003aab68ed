"""Flags that set what several methods have in common."""

import dataclasses

from absl import flags

from inr_jax.configs import methods
from inr_jax.configs.fitting import DnpConfig
from inr_jax.errors import InputError

CHECKPOINT = flags.DEFINE_string(
    "checkpoint", None, "Folder of a trained model instead of the shipped one."
)
FINETUNE_STEPS = flags.DEFINE_integer(
    "finetune_steps", 0, "Steps of fits that start from hypersound's weights.", 0
)
SEPFORMER_DIR = flags.DEFINE_string(
    "sepformer_dir",
    None,
    "Folder with the weights of sepformer; see inr-jax download.",
)
DNP_NUM_STEPS = flags.DEFINE_integer(
    "dnp_num_steps", DnpConfig.num_steps, "Steps of dnp; as published.", 1
)


class _NoiseEstimator(flags.EnumParser):
    """Its names, and that which `mmse_spp` had before."""

    def parse(self, argument: str) -> str:
        return super().parse("mmse_spp" if argument == "tracked" else argument)


NOISE_ESTIMATOR = flags.DEFINE(
    _NoiseEstimator(methods.NOISE_ESTIMATORS),
    "noise_estimator",
    "auto",
    f"<{'|'.join(methods.NOISE_ESTIMATORS)}>: Noise PSD estimator of wiener, log_mmse "
    "and gain_field; auto is white in white noise, else mmse_spp.",
)
CHANNELS = flags.DEFINE_enum(
    "channels",
    "independent",
    methods.CHANNELS,
    "Whether each channel has a gain of its own, or all have one, which keeps the level "
    "and time differences between them.",
)
# Setting and flag, for the methods that have the setting.
_SHARED = {
    "finetune_steps": FINETUNE_STEPS,
    "noise_estimator": NOISE_ESTIMATOR,
    "channels": CHANNELS,
}
_OWN = {
    "hyper_gain": {"weights": CHECKPOINT},
    "local_hypersound": {"weights": CHECKPOINT},
    "hypersound": {"weights": CHECKPOINT},
    "sepformer": {"weights": SEPFORMER_DIR},
    "dnp": {"num_steps": DNP_NUM_STEPS},
}


def parse(text: str) -> methods.Method:
    """A method with its settings, from `name:setting=value:...` and from flags.

    What stands in the text goes before a flag; flags do not concern methods without
    the setting.

    Args:
      text: As for `inr_jax.configs.methods.parse`.

    Raises:
      InputError: there is no such method or setting, or a value is of another kind.
    """
    method = methods.parse(text)
    in_text = {part.split("=")[0] for part in text.split(":")[1:]}
    known = {field.name for field in dataclasses.fields(method.config)}
    if CHANNELS.value == "linked" and "channels" not in known:
        raise InputError(f"{method.name} has no gain that could link channels")
    given = {name: flag.value for name, flag in _SHARED.items()}
    given |= {name: flag.value for name, flag in _OWN.get(method.name, {}).items()}
    changes = {
        name: value
        for name, value in given.items()
        if name in known and name not in in_text and value is not None
    }
    return method._replace(config=dataclasses.replace(method.config, **changes))
