"""Common style of all figures: colours, the range of a spectrogram, panels, files."""

import os
import pathlib

import matplotlib.figure

from inr_jax.io.atomic import replacing

TOP_DB = 80
# Safe for colour-blind readers: for a few lines those of Okabe and Ito, for up to ten
# the muted ones of Paul Tol.
OKABE_ITO = {
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "orange": "#E69F00",
    "sky blue": "#56B4E9",
    "black": "#000000",
}
TOL_MUTED = (
    *("#332288", "#CC6677", "#117733", "#88CCEE", "#AA4499", "#DDCC77"),
    *("#882255", "#44AA99", "#999933", "#666666"),
)


def grid(
    count: int, columns: int, size: tuple[float, float], **options
) -> tuple[matplotlib.figure.Figure, list]:
    """A figure and its panels, line by line.

    Args:
      count: Panels.
      columns: Panels in a line, at most.
      size: Width and height of a panel in inches.
      options: Of `subplots`, as `sharex`; the lowest panel of every column has labels.
    """
    columns = max(1, min(columns, count))
    lines = max(1, -(-count // columns))
    figure = matplotlib.figure.Figure(
        figsize=(size[0] * columns, size[1] * lines), layout="constrained"
    )
    panels = figure.subplots(lines, columns, squeeze=False, **options).ravel()
    for panel in panels[count:]:
        panel.set_axis_off()
    for panel in panels[max(0, count - columns) : count]:
        panel.tick_params(labelbottom=True)
    return figure, list(panels[:count])


def save(figure: matplotlib.figure.Figure, path: str | os.PathLike) -> None:
    """Writes a file of the format that its ending names."""
    with replacing(path) as new:
        figure.savefig(new, format=pathlib.Path(path).suffix[1:], dpi=200)
