"""Settings of trained denoisers and their training: frozen, hashable, free of jax."""

import dataclasses

from inr_jax.configs import LossWeights

TRAINING_SCHEDULES = ("constant", "one_cycle", "cosine")
PRECISIONS = ("float32", "bfloat16")


@dataclasses.dataclass(frozen=True)
class LocalConfig:
    """Local HyperSound: a small SIREN of local time for each frame of the signal.

    Attributes:
      sample_rate: Hz of what the hypernetwork hears; other rates are resampled.
      window: Samples that one target network spans; frames are half of it apart.
      channels: Width of the hypernetwork.
      expansion: Hidden units of each block over `channels`.
      kernel: Frames that each block mixes, odd.
      dilations: Frames between those, for each block.
      causal: Whether blocks look back only.
    """

    sample_rate: int = 16_000
    window: int = 512
    channels: int = 256
    expansion: int = 2
    kernel: int = 5
    dilations: tuple[int, ...] = (1, 2, 4, 8, 1, 2, 4, 8)
    causal: bool = False

    def __post_init__(self):
        if self.window % 2 or self.kernel % 2 == 0:
            raise ValueError("window must be even and kernel odd")

    @property
    def hop(self) -> int:
        """Samples from frame to frame."""
        return self.window // 2

    @property
    def reach(self) -> tuple[int, int]:
        """Frames that one frame's weights depend on, before it and after it."""
        # the blocks, and the neighbours that the emitted weights combine
        span = (self.kernel - 1) * sum(self.dilations)
        return (span + 2, 0) if self.causal else (span // 2 + 1, span // 2 + 1)

    @property
    def look_ahead_s(self) -> float:
        """Seconds of the future that a sample of the output depends on."""
        return (self.reach[1] * self.hop + self.window) / self.sample_rate


@dataclasses.dataclass(frozen=True)
class MixingConfig:
    """How noisy examples are made from clean speech and recorded noise.

    Attributes:
      sample_rate: Hz.
      crop_s: Seconds of an example.
      snr_db: Least and largest ratio, drawn evenly.
      level_db: Least and largest peak of the noisy example over full scale, in dB.
      white: Share of examples in white noise alone.
      coloured: Share in white noise with a smooth random spectrum.
      recorded: Share in recorded noise.
      clean: Share without noise; the four shares sum to 1.
      band_limit_hz: What speech of band-limited folders and its noise end at.
    """

    sample_rate: int = 16_000
    crop_s: float = 2.0
    snr_db: tuple[float, float] = (-5.0, 20.0)
    level_db: tuple[float, float] = (-40.0, 0.0)
    white: float = 0.4
    coloured: float = 0.2
    recorded: float = 0.35
    clean: float = 0.05
    band_limit_hz: float = 6000.0

    def __post_init__(self):
        total = self.white + self.coloured + self.recorded + self.clean
        if abs(total - 1) > 1e-6:
            raise ValueError(f"shares of noise must sum to 1, got {total}")


# Spectra as they are heard, and the relative error of every clip alike.
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
        if self.schedule not in TRAINING_SCHEDULES:
            raise ValueError(
                f"schedule must be one of {', '.join(TRAINING_SCHEDULES)}, "
                f"got {self.schedule!r}"
            )
        if self.warmup_steps >= self.num_steps:
            raise ValueError(
                f"warmup_steps {self.warmup_steps} must be below "
                f"num_steps {self.num_steps}"
            )
        if self.precision not in PRECISIONS:
            raise ValueError(
                f"precision must be one of {', '.join(PRECISIONS)}, "
                f"got {self.precision!r}"
            )
