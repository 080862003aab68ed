"""Every method of this library behind one interface, by name.

A denoiser takes noisy signals with their rates and keys and yields estimates of the same
lengths, levels and rates; whoever calls it need not know which method it is.
"""

import dataclasses
import functools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

import jax
import numpy as np

from inr_jax.configs import networks
from inr_jax.configs.fitting import DnpConfig, FitConfig, GainFieldConfig
from inr_jax.dsp import noise_psd, stft
from inr_jax.enhancement import (
    classical,
    dnp,
    dnp_fits,
    external,
    gain_denoiser,
    neural,
    sepformer_denoiser,
    trivial,
)
from inr_jax.errors import InputError
from inr_jax.fitting import batch, early_stopping
from inr_jax.fitting.clip_fit import ClipFit
from inr_jax.models import pretrained
from inr_jax.models.sepformer import weights

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
      noise: Noise PSD estimator of `wiener`, `log_mmse` and `gain_field`: a name of
        `noise_psd.ESTIMATORS`.
      fit: Of `siren`.
      stop: When `siren` stops: "fixed", at its last step, or a rule of
        `early_stopping`.
      dnp: Of `dnp`.
      keep_fit: Called by `siren` for "fixed" with position and fit of each signal.
      start_from: Of `siren` for "fixed": a fit for each signal to go on from.
      checkpoint_dir: Where `dnp` keeps fits under way, and `siren` for "fixed".
      trained_dir: Weights of a trained method, instead of the shipped ones.
      sepformer_dir: Weights of `sepformer`, SpeechBrain's or a copy of ours.
      output_rate: Hz that a trained method evaluates its target networks at, instead
        of the rate of the input.
      finetune_steps: Of `hypersound`: of fits that begin with the emitted weights.
    """

    noise: str = "auto"
    fit: FitConfig = dataclasses.field(default_factory=FitConfig)
    stop: str = "fixed"
    dnp: DnpConfig = dataclasses.field(default_factory=DnpConfig)
    keep_fit: Callable[[int, ClipFit], None] = lambda position, fit: None
    start_from: Sequence[ClipFit] | None = None
    checkpoint_dir: str | os.PathLike | None = None
    trained_dir: str | os.PathLike | None = None
    sepformer_dir: str | os.PathLike | None = None
    output_rate: int | None = None
    finetune_steps: int = 0


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


class ReceptiveField(NamedTuple):
    """Which part of a signal an estimate depends on.

    Attributes:
      seconds: Before and after each sample.
      grid_s: A signal that begins this much later, or a multiple of it, has the same
        estimates.
    """

    seconds: float
    alignment_s: int


def receptive_field(method: str, options: Options) -> ReceptiveField | None:
    """How far a method hears; None where estimates depend on the whole signal."""
    if method != "local_hypersound":
        return None
    folder = networks.trained_dir(method, options.trained_dir)
    config = pretrained.load(folder)[0].config
    return ReceptiveField(config.receptive_field_s, config.alignment_s)


def _one_by_one(function) -> Denoiser:
    def denoiser(signals, sample_rates, keys, on_clips):
        del keys
        for i, (signal, rate) in enumerate(zip(signals, sample_rates, strict=True)):
            yield i, np.asarray(function(signal, rate), np.float32)
            on_clips(1)

    return denoiser


def _gain_field(options: Options) -> Denoiser:
    def denoiser(signals, sample_rates, keys, on_clips):
        return gain_denoiser.denoise_many(
            keys, signals, sample_rates, GainFieldConfig(), options.noise, on_clips
        )

    return denoiser


def _siren(options: Options) -> Denoiser:
    config = options.fit

    def fixed(signals, sample_rates, keys, on_clips):
        for i, fit in batch.fit_many(
            keys,
            signals,
            sample_rates,
            config,
            lambda steps: on_clips(steps / config.num_steps),
            options.checkpoint_dir,
            start_from=options.start_from,
        ):
            options.keep_fit(i, fit)
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


def _dnp(options: Options) -> Denoiser:
    config = options.dnp

    def denoiser(signals, sample_rates, keys, on_clips):
        del sample_rates  # its constants are in samples
        for i, fit in dnp_fits.fit_many(
            keys, signals, config, on_clips, options.checkpoint_dir
        ):
            estimate = dnp.masked(signals[i], fit.score, config.mask)
            yield i, estimate.astype(np.float32)

    return denoiser


def _white_variance(signal, sample_rate):
    power = np.abs(stft.analyse(signal, classical.window_of(sample_rate))) ** 2
    return noise_psd.white(power).item()


def _trained(name: str, options: Options) -> Denoiser:
    model, params = pretrained.load(networks.trained_dir(name, options.trained_dir))

    def denoiser(signals, sample_rates, keys, on_clips):
        del keys
        return neural.denoise_many(
            model,
            params,
            signals,
            sample_rates,
            on_clips,
            options.output_rate,
            options.finetune_steps,
        )

    return denoiser


def _sepformer(options: Options) -> Denoiser:
    loaded = weights.load(options.sepformer_dir)

    def denoiser(signals, sample_rates, keys, on_clips):
        del keys
        return sepformer_denoiser.denoise_many(*loaded, signals, sample_rates, on_clips)

    return denoiser


def _classic(function, options):
    return _one_by_one(functools.partial(function, noise_estimator=options.noise))


TRAINED = tuple(networks.MODELS)
METHODS: dict[str, Callable[[Options], Denoiser]] = {
    **{
        name: lambda options, function=function: _one_by_one(function)
        for name, function in trivial.BASELINES.items()
    },
    "wiener": functools.partial(_classic, classical.wiener),
    "log_mmse": functools.partial(_classic, classical.log_mmse),
    "siren": _siren,
    "gain_field": _gain_field,
    "dnp": _dnp,
    **{name: functools.partial(_trained, name) for name in TRAINED},
    "sepformer": _sepformer,
    "rnnoise": lambda options: _one_by_one(external.rnnoise),
    "noisereduce": lambda options: _one_by_one(external.noisereduce),
    "noisereduce_stationary": lambda options: _one_by_one(
        external.noisereduce_stationary
    ),
}
