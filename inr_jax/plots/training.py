"""How a training went: losses and validation scores over steps, from its log."""

from collections.abc import Mapping, Sequence

import matplotlib
import matplotlib.figure
import numpy as np

from inr_jax.plots import style

_COLORS = tuple(style.OKABE_ITO.values())
# Of what was validated, the first three.
_LABELS = {
    "si_sdr": "SI-SDR (dB)",
    "pesq": "PESQ",
    "stoi": "STOI",
    "high_sdr": "SDR from 8 to 20 kHz (dB)",
}


def draw(log: Sequence[Mapping[str, float]]) -> matplotlib.figure.Figure:
    """Loss and validation scores over steps, from the lines of `log.jsonl`."""
    training = [line for line in log if "loss" in line]
    validation = [line for line in log if "loss" not in line]
    figure = matplotlib.figure.Figure(figsize=(10, 6.5), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True).ravel()
    if training:
        panels[0].plot(
            [line["step"] for line in training],
            [line["loss"] for line in training],
            color=_COLORS[0],
        )
    panels[0].set(ylabel="Training loss")
    scored = [key.split("/") for line in validation for key in line if "/" in key]
    names = [name for name in _LABELS if name in {name for _, name in scored}]
    for panel, name in zip(panels[1:], names, strict=False):
        for color, kind in zip(
            _COLORS, dict.fromkeys(kind for kind, _ in scored), strict=False
        ):
            key = f"{kind}/{name}"
            points = np.array([(v["step"], v[key]) for v in validation if key in v])
            panel.plot(*points.reshape(-1, 2).T, ".-", color=color, label=kind)
        panel.set(ylabel=_LABELS[name])
    if validation:
        panels[1].legend(title="Validation noise")
    for panel in panels:
        panel.grid(alpha=0.3)
        panel.set_xlabel("Step")
    return figure


def overfit(lines: Sequence[Mapping[str, float]]) -> matplotlib.figure.Figure:
    """Loss and SI-SDR of the one batch that is trained on, over steps."""
    figure = matplotlib.figure.Figure(figsize=(8, 3.4), layout="constrained")
    steps = [line["step"] for line in lines]
    named = (("loss", "Loss"), ("si_sdr", "SI-SDR (dB)"))
    for panel, (name, label) in zip(figure.subplots(1, 2), named, strict=True):
        panel.plot(steps, [line[name] for line in lines], color=_COLORS[0])
        panel.set(xlabel="Step", ylabel=label)
        panel.grid(alpha=0.3)
    return figure
