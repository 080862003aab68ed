"""Splits a clip into overlapping segments and cross-fades them back into one."""

import numpy as np
from jaxtyping import Float, Int, Real

# Overlap of neighbouring segments, as a share of their length.
OVERLAP = 1 / 8


def segment_starts(num_samples: int, length: int) -> Int[np.ndarray, " segments"]:
    """First sample of each segment of `length`; the last one ends with the clip."""
    hop = max(1, length - round(length * OVERLAP))
    last = max(0, num_samples - length)
    return np.append(np.arange(0, last, hop), last)


def split_overlapping(
    signal: Float[np.ndarray, " samples *channels"], length: int
) -> list[Float[np.ndarray, " length *channels"]]:
    """Segments of a signal; a shorter signal is one segment."""
    starts = segment_starts(len(signal), length)
    return [signal[start : start + length] for start in starts]


def crossfade(
    segments: list[Float[np.ndarray, " length *channels"]],
    num_samples: int,
    length: int,
) -> Float[np.ndarray, " {num_samples} *channels"]:
    """The signal of segments as from `split_overlapping`, cross-faded linearly.

    The weights sum to 1 at every sample: unchanged segments give the signal back.
    """
    if len(segments) == 1:
        return np.array(segments[0], np.float32)
    rest = np.shape(segments[0])[1:]
    total = np.zeros((num_samples, *rest), np.float32)
    weights = np.zeros((num_samples, *[1] * len(rest)), np.float32)
    for start, segment in zip(
        segment_starts(num_samples, length), segments, strict=True
    ):
        weight = fade(np.arange(len(segment)), len(segment))
        weight = weight.reshape(-1, *[1] * len(rest))
        total[start : start + len(segment)] += weight * segment
        weights[start : start + len(segment)] += weight
    total /= weights
    return total


def fade(
    position: Real[np.ndarray, " samples"], length: int
) -> Float[np.ndarray, " samples"]:
    """Weights of a segment of `length` at positions in it, fractions allowed.

    A trapezoid: 0 half a sample before the first sample, linear over the overlap, then
    1, and mirrored at the end.
    """
    ramp = max(1, round(length * OVERLAP))
    inside = np.minimum(position + 0.5, length - 0.5 - position)
    return np.clip(inside / ramp, 0, 1)
