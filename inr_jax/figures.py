"""Figures of one clip: mel spectrograms and waveforms of the same clip, same scale."""

import os
import pathlib
from collections.abc import Mapping

import matplotlib
import matplotlib.figure
import numpy as np

from inr_jax import metrics
from inr_jax.files import replacing

# librosa's own defaults, which the figures of the field use.
NUM_FFT, HOP, NUM_MELS = 2048, 512, 128
TOP_DB = 80
# Okabe and Ito: safe for colour-blind readers.
_COLORS = ("#000000", "#56B4E9", "#D55E00")


def mel_spectrograms(
    signals: Mapping[str, np.ndarray], sample_rate: int, title: str
) -> matplotlib.figure.Figure:
    """One panel a signal, all in dB below the loudest point of the first signal.

    Args:
      signals: Name to (samples,), of one clip and one length; the first is the
        reference of the dB scale.
      sample_rate: In Hz.
      title: Above the panels.
    """
    import librosa

    powers = [
        librosa.feature.melspectrogram(
            y=np.asarray(x, np.float32),
            sr=sample_rate,
            n_fft=NUM_FFT,
            hop_length=HOP,
            n_mels=NUM_MELS,
        )
        for x in signals.values()
    ]
    loudest = max(np.max(powers[0]), 1e-10)
    edges = librosa.mel_frequencies(n_mels=NUM_MELS, fmax=sample_rate / 2)
    figure, panels = _panels(len(powers), height=2.4)
    for panel, name, power in zip(panels, signals, powers, strict=True):
        level = 10 * np.log10(np.maximum(power / loudest, 1e-10))
        times = np.arange(power.shape[1]) * HOP / sample_rate
        mesh = panel.pcolormesh(
            times, edges, level, vmin=-TOP_DB, vmax=0, cmap="magma", rasterized=True
        )
        panel.set(title=name, ylabel="Frequency (Hz)", yscale="symlog")
        panel.set_yscale("symlog", linthresh=1000, linscale=1)
        ticks = [t for t in (0, 512, 1024, 2048, 4096, 8192, 16384) if t <= edges[-1]]
        panel.set_yticks(ticks, [str(t) for t in ticks])
        panel.set_ylim(0, edges[-1])
        panel.minorticks_off()
    panels[-1].set_xlabel("Time (s)")
    reference = next(iter(signals))
    figure.colorbar(mesh, ax=panels, label=f"dB below the peak of {reference}")
    figure.suptitle(title)
    return figure


def waveforms(
    signals: Mapping[str, np.ndarray], sample_rate: int, title: str
) -> matplotlib.figure.Figure:
    """Amplitude over time at natural level: all signals overlaid, then each alone.

    Each panel states the gain: the least-squares level of the first signal in it.

    Args:
      signals: Name to (samples,), at most three, of one clip and one length; the first
        is the reference of the gain.
      sample_rate: In Hz.
      title: Above the panels.
    """
    figure, panels = _panels(len(signals) + 1, height=1.6)
    limit = 1.05 * max(np.max(np.abs(x)) for x in signals.values()) or 1
    loud_first = sorted(signals, key=lambda name: -np.std(signals[name]))
    colors = dict(zip(signals, _COLORS, strict=False))
    for name in loud_first:
        _draw(panels[0], signals[name], sample_rate, colors[name], name)
    panels[0].legend(loc="upper right", ncols=len(signals), fontsize="small")
    for panel, name in zip(panels[1:], signals, strict=True):
        _draw(panel, signals[name], sample_rate, colors[name], name)
        gain = metrics.gain(next(iter(signals.values())), signals[name], sample_rate)
        panel.set_title(f"{name}, gain {gain:.2f}", loc="left", fontsize="small")
    for panel in panels:
        panel.set(ylabel="Amplitude", ylim=(-limit, limit))
        panel.margins(x=0)
    panels[-1].set_xlabel("Time (s)")
    figure.suptitle(title)
    return figure


def save(figure: matplotlib.figure.Figure, path: str | os.PathLike) -> None:
    """Writes a file of the format that its ending names."""
    with replacing(path) as aside:
        figure.savefig(aside, format=pathlib.Path(path).suffix[1:], dpi=120)


def _panels(count, height):
    figure = matplotlib.figure.Figure(
        figsize=(10, height * count), layout="constrained"
    )
    panels = figure.subplots(count, sharex=True, sharey=True, squeeze=False)
    return figure, list(panels[:, 0])


def _draw(panel, samples, sample_rate, color, label):
    times = np.arange(len(samples)) / sample_rate
    panel.plot(times, samples, color=color, linewidth=0.5, label=label, rasterized=True)
