"""Every method of this library behind one interface, by name.

A denoiser takes noisy signals with their rates and keys and yields estimates of the same
lengths, levels and rates; whoever calls it need not know which method it is.
"""

import dataclasses
import functools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import jax
import numpy as np

from inr_jax import (
    audio,
    baselines,
    classical,
    early_stopping,
    fit_many,
    gain_denoiser,
    model_configs,
    noise_power,
    peers,
    pretrained,
    sepformer_denoiser,
    sepformer_weights,
    stft,
    trained_denoiser,
)
from inr_jax.configs import GAIN_FIELD_RECORDED, FitConfig, GainFieldConfig
from inr_jax.errors import InputError

OnClips = Callable[[float], None]


class Denoiser(Protocol):
    """Removes noise from many signals, which share nothing."""

    def __call__(
        self,
        signals: Sequence[np.ndarray],
        sample_rates: Sequence[int],
        keys: Sequence[jax.Array],
        on_clips: OnClips,
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Yields position and estimate (samples,) float32 of each, in any order.

        Args:
          signals: Noisy (samples,), full scale 1.
          sample_rates: Hz of each.
          keys: One for each; methods that draw nothing leave them.
          on_clips: Called with clips done since the last call, shares of clips too.
        """


@dataclasses.dataclass(frozen=True)
class Options:
    """Settings of methods; each heeds those that it has.

    Attributes:
      noise: How `wiener`, `log_mmse` and `gain_field` tell the noise power: a name of
        `noise_power.ESTIMATORS`.
      fit: Of `siren`.
      stop: When `siren` stops: "fixed", at its last step, or a rule of
        `early_stopping`.
      checkpoint_dir: Where `siren` keeps fits under way, for "fixed".
      trained_dir: Weights of a trained method, instead of the shipped ones.
      sepformer_dir: Weights of `sepformer`, SpeechBrain's or a copy of ours.
      output_rate: Hz that a trained method evaluates its target networks at, instead
        of the rate of the input.
    """

    noise: str = "tracked"
    fit: FitConfig = dataclasses.field(default_factory=FitConfig)
    stop: str = "fixed"
    checkpoint_dir: str | os.PathLike | None = None
    trained_dir: str | os.PathLike | None = None
    sepformer_dir: str | os.PathLike | None = None
    output_rate: int | None = None


def make(method: str, options: Options | None = None) -> Denoiser:
    """The denoiser of this name.

    Raises:
      InputError: there is none, or its weights cannot be read.
    """
    if method not in METHODS:
        raise InputError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    options = options or Options()
    if options.output_rate and method not in TRAINED:
        raise InputError(f"{method} has no output rate of its own; resample its output")
    return METHODS[method](options)


def denoise(
    samples: np.ndarray,
    sample_rate: int,
    method: str = "local_hypersound",
    seed: int = 0,
    options: Options | None = None,
) -> np.ndarray:
    """Denoised samples of the same shape, level and rate, float32.

    Args:
      samples: (samples,) or (samples, channels), float or signed integers.
      sample_rate: In Hz, any.
      method: A name of `METHODS`.
      seed: Of methods that draw.
      options: Settings of the method.

    Raises:
      InputError: unknown method, or samples that are no sound.
    """
    samples = np.asarray(samples)
    recording = audio.read(samples, sample_rate)
    ((_, estimate),) = denoise_recordings(make(method, options), [recording], [seed])
    return estimate.reshape(samples.shape)


def denoise_recordings(
    denoiser: Denoiser,
    recordings: Sequence[audio.Recording],
    seeds: Sequence[int],
    on_clips: OnClips = lambda clips: None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Position and estimate (samples, channels) of each, each channel by itself."""
    owners = [(i, c) for i, r in enumerate(recordings) for c in range(len(r.samples.T))]
    found: dict[int, dict[int, np.ndarray]] = {}
    estimates = denoiser(
        [recordings[i].samples[:, c] for i, c in owners],
        [recordings[i].sample_rate for i, _ in owners],
        [jax.random.fold_in(jax.random.key(seeds[i]), c) for i, c in owners],
        lambda clips: on_clips(clips * len(recordings) / len(owners)),
    )
    for position, estimate in estimates:
        i, channel = owners[position]
        done = found.setdefault(i, {})
        done[channel] = estimate
        if len(done) == recordings[i].samples.shape[1]:
            del found[i]
            columns = [done[c] for c in sorted(done)]
            # a long recording of one channel is not copied
            yield i, np.stack(columns, 1) if len(columns) > 1 else columns[0][:, None]


def _one_by_one(function) -> Denoiser:
    def denoiser(signals, sample_rates, keys, on_clips):
        del keys
        for i, (signal, rate) in enumerate(zip(signals, sample_rates, strict=True)):
            yield i, np.asarray(function(signal, rate), np.float32)
            on_clips(1)

    return denoiser


def _gain_field(options: Options) -> Denoiser:
    config = GainFieldConfig() if options.noise == "white" else GAIN_FIELD_RECORDED

    def denoiser(signals, sample_rates, keys, on_clips):
        return gain_denoiser.denoise_many(
            keys, signals, sample_rates, config, options.noise, on_clips
        )

    return denoiser


def _siren(options: Options) -> Denoiser:
    config = options.fit

    def fixed(signals, sample_rates, keys, on_clips):
        for i, fit in fit_many.fit_many(
            keys,
            signals,
            sample_rates,
            config,
            lambda steps: on_clips(steps / config.num_steps),
            options.checkpoint_dir,
        ):
            yield i, fit.estimate

    def stopped(signals, sample_rates, keys, on_clips):
        variances = [
            _white_variance(signal, rate)
            for signal, rate in zip(signals, sample_rates, strict=True)
        ]
        for i, fit in early_stopping.fit_many(
            keys, signals, sample_rates, variances, config, options.stop, on_clips
        ):
            yield i, fit.estimate

    return fixed if options.stop == "fixed" else stopped


def _white_variance(signal, sample_rate):
    power = np.abs(stft.analyse(signal, classical.window_of(sample_rate))) ** 2
    return noise_power.white(power).item()


def _trained(name: str, options: Options) -> Denoiser:
    model, params = pretrained.load(options.trained_dir or pretrained.SHIPPED / name)

    def denoiser(signals, sample_rates, keys, on_clips):
        del keys
        return trained_denoiser.denoise_many(
            model, params, signals, sample_rates, on_clips, options.output_rate
        )

    return denoiser


def _sepformer(options: Options) -> Denoiser:
    loaded = sepformer_weights.load(options.sepformer_dir)

    def denoiser(signals, sample_rates, keys, on_clips):
        del keys
        return sepformer_denoiser.denoise_many(*loaded, signals, sample_rates, on_clips)

    return denoiser


def _classic(function, options):
    return _one_by_one(functools.partial(function, noise=options.noise))


TRAINED = tuple(model_configs.MODELS)
METHODS: dict[str, Callable[[Options], Denoiser]] = {
    **{
        name: lambda options, function=function: _one_by_one(function)
        for name, function in baselines.BASELINES.items()
    },
    "wiener": functools.partial(_classic, classical.wiener),
    "log_mmse": functools.partial(_classic, classical.log_mmse),
    "siren": _siren,
    "gain_field": _gain_field,
    **{name: functools.partial(_trained, name) for name in TRAINED},
    "sepformer": _sepformer,
    "rnnoise": lambda options: _one_by_one(peers.rnnoise),
    "noisereduce": lambda options: _one_by_one(peers.noisereduce),
}
