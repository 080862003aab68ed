"""How denoisers are trained, and on what: frozen, hashable, free of jax."""

import dataclasses

from inr_jax.configs.fitting import (
    LossWeights,
    require_at_least_1,
    require_one_of,
    require_range,
)

TRAINING_SCHEDULES = ("constant", "one_cycle", "cosine")
PRECISIONS = ("float32", "bfloat16")


@dataclasses.dataclass(frozen=True)
class MixingConfig:
    """How noisy examples are made from clean speech and recorded noise.

    Attributes:
      sample_rate: Hz.
      num_samples: Samples of an example.
      snr_range_db: Least and largest ratio, drawn evenly.
      level_range_db: Least and largest peak of the noisy example over full scale, in dB.
      white: Share of examples in white noise alone.
      coloured: Share in white noise with a smooth random spectrum.
      recorded: Share in recorded noise.
      babble: Share in several voices at once.
      clean: Share without noise; the five shares sum to 1.
      rumble: Share of the noisy ones that are joined by rumble below 60 Hz.
      band_limit_hz: What speech of band-limited folders and its noise end at.
    """

    sample_rate: int = 16_000
    num_samples: int = 32_768
    snr_range_db: tuple[float, float] = (-5.0, 20.0)
    level_range_db: tuple[float, float] = (-40.0, 0.0)
    white: float = 0.4
    coloured: float = 0.15
    recorded: float = 0.3
    babble: float = 0.1
    clean: float = 0.05
    rumble: float = 0.2
    band_limit_hz: float = 6000.0

    def __post_init__(self):
        require_at_least_1(self, "num_samples")
        require_range(self, "snr_range_db", "level_range_db")
        noisy = self.white + self.coloured + self.recorded + self.babble
        total = noisy + self.clean
        if abs(total - 1) > 1e-6:
            raise ValueError(f"shares of noise must sum to 1, got {total:g}")


# Power-law compressed spectra, and the negative SNR, in which all clips count alike.
DENOISING_LOSS = LossWeights(mse=0.0, compressed=100.0, snr=1.0)


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How a denoiser is trained, by AdamW.

    Attributes:
      loss: On examples divided by the peak of their noisy side.
      batch_size: Examples of a step.
      num_steps: Steps of the schedule.
      learning_rate: Its largest value.
      schedule: "constant", "one_cycle" or "cosine" with `warmup_steps`.
      warmup_steps: Of "constant" and "cosine".
      weight_decay: Of AdamW.
      max_gradient_norm: Gradients are scaled down to it.
      ema_decay: Of the running mean of the weights, which is what denoises.
      precision: "float32", or "bfloat16" for the products of the hypernetwork.
    """

    loss: LossWeights = DENOISING_LOSS
    batch_size: int = 16
    num_steps: int = 10_000
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    warmup_steps: int = 200
    weight_decay: float = 0.01
    max_gradient_norm: float = 1.0
    ema_decay: float = 0.999
    precision: str = "float32"

    def __post_init__(self):
        require_one_of(self, schedule=TRAINING_SCHEDULES, precision=PRECISIONS)
        require_at_least_1(self, "batch_size", "num_steps")
        if self.warmup_steps >= self.num_steps:
            raise ValueError(
                f"warmup_steps {self.warmup_steps} must be below "
                f"num_steps {self.num_steps}"
            )
