"""Trained networks as denoisers."""

import jax
import numpy as np
from jaxtyping import Float

from inr_jax.enhancement.driver import Denoiser, Result
from inr_jax.errors import InputError
from inr_jax.models import hyper_gain as hyper_gains
from inr_jax.models import hyper_siren as hyper_sirens
from inr_jax.models import hypersound_target
from inr_jax.models.hyper_gain import HyperGain
from inr_jax.models.hyper_siren import HyperSiren
from inr_jax.models.hypersound import HyperSound
from inr_jax.models.sepformer.modeling import Sepformer
from inr_jax.parallel import bucketing, compute, precision, sharding

# Of a window of HyperGain and HyperSiren, without its margins of 7 s: with 20, 40, 60 and
# 90 s a second of sound took a core of a Xeon 0.027, 0.020, 0.019 and 0.026 s (four minutes
# at 16 kHz), and the process 0.8, 0.9, 1.3 and 2.3 GB.
HYPER_WINDOW_S = 40.0
# Windows that networks which represent a clip of one length take at a time, at least.
HYPERSOUND_BATCH = 8
# SepFormer normalises over all that it is given, so that longer clips, in windows, have
# other estimates than as a whole; it was trained on 4 s.
SEPFORMER_WINDOW_S = 16.0


def hyper_gain(model: HyperGain, params: dict, linked: bool = False) -> Denoiser:
    """HyperGain at the rate of its input; exact in windows by its receptive field.

    Args:
      model: As from `pretrained.load`.
      params: Its weights.
      linked: Whether one gain is for all channels of a recording.
    """
    config = model.config
    num_devices, batch_size = _batches()

    def estimates(samples, counts, sample_rate):
        window = hyper_gains.window_of(sample_rate, config)
        return _hyper_gain(model, params, samples, counts, window, num_devices)

    return Denoiser(
        _run(estimates, num_devices),
        batch_size,
        bucketing.bucket_size,
        window_s=HYPER_WINDOW_S,
        receptive_field_s=config.receptive_field_s,
        alignment=lambda rate: hyper_gains.window_of(rate, config) // 2,
        linked=linked,
    )


def hyper_siren(
    model: HyperSiren, params: dict, output_rate: int | None = None
) -> Denoiser:
    """HyperSiren, exact in windows; its functions of time may be evaluated more densely.

    Args:
      model: As from `pretrained.load`.
      params: Its weights.
      output_rate: Hz of the output; the rate of the input where None.

    Raises:
      InputError: `output_rate` is no multiple of the model's rate.
    """
    config = model.config
    upsample = _upsample(output_rate, config.sample_rate)
    num_devices, batch_size = _batches()

    def estimates(samples, counts, sample_rate):
        del sample_rate  # its own
        return _hyper_siren(model, params, samples, counts, upsample, num_devices)

    return Denoiser(
        _run(estimates, num_devices),
        batch_size,
        bucketing.bucket_size,
        sample_rate=config.sample_rate,
        window_s=HYPER_WINDOW_S,
        receptive_field_s=config.receptive_field_s,
        alignment=lambda rate: config.alignment_s * rate,
        upsample=upsample,
        output_rate=output_rate,
    )


def hypersound(
    model: HyperSound,
    params: dict,
    output_rate: int | None = None,
    finetune_steps: int = 0,
) -> Denoiser:
    """HyperSound, which represents clips of one length: in windows, cross-faded.

    Args:
      model: As from `pretrained.load`.
      params: Its weights.
      output_rate: Hz of the output; the rate of the input where None.
      finetune_steps: Of a fit to each noisy window that starts from the emitted weights.

    Raises:
      InputError: `output_rate` is no multiple of the model's rate.
    """
    config = model.config
    upsample = _upsample(output_rate, config.sample_rate)
    num_devices, batch_size = _batches()

    def estimates(samples, counts, sample_rate):
        del counts, sample_rate  # it represents what is behind a signal as well
        return _hypersound(
            model, params, samples, upsample, finetune_steps, num_devices
        )

    return Denoiser(
        _run(estimates, num_devices),
        lambda size: max(HYPERSOUND_BATCH * num_devices, batch_size(size)),
        lambda count: config.num_samples,
        sample_rate=config.sample_rate,
        window_s=config.num_samples / config.sample_rate,
        upsample=upsample,
        output_rate=output_rate,
    )


def sepformer(model: Sepformer, params: dict) -> Denoiser:
    """SepFormer at the level of its input; clips beyond a window are cross-faded.

    Args:
      model: As from `inr_jax.models.sepformer.weights.load`.
      params: Its weights.
    """
    num_devices, batch_size = _batches()

    def estimates(samples, counts, sample_rate):
        del sample_rate
        return _sepformer(model, params, samples, counts, num_devices)

    return Denoiser(
        _run(estimates, num_devices),
        batch_size,
        bucketing.bucket_size,
        sample_rate=model.config.sample_rate,
        window_s=SEPFORMER_WINDOW_S,
        finish=at_level_of,
    )


def at_level_of(
    noisy: Float[np.ndarray, " samples"], estimate: Float[np.ndarray, " samples"]
) -> Float[np.ndarray, " samples"]:
    """The multiple of an estimate that is nearest to its noisy input.

    Training for SI-SNR leaves the level open. Where the noise has nothing in common with
    the estimate, this is the level of the speech in it.
    """
    wide = estimate.astype(np.float64)
    power = wide @ wide
    gain = noisy @ wide / power if power else 0
    return (gain * wide).astype(np.float32)


def _upsample(output_rate, rate):
    upsample, rest = divmod(output_rate or rate, rate)
    if rest or not upsample:
        raise InputError(
            f"output rate {output_rate} Hz must be a multiple of the model's {rate} Hz"
        )
    return upsample


def _batches():
    """Devices, and windows of a batch by their padded size."""
    config = compute.default_compute()
    num_devices = config.num_devices
    if compute.batches_at_once() > 1:
        # a window in each thread is as fast, and a size has one program
        return num_devices, lambda size: 1
    return num_devices, lambda size: num_devices * max(1, config.batch_samples // size)


def _run(estimates, num_devices):
    """`Denoiser.run` by estimates of padded windows (windows, samples), counts, rate."""

    def run(windows, size, on_windows):
        del on_windows
        filled = bucketing.filled(windows, num_devices)
        samples = bucketing.pad([window.samples for window in filled], size)
        counts = np.array([len(window.samples) for window in filled])
        rows = np.asarray(estimates(samples, counts, windows[0].sample_rate))
        return [Result(i, rows[i]) for i in range(len(windows))]

    return run


@precision.jit(static_argnames=("model", "window", "num_devices"))
def _hyper_gain(model, params, samples, counts, window, num_devices):
    def one(noisy, count):
        return hyper_gains.denoise(model, params, noisy, window, count)

    return sharding.over_clips(jax.vmap(one), num_devices)(samples, counts)


@precision.jit(static_argnames=("model", "upsample", "num_devices"))
def _hyper_siren(model, params, samples, counts, upsample, num_devices):
    def one(noisy, count):
        return hyper_sirens.denoise(model, params, noisy, count, upsample)

    return sharding.over_clips(jax.vmap(one), num_devices)(samples, counts)


@precision.jit(static_argnames=("model", "upsample", "finetune_steps", "num_devices"))
def _hypersound(model, params, samples, upsample, finetune_steps, num_devices):
    def one(window):
        emitted = model.apply(params, window, method="emit")
        emitted = hypersound_target.finetune(
            emitted, window, model.config, finetune_steps
        )
        return hypersound_target.sound(emitted, window, model.config, upsample)

    return sharding.over_clips(jax.vmap(one), num_devices)(samples)


@precision.jit(static_argnames=("model", "num_devices"))
def _sepformer(model, params, samples, counts, num_devices):
    def many(samples, counts):
        return jax.vmap(lambda x, count: model.apply(params, x, count))(samples, counts)

    return sharding.over_clips(many, num_devices)(samples, counts)
