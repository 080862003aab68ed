"""Settings of every denoising method, one frozen dataclass each, free of jax.

A method with settings of its own is written `name:setting=value:...`, for example
`gain_field:num_fields=1` or `siren:siren.width=64:num_steps=200`.
"""

import dataclasses
from typing import Any, NamedTuple

from inr_jax.configs import overrides
from inr_jax.configs.fitting import (
    DnpConfig,
    FitConfig,
    GainFieldConfig,
    require_at_least_0,
    require_at_least_1,
    require_one_of,
    require_stoppable,
)
from inr_jax.errors import InputError

NOISE_ESTIMATORS = ("auto", "white", "stationary", "mmse_spp", "two_sided")
# Of methods by gains: each channel has its own, or all have one, which keeps the level
# and time differences between them.
CHANNELS = ("independent", "linked")
WINDOWS = ("sqrt_hann", "hann")
STOPPING_RULES = ("fixed", "discrepancy", "sure")


@dataclasses.dataclass(frozen=True)
class NoSettings:
    """Of methods that have none."""


@dataclasses.dataclass(frozen=True)
class ClassicalConfig:
    """Spectral filters: `wiener` and `log_mmse`.

    Attributes:
      noise_estimator: Of the noise PSD, a name of `inr_jax.dsp.noise_psd.ESTIMATORS`.
      channels: "independent", or "linked" by one gain for all.
    """

    noise_estimator: str = "auto"
    channels: str = "independent"

    def __post_init__(self):
        require_one_of(self, noise_estimator=NOISE_ESTIMATORS, channels=CHANNELS)


@dataclasses.dataclass(frozen=True)
class GainFieldMethod(GainFieldConfig):
    """The gain field with the estimator of its noise PSD.

    Attributes:
      noise_estimator: Of the noise PSD, a name of `inr_jax.dsp.noise_psd.ESTIMATORS`.
      channels: "independent", or "linked" by one gain for all.
    """

    noise_estimator: str = "auto"
    channels: str = "independent"

    def __post_init__(self):
        super().__post_init__()
        require_one_of(self, noise_estimator=NOISE_ESTIMATORS, channels=CHANNELS)


@dataclasses.dataclass(frozen=True)
class SirenMethod(FitConfig):
    """A SIREN fitted to the noisy clip, whose values are the estimate.

    Attributes:
      stop: "fixed", at the last step; "discrepancy" or "sure", by a rule of
        `inr_jax.fitting.early_stopping`.
    """

    stop: str = "fixed"

    def __post_init__(self):
        super().__post_init__()
        require_one_of(self, stop=STOPPING_RULES)
        if self.stop != "fixed":
            require_stoppable(self)

    @property
    def fit(self) -> FitConfig:
        """How the SIREN is fitted, whenever it stops."""
        names = [field.name for field in dataclasses.fields(FitConfig)]
        return FitConfig(**{name: getattr(self, name) for name in names})


@dataclasses.dataclass(frozen=True)
class HyperGainMethod:
    """HyperGain, which emits a gain field; `hyper_gain_live` is the causal one.

    Attributes:
      weights: Folder of a training's weights; the shipped ones where None.
      channels: "independent", or "linked" by one gain for all.
    """

    weights: str | None = None
    channels: str = "independent"

    def __post_init__(self):
        require_one_of(self, channels=CHANNELS)


@dataclasses.dataclass(frozen=True)
class TrainedMethod:
    """A network at a rate of its own that emits functions of time.

    Attributes:
      weights: Folder of a training's weights; the shipped ones where None.
      output_rate: Hz of the output, a multiple of the network's rate, at which its
        functions are evaluated; the rate of the input where None.
    """

    weights: str | None = None
    output_rate: int | None = None

    def __post_init__(self):
        if self.output_rate is not None:
            require_at_least_1(self, "output_rate")


@dataclasses.dataclass(frozen=True)
class HyperSoundMethod(TrainedMethod):
    """HyperSound, which emits the weights of one target network for a clip.

    Attributes:
      finetune_steps: Steps of a fit to the noisy clip that starts from these weights.
    """

    finetune_steps: int = 0

    def __post_init__(self):
        super().__post_init__()
        require_at_least_0(self, "finetune_steps")


@dataclasses.dataclass(frozen=True)
class SepformerMethod:
    """SepFormer.

    Attributes:
      weights: Folder of SpeechBrain's weights, or of a copy of ours.
    """

    weights: str | None = None


@dataclasses.dataclass(frozen=True)
class OnnxMethod:
    """A streaming network of an ONNX file, see `inr_jax.enhancement.streaming_onnx`.

    Attributes:
      path: The file.
      rate: Hz that it was trained at; what the file says, or 16,000, where None.
      window: Of the STFT, where the network takes spectra: "sqrt_hann" or "hann".
      delay: Samples by which its estimates are late, beyond those of the STFT; what the
        file says, or 0, where None.
    """

    path: str | None = None
    rate: int | None = None
    window: str = "sqrt_hann"
    delay: int | None = None

    def __post_init__(self):
        require_one_of(self, window=WINDOWS)
        if self.rate is not None:
            require_at_least_1(self, "rate")
        if self.delay is not None:
            require_at_least_0(self, "delay")


DEFAULT = "hyper_gain"
# Methods that were removed, and those to use instead.
SUCCESSORS = {"local_hypersound": "hyper_gain"}
METHODS: dict[str, Any] = {
    "noisy": NoSettings(),
    "silence": NoSettings(),
    "lowpass": NoSettings(),
    "wiener": ClassicalConfig(),
    "log_mmse": ClassicalConfig(),
    "siren": SirenMethod(),
    "gain_field": GainFieldMethod(),
    "dnp": DnpConfig(),
    "hyper_gain": HyperGainMethod(),
    "hyper_gain_live": HyperGainMethod(),
    "hyper_siren": TrainedMethod(),
    "hypersound": HyperSoundMethod(),
    "sepformer": SepformerMethod(),
    "rnnoise": NoSettings(),
    "deepfilternet3": NoSettings(),
    "nsnet2": NoSettings(),
    "onnx": OnnxMethod(),
    "noisereduce": NoSettings(),
    "noisereduce_stationary": NoSettings(),
}


class Method(NamedTuple):
    """A method and its settings, named by the text that it was parsed from."""

    label: str
    name: str
    config: Any


def parse(text: str) -> Method:
    """The method that `name:setting=value:...` describes.

    Raises:
      InputError: there is no such method or setting, or a value is of another kind.
    """
    name, settings = split(text)
    return Method(text, name, with_settings(name, settings))


def split(text: str) -> tuple[str, list[str]]:
    """The name of a method and its settings; values, such as paths, may have colons."""
    name, *parts = text.split(":")
    settings: list[str] = []
    for part in parts:
        if "=" in part or not settings:
            settings.append(part)
        else:
            settings[-1] += f":{part}"
    return name, settings


def with_settings(name: str, settings: list[str]) -> Any:
    """The settings of a method, its defaults changed by texts "setting=value".

    Raises:
      InputError: there is no such method or setting, or a value is of another kind.
    """
    default = _default(name)
    try:
        return overrides.apply(default, settings)
    except ValueError as error:
        raise InputError(f"{name}: {error}") from None


def replace(name: str, **settings: Any) -> Any:
    """The settings of a method, its defaults changed.

    Raises:
      InputError: there is no such method or setting, or a value makes no sense.
    """
    default = _default(name)
    known = [field.name for field in dataclasses.fields(default)]
    for setting in settings:
        if setting not in known:
            listed = ", ".join(known) or "none"
            raise InputError(f"{name} has no setting {setting!r}; it has: {listed}")
    try:
        overrides.check(default, settings)
        return dataclasses.replace(default, **settings)
    except ValueError as error:
        raise InputError(f"{name}: {error}") from None


def _default(name):
    if name in SUCCESSORS:
        raise InputError(f"{name} was removed; use {SUCCESSORS[name]}")
    if name not in METHODS:
        raise InputError(f"method must be one of {', '.join(METHODS)}, got {name!r}")
    return METHODS[name]
