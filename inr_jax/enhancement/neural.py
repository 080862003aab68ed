"""Denoises clips of any length, level and rate by a trained hypernetwork.

Long clips run in windows of one length with as much sound around each as the network can
hear, so that the result is that of the whole clip, in bounded memory.
"""

import functools
from collections.abc import Callable, Iterator, Sequence

import jax
import numpy as np

from inr_jax import audio
from inr_jax.dsp import overlap_add
from inr_jax.errors import InputError
from inr_jax.models import hypersound_target
from inr_jax.models.hypersound import HyperSound
from inr_jax.parallel import bucketing

# Longest window without its margins.
WINDOW_S = 20.0
# Of networks that represent a clip of one length.
WINDOWS_AT_ONCE = 8


def denoise_many(
    model,
    params,
    signals: Sequence[np.ndarray],
    sample_rates: Sequence[int],
    on_clips: Callable[[float], None] = lambda clips: None,
    output_rate: int | None = None,
    finetune_steps: int = 0,
) -> Iterator[tuple[int, np.ndarray]]:
    """Estimates of each clip; clips share nothing.

    Args:
      model: As from `pretrained.load`.
      params: Its weights.
      signals: Noisy clips (samples,) of at least one sample.
      sample_rates: Hz of each; other rates than the model's are resampled.
      on_clips: Called with clips done since the last call; windows count as shares.
      output_rate: Hz that the target networks are evaluated at, a multiple of the
        model's, instead of each clip's own rate; adds no frequencies.
      finetune_steps: Of fits to the noisy clip that begin with the emitted weights, for
        networks that represent a clip of one length.

    Yields:
      Position in `signals` and estimate, in order.

    Raises:
      ValueError: a signal is empty, not one-dimensional or not finite.
      InputError: `output_rate` is no multiple of the model's rate, or the model has no
        networks to fine-tune.
    """
    rate = model.config.sample_rate
    finer, rest = divmod(output_rate or rate, rate)
    if rest:
        raise InputError(
            f"output rate {output_rate} Hz must be a multiple of the model's {rate} Hz"
        )
    if finetune_steps and not isinstance(model, HyperSound):
        raise InputError("--finetune_steps is for hypersound alone")
    for i, (signal, own_rate) in enumerate(zip(signals, sample_rates, strict=True)):
        heard = audio.resample(bucketing.checked(i, signal), own_rate, rate)
        if isinstance(model, HyperSound):
            run = functools.partial(_run_many, model, params, finer, finetune_steps)
            estimate = _cross_faded(run, model.config, heard, finer, on_clips)
        else:
            estimate = _whole(model, params, heard, finer, on_clips)
        if output_rate is None:
            estimate = audio.resample(estimate, rate, own_rate)
        count = -(-len(signal) * (output_rate or own_rate) // own_rate)
        yield i, estimate if len(estimate) == count else _fit_length(estimate, count)


def _fit_length(estimate, count):
    return np.pad(estimate[:count], (0, max(0, count - len(estimate))))


def _whole(model, params, signal, finer, on_clips):
    """The estimate of one signal at the model's rate, window after window."""
    config = model.config
    margin = config.hop * (max(config.receptive_field) + 2)
    core = config.hop * round(WINDOW_S * config.sample_rate / config.hop)
    if len(signal) <= core + 2 * margin:
        margin, core = (
            0,
            config.hop * -(-bucketing.bucket_size(len(signal)) // config.hop),
        )
    size = core + 2 * margin
    estimate = np.empty(finer * len(signal), np.float32)
    starts = range(0, len(signal), core)
    for start in starts:
        window = np.zeros(size, np.float32)
        low, high = max(0, start - margin), min(len(signal), start + core + margin)
        window[low - start + margin : high - start + margin] = signal[low:high]
        # where the signal itself begins and ends, as the window sees it
        ends = (max(0, margin - start), min(size, len(signal) - start + margin))
        found = np.asarray(_run(model, params, window, *ends, finer))
        kept = found[finer * margin : finer * (margin + core)]
        stop = finer * min(start + core, len(signal))
        estimate[finer * start : stop] = kept[: stop - finer * start]
        on_clips(1 / len(starts))
    return estimate


def _cross_faded(run, config, signal, finer, on_clips):
    """By networks that each represent a clip of one length: windows that overlap."""
    length = config.num_samples
    windows = overlap_add.split_overlapping(signal, length)
    found = []
    for i in range(0, len(windows), WINDOWS_AT_ONCE):
        some = windows[i : i + WINDOWS_AT_ONCE]
        filled = [*some, *some[-1:] * (WINDOWS_AT_ONCE - len(some))]
        estimates = run(bucketing.pad(filled, length))
        found += list(np.asarray(estimates)[: len(some)])
        on_clips(len(some) / len(windows))
    size = finer * min(len(signal), length)
    found = [window[:size] for window in found]
    return overlap_add.crossfade(found, finer * len(signal), finer * length)


@functools.partial(jax.jit, static_argnames=("model", "finer"))
def _run(model, params, window, first, last, finer):
    return model.apply(params, window, first, last, finer)


@functools.partial(jax.jit, static_argnames=("model", "finer", "finetune_steps"))
def _run_many(model, params, finer, finetune_steps, windows):
    def one(window):
        emitted = model.apply(params, window, method="emit")
        emitted = hypersound_target.finetune(
            emitted, window, model.config, finetune_steps
        )
        return hypersound_target.sound(emitted, window, model.config, finer)

    return jax.vmap(one)(windows)
