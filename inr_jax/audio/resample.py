"""Sample-rate conversion by soxr."""

import numpy as np
import soxr
from jaxtyping import Float


def resample(
    samples: Float[np.ndarray, " samples *channels"], from_rate: int, to_rate: int
) -> Float[np.ndarray, " resampled *channels"]:
    """Resamples along the first axis with soxr's HQ setting; float32, no delay.

    Args:
      samples: (samples,) or (samples, channels).
      from_rate: Hz of the input.
      to_rate: Hz of the output.

    Returns:
      ceil(samples * to_rate / from_rate) samples of each channel.
    """
    if from_rate == to_rate:
        return samples
    samples = np.asarray(samples, np.float32)
    num_samples = -(-len(samples) * int(to_rate) // int(from_rate))
    output = soxr.resample(samples, from_rate, to_rate, quality="HQ")[:num_samples]
    missing = num_samples - len(output)
    return np.pad(output, [(0, missing)] + [(0, 0)] * (output.ndim - 1))
