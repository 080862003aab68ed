"""Settings of the emitted gain field: frozen, hashable, free of jax."""

import dataclasses

from inr_jax.configs.augment import AugmentConfig
from inr_jax.configs.fitting import LossWeights, require_at_least_1


@dataclasses.dataclass(frozen=True)
class FieldConfig:
    """A complex gain over time and frequency, held by a grid of cells.

    Attributes:
      hop_s: Seconds from one cell to the next in time.
      bin_hz: Hz from one bin to the next of the STFT that the cells are laid out for.
      cell_bins: Bins of a cell.
      num_cells: Cells of one time, from 0 Hz up.
      hidden: Sines of the SIREN of each cell.
      high_edges_hz: Edges of the bands above the cells, where the gain is linear from
        the centre of one to the next; without them it is constant there.
    """

    hop_s: float = 0.016
    bin_hz: float = 31.25
    cell_bins: int = 8
    num_cells: int = 32
    hidden: int = 5
    high_edges_hz: tuple[float, ...] = ()

    def __post_init__(self):
        require_at_least_1(self, "cell_bins", "num_cells", "hidden")

    @property
    def high_edges(self) -> tuple[int, ...]:
        """First bins of the bands above the cells, and the bin behind the last one."""
        return tuple(round(edge / self.bin_hz) for edge in self.high_edges_hz)

    @property
    def num_high_bands(self) -> int:
        """Bands above the cells."""
        return max(0, len(self.high_edges_hz) - 1)

    @property
    def outputs(self) -> int:
        """Numbers that the field gives at one place: a gate and complex filter taps."""
        return 1 + 2 * FILTER_TAPS


# Power-law compressed spectra, negative SNR of the clip and of its segments, PMSQE.
DENOISING_LOSS = LossWeights(
    mse=0.0, compressed=100.0, snr=2.0, segmental=2.0, disturbance=0.5
)

# Taps of the deep filter, one before, at and after the frame, `hop_s` apart.
FILTER_TAPS = 3


@dataclasses.dataclass(frozen=True)
class HyperGainConfig:
    """The hypernetwork that emits a gain field from noisy speech.

    Attributes:
      field: What it emits.
      channels: Width of the convolutions over frames and cells.
      dilations_before: Frames between the taps of each pair of convolutions before the
        full-band blocks.
      dilations_after: The same after them.
      frame_channels: Width of the full-band blocks.
      frame_dilations: Frames between the taps of each full-band block.
      level_frames: Frames to both sides over which level and mean spectrum are taken;
        causal, those in which the weight of a frame falls to 1 / e.
      causal: Whether the field at one time depends on no later frames.
    """

    field: FieldConfig = dataclasses.field(default_factory=FieldConfig)
    channels: int = 48
    dilations_before: tuple[tuple[int, int], ...] = ((1, 2), (1, 2))
    dilations_after: tuple[tuple[int, int], ...] = ((4, 2), (8, 1))
    frame_channels: int = 192
    frame_dilations: tuple[int, ...] = (1, 2, 4, 8)
    level_frames: int = 128
    causal: bool = False

    def __post_init__(self):
        require_at_least_1(self, "channels", "frame_channels", "level_frames")

    @property
    def receptive_field(self) -> int:
        """Frames to either side that the field at one time depends on."""
        pairs = (*self.dilations_before, *self.dilations_after)
        trunk = 1 + sum(map(sum, pairs)) + 2 * sum(self.frame_dilations)
        # the mean of levels, each a mean over frames that are chosen by a mean
        features = 3 * self.level_frames
        return trunk + features + FILTER_TAPS // 2

    @property
    def look_ahead_s(self) -> float:
        """Seconds of the future that a sample of the estimate depends on."""
        return (self.receptive_field + 2) * self.field.hop_s


@dataclasses.dataclass(frozen=True)
class HyperGainTraining:
    """How the hypernetwork is trained: Muon for its kernels, Adam for the rest.

    The rate rises, stays, and falls over the last steps, so that a training can be made
    longer while it runs (Hu et al. 2024, arXiv 2404.06395).

    Attributes:
      loss: On examples divided by the peak of their noisy side.
      batch_size: Examples of a step, over all devices.
      num_steps: Steps in all.
      warmup_steps: In which the rate rises.
      decay_steps: The last ones, in which it falls to 0.
      muon_rate: Rate of Muon (Jordan 2024), for kernels as matrices.
      adam_rate: Rate of Adam, for all else.
      weight_decay: Of Muon.
      max_gradient_norm: Gradients are scaled down to it.
      ema_decay: Of the running mean of the weights, which is validated and shipped.
      trained: "all", or "highs" for the bands above the cells alone, whose loss is that of
        the signal above the cells.
    """

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
        if self.trained not in ("all", "highs"):
            raise ValueError(f"trained must be all or highs, got {self.trained!r}")
        if self.warmup_steps + self.decay_steps > self.num_steps:
            raise ValueError("warmup_steps and decay_steps exceed num_steps")


@dataclasses.dataclass(frozen=True)
class Settings:
    """All that a training depends on besides its data."""

    model: HyperGainConfig = dataclasses.field(default_factory=HyperGainConfig)
    mixing: AugmentConfig = dataclasses.field(default_factory=AugmentConfig)
    training: HyperGainTraining = dataclasses.field(default_factory=HyperGainTraining)
