"""Denoises clips of any length, level and rate by SepFormer.

Up to a window a clip is heard whole, as SpeechBrain does. Longer ones run in windows that
overlap and are cross-faded, in bounded memory; that is another result than the whole
clip's, since the network normalises over all that it hears.
"""

import functools
from collections.abc import Callable, Iterator, Sequence

import jax
import numpy as np

from inr_jax import audio
from inr_jax.dsp import overlap_add
from inr_jax.models.sepformer.modeling import Sepformer
from inr_jax.parallel import bucketing

# Clips beyond it are cut; it was trained on 4 s.
WINDOW_S = 16.0


def denoise_many(
    model: Sepformer,
    params: dict,
    signals: Sequence[np.ndarray],
    sample_rates: Sequence[int],
    on_clips: Callable[[float], None] = lambda clips: None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Estimates of each clip at the level of its input; clips share nothing.

    Args:
      model: As from `sepformer_weights.load`.
      params: Its weights.
      signals: Noisy clips (samples,) of at least one sample.
      sample_rates: Hz of each; other rates than the model's are resampled.
      on_clips: Called with clips done since the last call; windows count as shares.

    Yields:
      Position in `signals` and estimate (samples,), in order.

    Raises:
      ValueError: a signal is empty, not one-dimensional or not finite.
    """
    rate = model.config.sample_rate
    for i, (signal, own_rate) in enumerate(zip(signals, sample_rates, strict=True)):
        noisy = bucketing.checked(i, signal)
        heard = audio.resample(noisy, own_rate, rate)
        found = _whole(model, params, heard, on_clips)
        estimate = audio.resample(found, rate, own_rate)[: len(noisy)]
        yield i, at_level_of(noisy, estimate)


def at_level_of(noisy: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """The multiple of an estimate (samples,) that is nearest to its noisy input.

    Training for SI-SNR leaves the level open. Where the noise has nothing in common with
    the estimate, this is the level of the speech in it.
    """
    wide = estimate.astype(np.float64)
    power = wide @ wide
    gain = noisy @ wide / power if power else 0
    return (gain * wide).astype(np.float32)


def _whole(model, params, signal, on_clips):
    """The estimate of one signal at the model's rate, window after window."""
    length = round(WINDOW_S * model.config.sample_rate)
    windows = overlap_add.split_overlapping(signal, length)
    found = []
    for window in windows:
        (padded,) = bucketing.pad([window], bucketing.bucket_size(len(window)))
        estimate = np.asarray(_run(model, params, padded, len(window)))
        found.append(estimate[: len(window)])
        on_clips(1 / len(windows))
    return overlap_add.crossfade(found, len(signal), length)


@functools.partial(jax.jit, static_argnames="model")
def _run(model, params, padded, count):
    return model.apply(params, padded, count)
