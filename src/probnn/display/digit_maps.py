"""Maps of digits side by side, and the key of their colours."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from probnn.display.plots import DIGIT_COLOURS

__all__ = ["digit_key", "show_maps"]

WIDTH = 8.0  # of a figure, in inches
SMALLEST, LARGEST = 0.3, 5.0  # areas of a point, in square points


def digit_key(figure: Figure) -> None:
    """Which colour is which digit, at the right of a figure with constrained layout.

    Example:
        >>> figure = plt.figure(layout="constrained")
        >>> digit_key(figure)
        >>> [text.get_text() for text in figure.legends[0].get_texts()][:3]
        ['0', '1', '2']
    """
    marks = [
        Line2D([], [], linestyle="", marker="o", color=colour, label=str(digit))
        for digit, colour in enumerate(DIGIT_COLOURS)
    ]
    figure.legend(
        handles=marks, title="digit", loc="outside right center", frameon=False, handletextpad=0.0
    )


def show_maps(
    maps: Mapping[str, Tensor], labels: Tensor, columns: int = 2, title: str = ""
) -> Figure:
    """Maps in rows, each about its own centre and to its own scale, with one key of the digits.

    Args:
        maps: (N, 2) points by the title of the map; they may differ in N.
        labels: (N,) digits 0-9 of the largest; the others are of its first points.
        columns: maps per row.
        title: of the figure.

    Example:
        >>> import torch
        >>> maps = {"start": torch.randn(50, 2), "end": torch.randn(50, 2)}
        >>> figure = show_maps(maps, torch.arange(50) % 10)
        >>> [ax.get_title() for ax in figure.axes]
        ['start', 'end']
    """
    rows = math.ceil(len(maps) / columns)
    height = (WIDTH - 0.7) / columns + 0.1
    figure, axes = plt.subplots(
        rows, columns, figsize=(WIDTH, rows * height), layout="constrained", squeeze=False
    )
    colours = np.array(DIGIT_COLOURS)[labels.cpu().numpy()]
    for ax, (name, points) in zip(axes.flat, maps.items(), strict=False):
        _map(ax, points, colours[: len(points)]).set_title(name)
    for ax in axes.flat[len(maps) :]:
        ax.set_visible(False)
    digit_key(figure)
    if title:
        figure.suptitle(title, x=0.01, ha="left", size="large")
    return figure


def _map(ax: Axes, points: Tensor, colours: np.ndarray) -> Axes:
    x, y = (points - points.mean(0)).detach().cpu().numpy().T
    size = min(LARGEST, max(SMALLEST, 5000 / len(points)))
    # without antialiasing: a third of the file, and dots keep their colours
    ax.scatter(x, y, s=size, c=colours, linewidths=0, antialiased=False)
    extent = 1.05 * max(np.abs(x).max(), np.abs(y).max())
    ax.set(xlim=(-extent, extent), ylim=(-extent, extent), aspect="equal")
    ax.locator_params(nbins=4)
    ax.tick_params(labelsize=8)
    return ax
