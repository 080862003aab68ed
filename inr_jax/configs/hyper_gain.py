"""Settings of the emitted gain field: frozen, hashable, free of jax."""

import dataclasses
from itertools import pairwise

from inr_jax.configs.fitting import require_at_least_1, require_positive
from inr_jax.configs.trunk import TrunkConfig


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
        require_positive(self, "hop_s", "bin_hz")
        require_at_least_1(self, "cell_bins", "num_cells", "hidden")
        if self.cell_bins % 2:
            raise ValueError(f"cell_bins must be even, got {self.cell_bins}")
        top = self.num_cells * self.cell_bins
        if any(low >= high for low, high in pairwise((top - 1, *self.high_edges))):
            raise ValueError(
                f"high_edges_hz must rise by a bin of {self.bin_hz:g} Hz or more, from the "
                f"end of the cells, {top * self.bin_hz:g} Hz; got {self.high_edges_hz}"
            )

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


# Taps of the deep filter, `hop_s` apart: at the frame, one before and one after; causal,
# at the frame and at the two before.
FILTER_TAPS = 3


@dataclasses.dataclass(frozen=True)
class HyperGainConfig(TrunkConfig):
    """The hypernetwork that emits a gain field from noisy speech.

    Attributes:
      field: What it emits.
    """

    field: FieldConfig = dataclasses.field(default_factory=FieldConfig)

    @property
    def receptive_field(self) -> tuple[int, int]:
        """Frames before and after that the estimate at one time depends on."""
        before, after = super().receptive_field
        taps = FILTER_TAPS - 1
        if self.causal:
            return before + taps, after
        return before + taps // 2, after + taps // 2

    @property
    def receptive_field_s(self) -> tuple[float, float]:
        """Seconds of the past and the future that a sample of the estimate depends on."""
        before, after = self.receptive_field
        return (before + 2) * self.field.hop_s, (after + 2) * self.field.hop_s
