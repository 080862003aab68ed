"""Cuts a clip into short overlapping segments and joins them without seams."""

import numpy as np

# Share of a segment that overlaps with the next one.
OVERLAP = 1 / 8


def segment_starts(num_samples: int, length: int) -> np.ndarray:
    """First sample of each segment of `length`; the last one ends with the clip."""
    hop = max(1, length - round(length * OVERLAP))
    last = max(0, num_samples - length)
    return np.append(np.arange(0, last, hop), last)


def split_overlapping(signal: np.ndarray, length: int) -> list[np.ndarray]:
    """Segments (length,) of a signal (samples,); a shorter signal is one segment."""
    starts = segment_starts(len(signal), length)
    return [signal[start : start + length] for start in starts]


def crossfade(segments: list[np.ndarray], num_samples: int, length: int) -> np.ndarray:
    """The signal (samples,) that `split` cut, cross-faded linearly where they overlap.

    Weights sum to 1 at every sample, so that equal segments join to themselves.
    """
    if len(segments) == 1:
        return np.array(segments[0], np.float32)
    total, weights = (np.zeros(num_samples, np.float32) for _ in range(2))
    for start, segment in zip(
        segment_starts(num_samples, length), segments, strict=True
    ):
        weight = fade(np.arange(len(segment)), len(segment))
        total[start : start + len(segment)] += weight * segment
        weights[start : start + len(segment)] += weight
    total /= weights
    return total


def fade(position: np.ndarray, length: int) -> np.ndarray:
    """Weight of a segment of `length` at positions in it, up to half a sample outside.

    It rises linearly from 0, half a sample before the first, over the overlap to 1, and
    falls alike.
    """
    ramp = max(1, round(length * OVERLAP))
    inside = np.minimum(position + 0.5, length - 0.5 - position)
    return np.clip(inside / ramp, 0, 1)
