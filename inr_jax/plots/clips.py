"""Figures of one clip: mel spectrograms and waveforms, all panels to the same scale."""

from collections.abc import Mapping

import matplotlib
import matplotlib.figure
import matplotlib.patches
import numpy as np

from inr_jax import metrics
from inr_jax.dsp.mel import mel_power
from inr_jax.plots import style

# librosa's own defaults, which the figures of the field use.
NUM_FFT, HOP, NUM_MELS = 2048, 512, 128
_TICKS = (0, 512, 1024, 2048, 4096, 8192, 16384)  # Hz
_STRETCHES = 1500
_WIDTH, _HEIGHT = 7.5, 1.5  # inches, of a figure and of a panel: a page holds 12
_COLORS = {
    "clean": style.OKABE_ITO["black"],
    "noisy": style.OKABE_ITO["sky blue"],
    "estimate": style.OKABE_ITO["vermilion"],
}
_FONT = dict.fromkeys(("font.size", "axes.titlesize", "figure.labelsize"), 8)
_FONT["figure.titlesize"] = 9


@matplotlib.rc_context(_FONT)
def mel_spectrograms(
    signals: Mapping[str, np.ndarray], sample_rate: int, title: str
) -> matplotlib.figure.Figure:
    """One panel a signal, all in dB relative to the loudest point of the first signal.

    Args:
      signals: Name to (samples,), of one clip and one length; the first is the
        reference of the dB scale.
      sample_rate: In Hz.
      title: Above the panels.
    """
    import librosa

    powers = [
        mel_power(x, sample_rate, NUM_FFT, HOP, NUM_MELS) for x in signals.values()
    ]
    reference, loudest = next(iter(signals)), max(np.max(powers[0]), 1e-10)
    bands = librosa.mel_frequencies(n_mels=NUM_MELS + 1, fmax=sample_rate / 2)
    starts = np.maximum(0, (np.arange(powers[0].shape[1]) - 0.5) * HOP)
    times = np.append(starts, len(signals[reference])) / sample_rate
    figure, panels = _panels(signals, title)
    for panel, power in zip(panels, powers, strict=True):
        level = 10 * np.log10(np.maximum(power / loudest, 1e-10))
        mesh = panel.pcolormesh(times, bands, level, cmap="magma", rasterized=True)
        mesh.set_clim(-style.TOP_DB, 0)
        panel.set_yscale("symlog", linthresh=1000, linscale=1)
        panel.minorticks_off()
    ticks = [tick for tick in _TICKS if tick <= bands[-1]]
    panels[0].set_yticks(ticks, [str(tick) for tick in ticks])
    panels[0].set(xlim=(0, times[-1]), ylim=(0, bands[-1]))
    figure.supylabel("Frequency (Hz)")
    label = f"Power (dB), 0 is the peak of {reference}"
    figure.colorbar(mesh, ax=panels, label=label, aspect=40, pad=0.02)
    return figure


@matplotlib.rc_context(_FONT)
def waveforms(
    signals: Mapping[str, np.ndarray], sample_rate: int, title: str
) -> matplotlib.figure.Figure:
    """Amplitude over time at natural level: each estimate over the noisy and clean clip.

    Quieter signals are drawn in front. Each panel states the gain: the least-squares level
    of the clean clip in it.

    Args:
      signals: Name to (samples,), of one clip and one length: the clean one, the noisy
        one, then estimates.
      sample_rate: In Hz.
      title: Above the panels.
    """
    clean, noisy, *_ = signals
    seconds = len(signals[clean]) / sample_rate
    limit = 1.05 * max(np.max(np.abs(x)) for x in signals.values()) or 1
    shown = [name for name in signals if name != clean]
    figure, panels = _panels(shown, title)
    for panel, name in zip(panels, shown, strict=True):
        roles = {name: "estimate", noisy: "noisy", clean: "clean"}
        for each in sorted(roles, key=lambda each: -np.std(signals[each])):
            starts, low, high = _envelope(signals[each])
            color = _COLORS[roles[each]]
            panel.fill_between(starts / sample_rate, low, high, color=color, lw=0.4)
        gain = metrics.gain(signals[clean], signals[name], sample_rate)
        panel.set_title(f"{name}, gain {gain:.2f}")
    panels[0].set(xlim=(0, seconds), ylim=(-limit, limit))
    figure.supylabel("Amplitude")
    patches = [
        matplotlib.patches.Patch(color=color, label=role)
        for role, color in _COLORS.items()
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _envelope(signal):
    """Starts of stretches finer than print, with the lowest and highest sample of each.

    Drawn instead of the samples themselves, of which a file holds too many.
    """
    count = min(len(signal), _STRETCHES)
    starts = np.arange(count) * len(signal) // count
    low, high = (f.reduceat(signal, starts) for f in (np.minimum, np.maximum))
    return starts, low, high


def _panels(names, title):
    """Titled panels on a figure as wide as a page, with one time and one level axis."""
    columns = 1 + (len(names) > 3) + (len(names) > 8)
    figure, panels = style.grid(
        len(names), columns, (_WIDTH / columns, _HEIGHT), sharex=True, sharey=True
    )
    for panel, name in zip(panels, names, strict=True):
        panel.set_title(name)
    for panel in panels[-columns:]:
        panel.set_xlabel("Time (s)")
    figure.suptitle(title, wrap=True)
    return figure, panels
