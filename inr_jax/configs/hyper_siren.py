"""Settings of the emitted SIRENs of time: frozen, hashable, free of jax."""

import dataclasses
import math

from inr_jax.configs.fitting import require_at_least_1, require_positive
from inr_jax.configs.trunk import TrunkConfig


@dataclasses.dataclass(frozen=True)
class WindowsConfig:
    """SIRENs of time, one for each window of a signal; see `nn.window_siren`.

    Attributes:
      hop_s: Seconds from one window to the next; each is two of these long.
      num_cells: Groups of hidden sines, by frequency, which are emitted together.
      cell_bins: Frequencies of a group in which a window has a resolution of its own.
      cell_pairs: Pairs of hidden sines of a group.
      slow: Pairs of first-layer sines that modulate the hidden ones.
    """

    hop_s: float = 0.016
    num_cells: int = 32
    cell_bins: int = 8
    cell_pairs: int = 4
    slow: int = 2

    def __post_init__(self):
        require_positive(self, "hop_s")
        require_at_least_1(self, "num_cells", "cell_bins", "cell_pairs", "slow")

    @property
    def num_bins(self) -> int:
        """Frequencies of all groups."""
        return self.num_cells * self.cell_bins

    @property
    def bin_hz(self) -> float:
        """Hz that a window resolves."""
        return 0.5 / self.hop_s


@dataclasses.dataclass(frozen=True)
class HyperSirenConfig(TrunkConfig):
    """The hypernetwork that emits SIRENs of time from noisy speech.

    Attributes:
      windows: What it emits.
      taps: Windows, around each one, whose encodings its weights are made of; odd.
      reach: Cells to either side of a group whose encodings its weights are made of.
    """

    windows: WindowsConfig = dataclasses.field(default_factory=WindowsConfig)
    taps: int = 3
    reach: int = 1

    def __post_init__(self):
        super().__post_init__()
        if self.causal or self.taps % 2 == 0:
            raise ValueError("causal must be false and taps odd")

    @property
    def sample_rate(self) -> int:
        """Hz of the input; the output is a function of time."""
        return round(2 * self.windows.num_bins * self.windows.bin_hz)

    @property
    def hop(self) -> int:
        """Samples of the input from one window to the next."""
        return self.windows.num_bins

    @property
    def alignment_s(self) -> int:
        """The least seconds that are whole samples at any rate, and whole windows here."""
        return self.hop // math.gcd(self.hop, self.sample_rate)

    @property
    def receptive_field_s(self) -> tuple[float, float]:
        """Seconds of the past and the future that a sample of the estimate depends on."""
        before, after = (x + self.taps // 2 + 2 for x in self.receptive_field)
        return before * self.windows.hop_s, after * self.windows.hop_s
