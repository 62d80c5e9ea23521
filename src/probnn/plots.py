"""Draws arrays on axes; no function here runs a model. Each but `training_view` takes the axes first, and returns them."""

from __future__ import annotations

import math
from typing import Sequence

import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

# Ten colours told apart by readers with any colour vision, also in print; digit k has the k-th colour everywhere.
DIGIT_COLOURS = ("#000000", "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#7f7f7f", "#7a3b00")


def image_grid(ax: Axes, images: Tensor, columns: int, row_labels: Sequence[str] = (), column_labels: Sequence[str] = ()) -> Axes:
    """Grey images in rows, ink black on white paper, one pixel of space between them.

    Args:
        images: (N, 1, 28, 28) or (N, 28, 28), values in [0, 1], row by row.
        columns: images per row.
        row_labels, column_labels: written left of the rows and above the columns.

    Example:
        >>> image_grid(plt.figure().gca(), torch.rand(6, 1, 28, 28), columns=3).get_images()[0].get_array().shape
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
    ax.set_xticks([(width + 1) * c + width / 2 - 0.5 for c in range(len(column_labels))], column_labels)
    ax.set_yticks([(height + 1) * r + height / 2 - 0.5 for r in range(len(row_labels))], row_labels)
    ax.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    ax.spines[:].set_visible(False)
    ax.grid(False)
    return ax


def ribbon(ax: Axes, x: Tensor, mu: Tensor, sigma: Tensor, label: str | None = None, colour: str = "C0") -> Axes:
    """The curve mu(x) with the band mu +- 1.96 sigma, which holds 95 % of the data if the model is right.

    Args:
        x, mu: (N,), x increasing.
        sigma: (N,), or a single number.
    """
    x, mu = (torch.as_tensor(t).detach().cpu().flatten() for t in (x, mu))
    half = 1.96 * torch.as_tensor(sigma).detach().cpu().flatten()
    ax.plot(x, mu, color=colour, label=label)
    ax.fill_between(x, mu - half, mu + half, color=colour, alpha=0.25, linewidth=0)
    return ax


def trace(ax: Axes, values: Sequence[float], per_epoch: int = 1, window: int = 1, label: str | None = None, colour: str = "C0") -> Axes:
    """Values against training time in epochs: each one faintly, and their running mean over `window` steps.

    Args:
        values: one per step.
        per_epoch: steps per epoch.
        window: steps per mean; the mean is drawn at the end of its window.
    """
    values = np.asarray(values, dtype=float)
    epochs = (np.arange(len(values)) + 1) / per_epoch
    if 1 < window <= len(values):
        ax.plot(epochs, values, color=colour, alpha=0.25, linewidth=0.5)
        sums = np.concatenate([[0.0], values.cumsum()])
        epochs, values = epochs[window - 1 :], (sums[window:] - sums[:-window]) / window
    ax.plot(epochs, values, color=colour, label=label)
    ax.set_xlabel("epoch")
    return ax


def latent_scatter(ax: Axes, z: Tensor, labels: Tensor, size: float = 3.0) -> Axes:
    """Codes in two dimensions, coloured by digit, with the digit itself written at the median of its codes.

    Args:
        z: (N, 2) codes.
        labels: (N,) digits 0-9.
    """
    z, labels = z.detach().cpu().numpy(), labels.cpu().numpy()
    ax.scatter(z[:, 0], z[:, 1], s=size, c=np.array(DIGIT_COLOURS)[labels], linewidths=0, alpha=0.7)
    for digit in np.unique(labels):
        x, y = np.median(z[labels == digit], axis=0)
        box = {"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": DIGIT_COLOURS[digit]}
        ax.text(x, y, str(digit), ha="center", va="center", weight="bold", bbox=box)
    ax.set_xlabel("$z_1$")
    ax.set_ylabel("$z_2$")
    ax.set_aspect("equal")
    return ax


def training_view(values: Sequence[float], per_epoch: int, images: Tensor) -> Figure:
    """What to watch while a generator trains: the bound against epochs, and what the model generates now.

    Args:
        values: bounds, one per step, in nats per image.
        per_epoch: steps per epoch.
        images: (N, 1, 28, 28) pixel probabilities of fixed codes.
    """
    figure, (left, right) = plt.subplots(1, 2, width_ratios=(3, 2))
    trace(left, values, per_epoch, window=min(100, max(1, len(values) // 10)))
    if len(values) > 1:
        left.set_ylim(np.quantile(values, 0.05) - 5, max(values) + 5)
    left.set(title="bound during training", ylabel="nats per image")
    image_grid(right, images, columns=max(1, round(len(images) ** 0.5))).set_title("generated now")
    return figure
