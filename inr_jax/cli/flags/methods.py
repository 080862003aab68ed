"""Flags that set what several methods have in common."""

import dataclasses
import pathlib

from absl import flags

from inr_jax.configs import methods
from inr_jax.configs.fitting import DnpConfig
from inr_jax.errors import InputError

WEIGHTS = flags.DEFINE_string(
    "weights",
    None,
    "Folder of trained weights, or of the training, instead of the shipped ones.",
)
flags.DEFINE_alias("checkpoint", WEIGHTS.name)  # its former name
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
    "and gain_field; auto is white in white noise, else two_sided.",
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
    "hyper_gain": {"weights": WEIGHTS},
    "hyper_gain_live": {"weights": WEIGHTS},
    "hyper_siren": {"weights": WEIGHTS},
    "hypersound": {"weights": WEIGHTS},
    "sepformer": {"weights": SEPFORMER_DIR},
    "dnp": {"num_steps": DNP_NUM_STEPS},
}


def described(method: methods.Method) -> dict:
    """All that the estimates of a method depend on, as `config.json` records it.

    Of a trained method that is also the SHA-256 of its weights or of its ONNX file.
    """
    from inr_jax.io import atomic, weights

    settings = {"method": method.name, **dataclasses.asdict(method.config)}
    if "weights" in settings:
        folder = weights.trained_dir(method.name, method.config.weights)
        # it holds the SHA-256 of the weights
        path = weights.folder_of(folder) / weights.CONFIG
    elif settings.get("path"):
        path = pathlib.Path(method.config.path)
    else:
        return settings
    digest = atomic.sha256(path) if path.is_file() else None
    return {**settings, "weights_sha256": digest}


def parse_one(text: str) -> methods.Method:
    """As `parse`, for a command with one method: no flag may be for nothing.

    Raises:
      InputError: as `parse`, or a flag is given that the method has no setting for.
    """
    method = parse(text)
    known = {field.name for field in dataclasses.fields(method.config)}
    own = {name: flag.name for name, flag in _OWN.get(method.name, {}).items()}
    usable = {flag.name for name, flag in _SHARED.items() if name in known}
    for flag in (WEIGHTS, SEPFORMER_DIR, DNP_NUM_STEPS, *_SHARED.values()):
        if flag.present and flag.name not in {*own.values(), *usable}:
            raise InputError(f"--{flag.name} is not for {method.name}")
    return method


def parse(text: str) -> methods.Method:
    """A method with its settings, from `name:setting=value:...` and from flags.

    Settings in the text take precedence over flags; flags do not concern methods without
    the setting.

    Args:
      text: As for `inr_jax.configs.methods.parse`.

    Raises:
      InputError: there is no such method or setting, or a value is of another kind.
    """
    method = methods.parse(text)
    in_text = {part.split("=")[0] for part in methods.split(text)[1]}
    known = {field.name for field in dataclasses.fields(method.config)}
    given = {name: flag.value for name, flag in _SHARED.items()}
    given |= {name: flag.value for name, flag in _OWN.get(method.name, {}).items()}
    changes = {
        name: value
        for name, value in given.items()
        if name in known and name not in in_text and value is not None
    }
    return method._replace(config=dataclasses.replace(method.config, **changes))
