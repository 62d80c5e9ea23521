"""Draws arrays on axes.

Each function takes the axes first and returns them, but `training_view`, which makes a figure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from matplotlib.figure import Figure
from torch import Tensor

from probnn.display.contours import mass_contours, mass_levels

__all__ = [
    "DIGIT_COLOURS",
    "ellipses",
    "image_grid",
    "latent_scatter",
    "mass_contours",
    "mass_levels",
    "ribbon",
    "trace",
    "training_view",
]

#: Ten colours told apart by readers with any colour vision, also in print; digit k has the k-th
#: colour everywhere.
DIGIT_COLOURS = (
    "#000000",
    "#e69f00",
    "#56b4e9",
    "#009e73",
    "#f0e442",
    "#0072b2",
    "#d55e00",
    "#cc79a7",
    "#7f7f7f",
    "#7a3b00",
)


def image_grid(
    ax: Axes,
    images: Tensor,
    columns: int,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
) -> Axes:
    """Grey images in rows, ink black on white paper, one pixel of space between them.

    Args:
        images: (N, 1, 28, 28) or (N, 28, 28), values in [0, 1], row by row.
        columns: images per row.
        row_labels, column_labels: written left of the rows and above the columns.

    Example:
        >>> ax = image_grid(plt.figure().gca(), torch.rand(6, 1, 28, 28), columns=3)
        >>> ax.get_images()[0].get_array().shape
        (57, 86)
    """
    images = torch.as_tensor(images).detach().cpu()
    height, width = images.shape[-2:]
    rows = math.ceil(len(images) / columns)
    canvas = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for i, image in enumerate(images.reshape(-1, height, width).numpy()):
        top, left = (i // columns) * (height + 1), (i % columns) * (width + 1)
        canvas[top : top + height, left : left + width] = image
    ax.imshow(canvas, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    ax.set_xticks(
        [(width + 1) * c + width / 2 - 0.5 for c in range(len(column_labels))], column_labels
    )
    ax.set_yticks([(height + 1) * r + height / 2 - 0.5 for r in range(len(row_labels))], row_labels)
    ax.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    ax.spines[:].set_visible(False)
    ax.grid(False)
    return ax


def ribbon(
    ax: Axes, x: Tensor, mu: Tensor, sigma: Tensor, label: str | None = None, colour: str = "C0"
) -> Axes:
    """The curve mu(x) with the band mu +- 1.96 sigma.

    The band holds 95 % of the data if the model is right.

    Args:
        x, mu: (N,), x increasing.
        sigma: (N,), or a single number.
    """
    x, mu = (torch.as_tensor(t).detach().cpu().flatten() for t in (x, mu))
    half = 1.96 * torch.as_tensor(sigma).detach().cpu().flatten()
    ax.plot(x, mu, color=colour, label=label)
    ax.fill_between(x, mu - half, mu + half, color=colour, alpha=0.25, linewidth=0)
    return ax


def trace(
    ax: Axes,
    values: Sequence[float],
    per_epoch: int = 1,
    window: int = 1,
    label: str | None = None,
    colour: str = "C0",
) -> Axes:
    """Values against training time in epochs.

    Each one faintly, and their running mean over `window` steps.

    Args:
        values: one per step.
        per_epoch: steps per epoch.
        window: steps per mean; the mean is drawn at the end of its window.
    """
    y = np.asarray(values, dtype=float)
    epochs = (np.arange(len(y)) + 1) / per_epoch
    if 1 < window <= len(y):
        ax.plot(epochs, y, color=colour, alpha=0.25, linewidth=0.5)
        sums = np.concatenate([[0.0], y.cumsum()])
        epochs, y = epochs[window - 1 :], (sums[window:] - sums[:-window]) / window
    ax.plot(epochs, y, color=colour, label=label)
    ax.set_xlabel("epoch")
    return ax


def latent_scatter(ax: Axes, z: Tensor, labels: Tensor, size: float = 3.0) -> Axes:
    """Codes in two dimensions, coloured by digit.

    The digit itself is written where its codes are densest.

    Args:
        z: (N, 2) codes.
        labels: (N,) digits 0-9.
    """
    z, labels = z.detach().cpu(), labels.cpu()
    colours = np.array(DIGIT_COLOURS)[labels.numpy()]
    ax.scatter(z[:, 0], z[:, 1], s=size, c=colours, linewidths=0, alpha=0.7)
    for digit in labels.unique().tolist():
        own = z[labels == digit][:500]
        reach = torch.cdist(own, own).kthvalue(min(20, len(own)), dim=1).values
        x, y = own[reach.argmin()].tolist()  # nearest to its neighbours
        box = {
            "boxstyle": "circle,pad=0.15",
            "facecolor": "white",
            "edgecolor": DIGIT_COLOURS[digit],
        }
        ax.text(x, y, str(digit), ha="center", va="center", weight="bold", bbox=box, clip_on=True)
    ax.set_xlabel("$z_1$")
    ax.set_ylabel("$z_2$")
    ax.set_aspect("equal")
    return ax


def ellipses(
    ax: Axes,
    mu: Tensor,
    sigma: Tensor,
    colours: Sequence[str] | str = "black",
    n_sigma: float = 2.0,
) -> Axes:
    """Axis-parallel ellipses mu +- n_sigma sigma: the uncertainty of two-dimensional codes.

    Args:
        mu, sigma: (N, 2).
        colours: one, or one for each.

    Example:
        >>> len(ellipses(plt.figure().gca(), torch.zeros(3, 2), torch.ones(3, 2)).collections)
        1
    """
    sizes = 2 * n_sigma * sigma.detach().cpu().numpy()
    zero = np.zeros(len(sizes))
    rings = EllipseCollection(
        sizes[:, 0],
        sizes[:, 1],
        zero,
        units="xy",
        offsets=mu.detach().cpu().numpy(),
        offset_transform=ax.transData,
    )
    rings.set(facecolor="none", edgecolor=colours, linewidth=1.0)
    ax.add_collection(rings)
    return ax


def training_view(
    values: Sequence[float],
    per_epoch: int,
    images: Tensor,
    quantity: str = "bound (nats per image)",
    shown: str = "generated now",
) -> Figure:
    """What to watch while a model trains.

    The bound, or a loss, against epochs, and what the model makes of something now.

    Args:
        values: one per step.
        per_epoch: steps per epoch.
        images: (N, 1, 28, 28) or (N, 28, 28), as pixel probabilities of fixed codes.
        quantity: what the values are, with its unit.
        shown: what the images are.
    """
    figure, (left, right) = plt.subplots(1, 2, width_ratios=(3, 2))
    trace(left, values, per_epoch, window=min(100, max(1, len(values) // 10)))
    if len(values) > 1:
        rising = values[-1] > values[0]
        # a plot must not end a training, even one that diverges
        finite = np.asarray(values)[np.isfinite(values)]
        # the first steps would hide the others
        shares = (0.05, 1.0) if rising else (0.0, 0.95)
        low, high = np.quantile(finite, shares) if len(finite) else (0.0, 0.0)
        if low < high:
            left.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))
    left.set(title="training", ylabel=quantity)
    image_grid(right, images, columns=max(1, round(len(images) ** 0.5))).set_title(shown)
    return figure
