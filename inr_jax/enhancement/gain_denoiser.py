"""The gain field as a denoiser: many windows at once, gains applied to their STFT."""

from typing import NamedTuple

import numpy as np

from inr_jax.configs.methods import GainFieldMethod
from inr_jax.dsp import noise_psd, overlap_add, stft
from inr_jax.enhancement import gain_field
from inr_jax.enhancement.classical import (
    OVERLAP,
    decision_directed,
    log_mmse_gain,
    mean_noise_psd,
    mean_power,
    spectra,
    window_of,
    with_gain,
)
from inr_jax.enhancement.driver import Denoiser, Result
from inr_jax.parallel import bucketing
from inr_jax.parallel.compute import ComputeConfig, default_compute

# Speech has next to nothing below; rumble and hum, where noise is not white, have a lot.
LOWEST_HZ = 50.0
# Keeps the prior SNR G / (1 - G) at 30 dB or below.
_LARGEST_GAIN = 0.999
# Longer clips are denoised in windows that overlap by an eighth.
WINDOW_S = 20.0


def denoiser(config: GainFieldMethod, compute: ComputeConfig | None = None) -> Denoiser:
    """Fits gain fields to windows and applies them.

    Args:
      config: Of the fits. What it leaves open follows from the noise of each channel.
      compute: By default what suits the device.
    """
    compute = compute or default_compute()

    def context(signal, sample_rate):
        return _noise_of(signal, sample_rate, config.noise_estimator)

    def run(windows, size, on_windows):
        del on_windows
        for is_white in (True, False):
            own = [i for i, w in enumerate(windows) if w.context.is_white == is_white]
            if own:
                chosen = [windows[i] for i in own]
                settings = config.for_noise(is_white)
                estimates = _denoise(chosen, size, settings, compute)
                yield from map(Result, own, estimates)

    return Denoiser(
        run,
        lambda size: compute.num_devices * max(1, compute.batch_samples // size),
        bucketing.bucket_size,
        window_s=WINDOW_S,
        context=context,
        linked=config.channels == "linked",
    )


class _Noise(NamedTuple):
    """Of a channel: its estimator, and the PSD that its windows share if it is constant."""

    is_white: bool
    estimator: str
    psd: np.ndarray | None = None

    def posterior_snr(self, channels):
        """Mean power (frames, bins) of a window over that of the noise."""
        psd = self.psd
        if psd is None:
            psd = mean_noise_psd(channels, self.estimator)
        return mean_power(channels) / psd


def _noise_of(signal, sample_rate, estimator):
    frame = window_of(sample_rate)
    windows = overlap_add.split_overlapping(signal, round(WINDOW_S * sample_rate))
    windows = [x for x in windows if np.any(x)] or windows[:1]  # silence tells nothing
    # spectra are computed twice rather than kept: a recording may be long
    found = {
        noise_psd.is_white(mean_power(spectra(window, frame))) for window in windows
    }
    is_white = True in found and False not in found
    if estimator == "auto":  # of all channels and windows the same
        estimator = "white" if is_white else "two_sided"
    if estimator in ("mmse_spp", "two_sided"):
        return _Noise(is_white, estimator)
    estimates = [mean_noise_psd(spectra(x, frame), estimator) for x in windows]
    return _Noise(is_white, estimator, np.median(estimates, axis=0))


def _denoise(windows, size, config, compute):
    sample_rate = windows[0].sample_rate
    frame = window_of(sample_rate)
    num_frames = stft.num_frames(size, frame, frame // OVERLAP)
    channels = [spectra(window.samples, frame) for window in windows]
    ratios = [
        window.context.posterior_snr(of_window)
        for of_window, window in zip(channels, windows, strict=True)
    ]
    padded = [
        np.pad(ratio, ((0, num_frames - len(ratio)), (0, 0)), mode="edge")
        for ratio in ratios
    ]
    gains = gain_field.fit_gains(
        [window.key for window in windows],
        np.stack(padded).astype(np.float32),
        np.array([len(ratio) for ratio in ratios]),
        sample_rate,
        config,
        compute,
    )
    lowest = int(np.ceil(LOWEST_HZ * frame / sample_rate))
    for of_window, ratio, gain, window in zip(
        channels, ratios, gains, windows, strict=True
    ):
        gain = _estimator(gain[: len(ratio)], ratio, config)
        if not window.context.is_white:
            gain[:, :lowest] = 0
        yield with_gain(of_window, gain, window.samples.shape)


def _estimator(gain, ratio, config):
    """Gains to apply, from those of the least squared error and posterior SNRs."""
    if not config.log_amplitude:
        return np.maximum(gain**config.exponent, config.floor)
    prior = gain / (1 - np.minimum(gain, _LARGEST_GAIN))
    return decision_directed(ratio, log_mmse_gain, prior)
