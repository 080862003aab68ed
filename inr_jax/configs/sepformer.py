"""Settings of SepFormer: frozen, hashable, free of jax."""

import dataclasses


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
