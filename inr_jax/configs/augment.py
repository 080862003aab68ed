"""How noisy examples are made from clean speech and recorded noise."""

import dataclasses
import math

from inr_jax.configs.fitting import require_at_least_1, require_range

# Kinds of noise; see `data.augment`.
NOISE_KINDS = (
    "white",
    "coloured",
    "recorded",
    "two_recorded",
    "babble",
    "tonal",
    "impulsive",
    "gusts",
    "none",
)


@dataclasses.dataclass(frozen=True)
class AugmentConfig:
    """Settings of `data.augment`; shares are probabilities.

    Attributes:
      sample_rate: Hz.
      num_samples: Samples of an example.
      snr_range_db: Least and largest ratio of speech to noise, drawn evenly.
      noise_shares: Of each kind of `NOISE_KINDS`, relative to each other.
      speed_share: Speech played faster or slower, pitch and formants with it: other
        voices (Ko et al. 2015).
      speed_range: Least and largest of these speeds.
      room_share: In a reverberant room; the target keeps the first 50 ms.
      equalised_share: Speech with a smooth random gain over frequency.
      moving_share: Noise whose level moves.
      rumble_share: Rumble below 60 Hz as well.
      band_limited_share: Speech and noise with nothing above a random frequency.
      telephone_share: Speech and noise from 300 to 3400 Hz.
      gap_share: A stretch of digital silence in speech and noise.
      gated_share: The pauses of speech are digital silence, as a gate leaves them.
      clipped_share: Peaks of the noisy signal are clipped.
    """

    sample_rate: int = 16_000
    num_samples: int = 32_768
    snr_range_db: tuple[float, float] = (-5.0, 25.0)
    noise_shares: tuple[float, ...] = (18, 10, 30, 14, 9, 6, 5, 4, 4)
    speed_share: float = 0.5
    speed_range: tuple[float, float] = (0.85, 1.18)
    room_share: float = 0.2
    equalised_share: float = 0.5
    moving_share: float = 0.3
    rumble_share: float = 0.15
    band_limited_share: float = 0.15
    telephone_share: float = 0.06
    gap_share: float = 0.1
    gated_share: float = 0.06
    clipped_share: float = 0.05

    def __post_init__(self):
        require_at_least_1(self, "num_samples", "sample_rate")
        require_range(self, "snr_range_db")
        require_range(self, "speed_range")
        if self.speed_range[0] <= 0:
            raise ValueError(f"speed_range must be above 0, got {self.speed_range}")
        if len(self.noise_shares) != len(NOISE_KINDS):
            raise ValueError(f"noise_shares must be {len(NOISE_KINDS)} numbers")
        if min(self.noise_shares) < 0 or not 0 < sum(self.noise_shares) < math.inf:
            raise ValueError("noise_shares must be at least 0, and one of them above")
        for name, value in dataclasses.asdict(self).items():
            if name.endswith("_share") and not 0 <= value <= 1:
                raise ValueError(f"{name} must be from 0 to 1, got {value}")
