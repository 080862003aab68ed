"""Settings of the training of hypernetworks: frozen, hashable, free of jax."""

import dataclasses

from inr_jax.configs.augment import AugmentConfig
from inr_jax.configs.fitting import (
    LossWeights,
    require_at_least_0,
    require_at_least_1,
    require_one_of,
    require_positive,
)
from inr_jax.configs.hyper_gain import HyperGainConfig
from inr_jax.configs.hyper_siren import HyperSirenConfig
from inr_jax.configs.hypersound import HyperSoundConfig

NetworkConfig = HyperGainConfig | HyperSirenConfig | HyperSoundConfig
NETWORKS: dict[str, type[NetworkConfig]] = {
    "hyper_gain": HyperGainConfig,
    "hyper_siren": HyperSirenConfig,
    "hypersound": HyperSoundConfig,
}

# Power-law compressed spectra, negative SNR of the clip and of its segments, PMSQE, STOI.
DENOISING_LOSS = LossWeights(
    mse=0.0, compressed=100.0, snr=3.0, segmental=2.0, disturbance=3.0, stoi=40.0
)


@dataclasses.dataclass(frozen=True)
class HypernetworkTraining:
    """How a hypernetwork is trained.

    The rate rises, stays, and falls over the last steps, so that a training can be made
    longer while it runs (Hu et al. 2024, arXiv 2404.06395).

    Attributes:
      optimizer: "muon" for kernels, with Adam for the rest; "adamw" for all; or
        "one_cycle", AdamW by the schedule of that name (Smith 2018), which knows its
        last step from the first on and no `warmup_steps` and `decay_steps`.
      loss: On examples divided by the peak of their noisy side.
      batch_size: Examples of a step, over all devices.
      num_steps: Steps in all.
      warmup_steps: In which the rate rises.
      decay_steps: The last ones, in which it falls to 0.
      muon_rate: Rate of Muon (Jordan 2024), for kernels as matrices.
      adam_rate: Rate of Adam, for all else; the largest one of "one_cycle".
      weight_decay: Of Muon or of AdamW.
      max_gradient_norm: Gradients are scaled down to it.
      ema_decay: Of the running mean of the weights, which is validated and saved.
      trained: "all", or "highs" for the bands above the cells of a gain field alone, whose
        loss is that of the signal above the cells.
    """

    optimizer: str = "muon"
    loss: LossWeights = DENOISING_LOSS
    batch_size: int = 16
    num_steps: int = 35_000
    warmup_steps: int = 200
    decay_steps: int = 5_000
    muon_rate: float = 2.4e-2
    adam_rate: float = 2e-3
    weight_decay: float = 0.01
    max_gradient_norm: float = 1.0
    ema_decay: float = 0.999
    trained: str = "all"

    def __post_init__(self):
        require_at_least_1(self, "batch_size", "num_steps")
        require_positive(self, "muon_rate", "adam_rate", "max_gradient_norm")
        require_at_least_0(self, "warmup_steps", "decay_steps", "weight_decay")
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay must be from 0 to 1, got {self.ema_decay}")
        require_one_of(
            self, optimizer=("muon", "adamw", "one_cycle"), trained=("all", "highs")
        )
        if self.warmup_steps + self.decay_steps > self.num_steps:
            raise ValueError("warmup_steps and decay_steps exceed num_steps")


@dataclasses.dataclass(frozen=True)
class Settings:
    """All that a training depends on besides its data; `model` is one of `NETWORKS`."""

    model: NetworkConfig = dataclasses.field(default_factory=HyperGainConfig)
    mixing: AugmentConfig = dataclasses.field(default_factory=AugmentConfig)
    training: HypernetworkTraining = dataclasses.field(
        default_factory=HypernetworkTraining
    )


# As HyperSound's released code runs: its one-cycle schedule advances once an epoch, which
# leaves the rate where it begins. The loss is the paper's; the code has l1 and mel.
_HYPERSOUND = HypernetworkTraining(
    optimizer="adamw",
    loss=LossWeights(mse=0.0, smooth_l1=1.0, stft=1.0),
    num_steps=1_562_500,
    warmup_steps=0,
    decay_steps=0,
    adam_rate=1e-4,
    max_gradient_norm=1e9,
    ema_decay=0.0,
)


def default_settings(network: str) -> Settings:
    """Default training settings of a network of `NETWORKS`."""
    model = NETWORKS[network]()
    if network == "hypersound":
        return Settings(model, training=_HYPERSOUND)
    return Settings(model)
