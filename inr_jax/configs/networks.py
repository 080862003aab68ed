"""Settings of trained denoisers: frozen, hashable, free of jax."""

import dataclasses
import os
import pathlib

from inr_jax.configs.fitting import require_at_least_1, require_one_of


@dataclasses.dataclass(frozen=True)
class MaskNetConfig:
    """Time-frequency mask network with a deep filter.

    Attributes:
      channels: Width of the full-band blocks.
      expansion: Hidden units of these blocks, as a multiple of `channels`.
      kernel: Kernel size of these blocks in frames, odd.
      dilations: Dilation of each of these blocks, in frames.
      band_bins: Bins of a band.
      band_channels: Channels of the 2-D convolutions over frames and bands.
      band_dilations: Dilation in frames of each 2-D convolution, once before the
        full-band blocks and once after them.
    """

    channels: int = 192
    expansion: int = 2
    kernel: int = 5
    dilations: tuple[int, ...] = (1, 2, 4, 8)
    band_bins: int = 4
    band_channels: int = 32
    band_dilations: tuple[int, ...] = (1, 2, 4, 8)

    def __post_init__(self):
        sizes = ("channels", "expansion", "band_bins", "band_channels")
        require_at_least_1(self, *sizes)
        if self.kernel % 2 == 0:
            raise ValueError("kernel must be odd")


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
      target: "nerf" or "siren", as published, or "harmonics": a wide SIREN whose
        output weights alone are emitted, by a hypernetwork of its own. All that follows,
        and all about encoder and hidden layers, is for the other two.
      width: Units of each hidden layer of the target.
      num_layers: Hidden layers of the target.
      first_omega: Factor of the first layer of a SIREN target.
      hidden_omega: Factor of its other layers.
      mode: "target", the emitted weights themselves; "residual", added to weights that
        all clips share; "modulator", multiplied with them.
      shared_layers: Layers of the target that all clips share instead.
      norm: "position", a scale for each channel and time, as published, or "channel",
        which takes any length.
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
        require_at_least_1(self, "num_samples", "encoder_channels", "width")
        require_one_of(
            self,
            target=("nerf", "siren", "harmonics"),
            mode=("target", "residual", "modulator"),
            norm=("position", "channel"),
        )
        if self.target == "harmonics" and self.num_samples % 128:
            raise ValueError("num_samples must be a multiple of 128 for harmonics")


@dataclasses.dataclass(frozen=True)
class SepformerConfig:
    """SepFormer for speech enhancement, as SpeechBrain trains it on WHAM!.

    Attributes:
      sample_rate: Hz.
      channels: Width of encoder and transformers.
      kernel: Samples of a frame of the encoder; frames overlap by half.
      chunk: Frames of a chunk; chunks overlap by half.
      num_blocks: Blocks, each of a transformer within chunks and one across them.
      num_layers: Layers of a transformer.
      num_heads: Attention heads of a layer.
      hidden: Hidden units of a layer's perceptron.
    """

    sample_rate: int = 16_000
    channels: int = 256
    kernel: int = 16
    chunk: int = 250
    num_blocks: int = 2
    num_layers: int = 8
    num_heads: int = 8
    hidden: int = 1024

    def __post_init__(self):
        if not all(isinstance(v, int) and v > 0 for v in dataclasses.astuple(self)):
            raise ValueError("settings must be positive whole numbers")
        if self.kernel % 2 or self.chunk % 2 or self.channels % self.num_heads:
            raise ValueError("kernel and chunk must be even, heads divide channels")

    @property
    def hop(self) -> int:
        """Samples from frame to frame."""
        return self.kernel // 2


MODELS = {"hypersound": HyperSoundConfig}


def trained_dir(model: str, given: str | os.PathLike | None = None) -> pathlib.Path:
    """The folder of a trained model: the one that is given, or the shipped one."""
    if given:
        return pathlib.Path(given)
    here = pathlib.Path(__file__).parent.parent
    # an installed wheel has them in the package
    shipped = here / "trained"
    return (shipped if shipped.is_dir() else here.parent / "checkpoints") / model
