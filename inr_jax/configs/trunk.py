"""Settings of the shared trunk of the hypernetworks: frozen, hashable, free of jax."""

import dataclasses

from inr_jax.configs.fitting import require_at_least_1


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrunkConfig:
    """The network that finds, from a second of context, which cells of bins hold speech.

    Attributes:
      channels: Width of the convolutions over frames and cells.
      dilations_before: Frames between the taps of each pair of convolutions before the
        full-band blocks.
      dilations_after: The same after them.
      frame_channels: Width of the full-band blocks.
      frame_dilations: Frames between the taps of each full-band block.
      level_frames: Frames to both sides over which level and mean spectrum are taken;
        causal, those in which the weight of a frame falls to 1 / e.
      causal: Whether the emitted weights of one time depend on no later frames.
    """

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
    def receptive_field(self) -> tuple[int, int]:
        """Frames before and after that the emitted weights of one time depend on.

        Causal levels never quite forget: 14 of their time constants leave 1e-5.
        """
        pairs = (*self.dilations_before, *self.dilations_after)
        trunk = 1 + sum(map(sum, pairs)) + 2 * sum(self.frame_dilations)
        if self.causal:
            return 2 * trunk + 14 * self.level_frames, 0
        # the mean of levels, each a mean over frames that are chosen by a mean
        side = trunk + 3 * self.level_frames
        return side, side
