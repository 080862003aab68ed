"""Every denoising method of this library, by name."""

import functools
import importlib
import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from inr_jax.configs import methods
from inr_jax.configs.fitting import DnpConfig
from inr_jax.configs.methods import (
    ClassicalConfig,
    GainFieldMethod,
    HyperGainMethod,
    HyperSoundMethod,
    NoSettings,
    OnnxMethod,
    SepformerMethod,
    SirenMethod,
    TrainedMethod,
)
from inr_jax.enhancement.driver import Denoiser, Result
from inr_jax.errors import InputError
from inr_jax.io.weights import trained_dir

# Longer recordings are filtered in windows, in bounded memory.
CLASSICAL_WINDOW_S = 120.0
SAMPLE_WINDOW_S = 10.0
# Channels that fits take together; each kind of fit makes its own batches of them.
FITS_TOGETHER = 64


def make(
    method: str,
    config: Any = None,
    checkpoint_dir: str | os.PathLike | None = None,
) -> Denoiser:
    """The denoiser of a name.

    Args:
      method: A name of `inr_jax.configs.methods.METHODS`.
      config: Its settings, as of `METHODS` there; the default ones where None.
      checkpoint_dir: Folder for the state of long fits, which resume from there.

    Raises:
      InputError: there is no such method, or its weights or its package cannot be
        loaded.
    """
    config = methods.replace(method) if config is None else config
    if method in _FITS:
        return _FITS[method](config, checkpoint_dir)
    return _MAKE[method](config)


def is_fitted(method: str) -> bool:
    """Whether a method fits long enough to keep its state in a `checkpoint_dir`."""
    return method in _FITS


def _signal_by_signal(
    function: Callable[[np.ndarray, int], np.ndarray],
    window_s: float | None = None,
    receptive_field_s: tuple[float, float] | None = None,
    linked: bool = False,
    sample_rate: int | None = None,
) -> Denoiser:
    """A method that is a function of a signal (samples,) and its rate."""

    def run(windows, size, on_windows):
        del size, on_windows
        for i, window in enumerate(windows):
            yield Result(i, function(window.samples, window.sample_rate))

    return Denoiser(
        run,
        sample_rate=sample_rate,
        window_s=window_s,
        receptive_field_s=receptive_field_s,
        linked=linked,
    )


def _function(module: str, name: str, config: NoSettings) -> Denoiser:
    del config
    return _signal_by_signal(getattr(_module(module), name))


def _external(name: str, config: NoSettings) -> Denoiser:
    _module("external").require(name)  # before any file is read
    return _function("external", name, config)


def _sample_by_sample(name: str, config: NoSettings) -> Denoiser:
    del config
    return _signal_by_signal(
        getattr(_module("trivial"), name), SAMPLE_WINDOW_S, (0.0, 0.0)
    )


def _classical(name: str, config: ClassicalConfig) -> Denoiser:
    function = getattr(_module("classical"), name)
    return _signal_by_signal(
        functools.partial(function, noise_estimator=config.noise_estimator),
        CLASSICAL_WINDOW_S,
        linked=config.channels == "linked",
    )


def _gain_field(config: GainFieldMethod) -> Denoiser:
    return _module("gain_denoiser").denoiser(config)


def _fits(
    fit: Callable[..., Iterable[tuple[int, Any]]], estimate: Callable
) -> Denoiser:
    """A method that fits something to each channel.

    Args:
      fit: Of keys, signals, sample rates, names and a function to call with signals done
        since the last call: positions and fits.
      estimate: Of a window and its fit, the estimate (samples,).
    """

    def run(windows, size, on_windows):
        del size
        fits = fit(
            [window.key for window in windows],
            [window.samples for window in windows],
            [window.sample_rate for window in windows],
            [window.name for window in windows],
            on_windows,
        )
        for i, fitted in fits:
            yield Result(i, estimate(windows[i], fitted), fitted.work_s)

    return Denoiser(run, lambda size: FITS_TOGETHER)


def _siren(config: SirenMethod, checkpoint_dir: Any) -> Denoiser:
    if config.stop != "fixed":
        return _early_stopped_siren(config, checkpoint_dir)
    from inr_jax.fitting import batch

    fit = batch.fitter(config, checkpoint_dir)
    return _fits(fit, lambda window, fitted: fitted.estimate)


def _early_stopped_siren(config: SirenMethod, checkpoint_dir: Any) -> Denoiser:
    from inr_jax.dsp import noise_psd
    from inr_jax.enhancement.classical import mean_power, spectra, window_of
    from inr_jax.fitting import early_stopping

    def white_variance(signal, sample_rate):
        power = mean_power(spectra(signal, window_of(sample_rate)))
        return noise_psd.white(power).item()

    def fit(keys, signals, sample_rates, names, on_signals):
        return early_stopping.fit_batch(
            keys,
            signals,
            sample_rates,
            list(map(white_variance, signals, sample_rates)),
            config,
            config.stop,
            on_signals,
            checkpoint_dir,
            names=names,
        )

    return _fits(fit, lambda window, fitted: fitted.estimate)


def _dnp(config: DnpConfig, checkpoint_dir: Any) -> Denoiser:
    from inr_jax.enhancement import dnp

    def fit(keys, signals, sample_rates, names, on_signals):
        del sample_rates  # its constants are in samples
        return dnp.fit_batch(
            keys, signals, config, on_signals, checkpoint_dir, names=names
        )

    def estimate(window, fitted):
        return dnp.apply_mask(
            window.samples, fitted.score, config.mask, window.sample_rate
        )

    return _fits(fit, estimate)


def _hyper_gain(name: str, config: HyperGainMethod) -> Denoiser:
    loaded = _pretrained("hyper_gain", trained_dir(name, config.weights))
    if name == "hyper_gain_live" and not loaded[0].config.causal:
        raise InputError(f"{config.weights}: looks ahead; give it to hyper_gain")
    return _module("neural").hyper_gain(*loaded, config.channels == "linked")


def _hyper_siren(config: TrainedMethod) -> Denoiser:
    loaded = _pretrained("hyper_siren", config.weights)
    return _module("neural").hyper_siren(*loaded, config.output_rate)


def _hypersound(config: HyperSoundMethod) -> Denoiser:
    if config.weights is None:
        raise InputError(
            "hypersound comes without weights: train it by `inr-jax train "
            "--network=hypersound` and give the folder as hypersound:weights=FOLDER, or "
            "use its successor hyper_siren"
        )
    loaded = _pretrained("hypersound", config.weights)
    return _module("neural").hypersound(
        *loaded, config.output_rate, config.finetune_steps
    )


def _pretrained(name, folder):
    from inr_jax.models import pretrained

    folder = trained_dir(name, folder)
    model, params = pretrained.load(folder)
    found = pretrained.name_of(model.config)
    if found != name:
        raise InputError(f"{folder}: holds weights of {found}, not of {name}")
    return model, params


def _sepformer(config: SepformerMethod) -> Denoiser:
    from inr_jax.models.sepformer import weights

    return _module("neural").sepformer(*weights.load(config.weights))


def _onnx(config: OnnxMethod) -> Denoiser:
    network = _module("streaming_onnx").load(config)
    return _signal_by_signal(network.denoise, sample_rate=network.rate)


def _module(module):
    """A module of this folder, loaded by the methods that need it alone."""
    return importlib.import_module(f"inr_jax.enhancement.{module}")


# Those whose state can be kept while they run.
_FITS: dict[str, Callable[[Any, Any], Denoiser]] = {"siren": _siren, "dnp": _dnp}
_MAKE: dict[str, Callable[[Any], Denoiser]] = {
    **{
        name: functools.partial(_sample_by_sample, name)
        for name in ("noisy", "silence")
    },
    "lowpass": functools.partial(_function, "trivial", "lowpass"),
    **{name: functools.partial(_classical, name) for name in ("wiener", "log_mmse")},
    "gain_field": _gain_field,
    **{
        name: functools.partial(_hyper_gain, name)
        for name in ("hyper_gain", "hyper_gain_live")
    },
    "hyper_siren": _hyper_siren,
    "hypersound": _hypersound,
    "sepformer": _sepformer,
    **{
        name: functools.partial(_external, name)
        for name in (
            *("rnnoise", "deepfilternet3", "nsnet2"),
            *("noisereduce", "noisereduce_stationary"),
        )
    },
    "onnx": _onnx,
}
