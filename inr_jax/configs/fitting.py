"""Settings of networks and fits: frozen, hashable, free of jax.

They are the static arguments of `jit` and what a run writes into its `config.json`.
The defaults are the published ones (Sitzmann et al. 2020, arXiv 2006.09661, and its
public audio notebook).
"""

import dataclasses
import math

COORDINATES = ("unit", "seconds")
SCHEDULES = ("constant", "cosine")
MASKS = ("wiener", "lsa")
POINTWISE_LOSSES = {"mse", "l1", "smooth_l1"}

# First-layer bandwidth under the rule "seconds", as a share of the Nyquist frequency:
# 160 Hz at 16 kHz, what the published factor gives a clip of 6 seconds.
SECONDS_BANDWIDTH = 1 / 50
# Steps from one look of early stopping to the next.
STEPS_PER_LOOK = 25


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def require_one_of(config, **known: tuple[str, ...]) -> None:
    """Refuses a config whose settings of these names are not among the known ones.

    Raises:
      ValueError: names the setting and what is known.
    """
    for name, values in known.items():
        value = getattr(config, name)
        _require(
            value in values, f"{name} must be one of {', '.join(values)}, got {value!r}"
        )


def require_at_least_1(config, *names: str) -> None:
    """Refuses a config where a setting of these names, one number or several, is below 1.

    Raises:
      ValueError: names the setting.
    """
    for name in names:
        value = getattr(config, name)
        if isinstance(value, tuple):
            must = "must be one or more numbers of at least 1"
            _require(bool(value) and min(value) >= 1, f"{name} {must}, got {value}")
        else:
            _require(value >= 1, f"{name} must be at least 1, got {value}")


def require_positive(config, *names: str) -> None:
    """Refuses a config where a setting of these names is not above 0 and finite.

    Raises:
      ValueError: names the setting.
    """
    _require_each(config, names, _positive, "positive")


def require_at_least_0(config, *names: str) -> None:
    """Refuses a config where a setting of these names is below 0 or not finite.

    Raises:
      ValueError: names the setting.
    """
    _require_each(config, names, lambda x: math.isfinite(x) and x >= 0, "at least 0")


def require_range(config, *names: str) -> None:
    """Refuses a config where a setting of these names is not (minimum, maximum).

    Raises:
      ValueError: names the setting.
    """
    _require_each(
        config,
        names,
        lambda x: len(x) == 2 and -math.inf < x[0] <= x[1] < math.inf,
        "two numbers, minimum and maximum",
    )


def _require_each(config, names, holds, must) -> None:
    for name in names:
        value = getattr(config, name)
        _require(holds(value), f"{name} must be {must}, got {value}")


def _positive(value) -> bool:
    """Of numbers; those that jax traces, as in a sweep under vmap, pass unseen."""
    return not isinstance(value, int | float) or math.isfinite(value) and value > 0


@dataclasses.dataclass(frozen=True)
class SirenConfig:
    """Shape and frequencies of one SIREN of one coordinate.

    Attributes:
      width: Units of every sine layer.
      depth: Hidden sine layers, after the first sine layer and before the linear one.
      first_omega: Factor inside the first sine, in rad per unit of the coordinate. A
        fit also takes None, which chooses it by the coordinates: 3000 for "unit", 1/50
        of the Nyquist frequency for "seconds"; see `FitConfig.siren_at`.
      hidden_omega: Factor inside the other sines.
    """

    width: int = 256
    depth: int = 3
    first_omega: float | None = 3000.0
    hidden_omega: float = 30.0

    def __post_init__(self):
        _require(self.width >= 1, f"width must be at least 1, got {self.width}")
        _require(self.depth >= 0, f"depth must be at least 0, got {self.depth}")
        require_positive(self, "hidden_omega")
        if self.first_omega is not None:
            require_positive(self, "first_omega")


@dataclasses.dataclass(frozen=True)
class LossWeights:
    """Weight of each term of a waveform loss; see `inr_jax.losses` for the terms.

    Attributes:
      mse: Weight of the mean squared error.
      l1: Weight of the mean absolute error.
      smooth_l1: Weight of the mean smooth L1 (Huber) loss.
      stft: Weight of the multi-resolution STFT loss.
      mel: Weight of the multi-resolution mel loss.
      compressed: Weight of the squared error of power-law compressed spectra.
      snr: Weight of the negative SNR, in units of 10 dB.
      segmental: Weight of the negative segmental SNR, in units of 10 dB.
      disturbance: Weight of PMSQE, modelled on the disturbance of PESQ.
      stoi: Weight of 1 - STOI.
    """

    mse: float = 1.0
    l1: float = 0.0
    smooth_l1: float = 0.0
    stft: float = 0.0
    mel: float = 0.0
    compressed: float = 0.0
    snr: float = 0.0
    segmental: float = 0.0
    disturbance: float = 0.0
    stoi: float = 0.0

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            _require(
                math.isfinite(value) and value >= 0,
                f"loss weight {field.name} must be at least 0, got {value}",
            )
        _require(
            any(dataclasses.astuple(self)), "at least one loss weight must be above 0"
        )

    @property
    def spectral(self) -> bool:
        """Whether a term needs the whole signal rather than single samples."""
        weights = dataclasses.asdict(self)
        return any(weights[name] for name in weights.keys() - POINTWISE_LOSSES)


@dataclasses.dataclass(frozen=True)
class FitConfig:
    """How SIRENs are fitted to signals, by Adam.

    Attributes:
      siren: The network.
      loss: Weights of the loss terms.
      coordinates: "unit" maps the clip to [-1, 1], whatever its length, as published;
        "seconds" measures time in seconds, so that the bandwidth of the first layer
        does not shrink as clips grow.
      learning_rate: Step size of Adam, at the first step.
      schedule: "constant" as published, or "cosine" down to 0 at the last step.
      num_steps: Full-batch steps.
      segment_s: Seconds of the overlapping segments that each have a SIREN of their
        own; None fits one SIREN to the whole clip, as published.
    """

    siren: SirenConfig = SirenConfig()
    loss: LossWeights = LossWeights()
    coordinates: str = "unit"
    learning_rate: float = 1e-4
    schedule: str = "constant"
    num_steps: int = 1000
    segment_s: float | None = None

    def __post_init__(self):
        require_one_of(self, coordinates=COORDINATES, schedule=SCHEDULES)
        require_positive(self, "learning_rate")
        if self.segment_s is not None:
            require_positive(self, "segment_s")
        require_at_least_1(self, "num_steps")

    def siren_at(self, sample_rate: int) -> SirenConfig:
        """The network, its first factor chosen by the coordinate rule where it is None.

        "unit": 3000 per half clip as published, i.e. 955/T Hz for a clip of T seconds.
        "seconds": `SECONDS_BANDWIDTH` of the Nyquist frequency, whatever the length.
        """
        if self.siren.first_omega is not None:
            return self.siren
        omega = SirenConfig.first_omega
        if self.coordinates == "seconds":
            omega = math.pi * sample_rate * SECONDS_BANDWIDTH
        return dataclasses.replace(self.siren, first_omega=omega)


def require_stoppable(config: FitConfig) -> None:
    """Refuses a fit that early stopping cannot watch.

    Raises:
      ValueError: it is of segments, or its last step is not one of a look.
    """
    _require(
        config.segment_s is None,
        "early stopping is of whole clips; segment_s must be None",
    )
    _require(
        config.num_steps % STEPS_PER_LOOK == 0,
        f"early stopping looks every {STEPS_PER_LOOK} steps; num_steps must be a "
        f"multiple, got {config.num_steps}",
    )


@dataclasses.dataclass(frozen=True)
class GainFieldConfig:
    """How `inr_jax.enhancement.gain_field` fits gains to one noisy clip.

    The PSD of other noise is not known as well as that of white noise: fewer steps follow
    a wrong one less, and the estimator of log amplitudes does less harm to speech. What
    is None therefore depends on the noise of the clip, see `for_noise`.

    Attributes:
      siren: Each network of the ensemble; its frequencies are per unit of the inputs.
      num_fields: Networks of the ensemble.
      num_steps: Steps of Adam, its rate falling to 0 on a cosine; None for 300 in white
        noise and 200 in other noise.
      num_bins: Time-frequency bins that a step draws.
      learning_rate: At the first step.
      frequency_scale: Input for a kHz.
      time_scale: Input for a second.
      context_scale: Input for a factor of ten in the power of a bin nearby.
      log_amplitude: Whether the gains are those of the log-spectral amplitude (Ephraim
        and Malah 1985), with the geometric mean of the field's prior SNR and the
        decision-directed one; None for in noise that is not white.
      exponent: Of the field's gains, without effect where `log_amplitude` is on: above 1
        removes more noise than the least squared error would, which listeners prefer.
      floor: Smallest gain, also without effect there.
      divergence: Whether the risk is unbiased; otherwise a term is missing.
    """

    siren: SirenConfig = SirenConfig(64, 1, first_omega=1.0, hidden_omega=10.0)
    num_fields: int = 2
    num_steps: int | None = None
    num_bins: int = 4096
    learning_rate: float = 2e-3
    frequency_scale: float = 1.5
    time_scale: float = 15.0
    context_scale: float = 0.3
    log_amplitude: bool | None = None
    exponent: float = 1.2
    floor: float = 0.015
    divergence: bool = True

    def __post_init__(self):
        for field in dataclasses.fields(GainFieldConfig)[1:-1]:
            value = getattr(self, field.name)
            _require(
                isinstance(value, bool) or _positive(value),
                f"{field.name} must be positive, got {value}",
            )
        _require(self.floor <= 1, f"floor must be at most 1, got {self.floor}")
        _require(
            self.siren.first_omega is not None, "siren.first_omega must be a number"
        )

    def for_noise(self, is_white: bool) -> "GainFieldConfig":
        """The same, with values for what depends on the noise of a clip."""
        log_amplitude = self.log_amplitude
        return dataclasses.replace(
            self,
            num_steps=self.num_steps or (300 if is_white else 200),
            log_amplitude=not is_white if log_amplitude is None else log_amplitude,
        )


@dataclasses.dataclass(frozen=True)
class DnpConfig:
    """How DNP fits its U-Net to one noisy clip; published values.

    Attributes:
      num_levels: Of the U-Net, at most 20; each halves the rate.
      num_filters: Of the first level, at most 4096.
      learning_rate: Of Adam.
      num_steps: Full-batch steps.
      mask: "wiener" or "lsa", what the score becomes.
    """

    num_levels: int = 6
    num_filters: int = 60
    learning_rate: float = 1e-3
    num_steps: int = 5000
    mask: str = "lsa"

    def __post_init__(self):
        require_one_of(self, mask=MASKS)
        require_positive(self, "learning_rate")
        require_at_least_1(self, "num_levels", "num_filters", "num_steps")
        # XLA ends the process where a kernel is too large for its counters
        _require_each(self, ["num_levels"], lambda x: x <= 20, "at most 20")
        _require_each(self, ["num_filters"], lambda x: x <= 4096, "at most 4096")


# experiments/configs/siren_fast.flags: small networks over segments, found on clean
# speech: 2 or 0 hidden layers, 48 ms, other Adam decays were slower to the same SNR.
FAST = FitConfig(
    SirenConfig(width=16, depth=1, first_omega=100.0),
    learning_rate=7e-3,
    schedule="cosine",
    num_steps=150,
    segment_s=0.032,
)
