"""Settings of HyperSound: frozen, hashable, free of jax."""

import dataclasses

from inr_jax.configs.fitting import require_at_least_1, require_one_of, require_positive


@dataclasses.dataclass(frozen=True)
class HyperSoundConfig:
    """HyperSound: one target network for a clip of a set length.

    Attributes:
      sample_rate: Hz; the paper has 22,050.
      num_samples: Samples of a clip.
      encoder_channels: Channels of the first convolution; each stride doubles them.
      latent_channels: Channels that the encoder ends with.
      strides: Of the encoder's four stages.
      hidden: Widths of the hypernetwork between encoder and head.
      target: "nerf", an MLP of Fourier features, or "siren".
      width: Units of each hidden layer of the target.
      num_layers: Hidden layers of the target.
      first_omega: Factor of the first layer of a SIREN target.
      hidden_omega: Factor of its other layers.
      mode: "target", the emitted weights themselves; "residual", added to weights that
        all clips share; "modulator", multiplied with them.
      shared_layers: Layers of the target that all clips share instead.
      norm: "position", a scale for each channel and time, as published, or "channel",
        one for each channel, whose number does not depend on the length.
    """

    sample_rate: int = 16_000
    num_samples: int = 32_768
    encoder_channels: int = 16
    latent_channels: int = 32
    strides: tuple[int, ...] = (2, 4, 5, 8)
    hidden: tuple[int, ...] = (400, 768, 768, 768, 768, 400)
    target: str = "nerf"
    width: int = 90
    num_layers: int = 5
    first_omega: float = 2000.0
    hidden_omega: float = 30.0
    mode: str = "target"
    shared_layers: tuple[int, ...] = ()
    norm: str = "position"

    def __post_init__(self):
        require_at_least_1(self, "sample_rate", "num_samples", "width", "num_layers")
        require_at_least_1(
            self, "encoder_channels", "latent_channels", "strides", "hidden"
        )
        require_positive(self, "first_omega", "hidden_omega")
        if not set(self.shared_layers) <= set(range(self.num_layers + 1)):
            raise ValueError(
                f"shared_layers must be from 0 to {self.num_layers}, "
                f"got {self.shared_layers}"
            )
        require_one_of(
            self,
            target=("nerf", "siren"),
            mode=("target", "residual", "modulator"),
            norm=("position", "channel"),
        )
