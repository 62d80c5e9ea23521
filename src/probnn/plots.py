"""Draws arrays on axes; no function here runs a model. Each but `training_view` takes the axes first, and returns them."""

from __future__ import annotations

import math
import tempfile  # noqa: F401 (for the example)
from pathlib import Path
from typing import Sequence

import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
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
    """Codes in two dimensions, coloured by digit, with the digit itself written where its codes are densest.

    Args:
        z: (N, 2) codes.
        labels: (N,) digits 0-9.
    """
    z, labels = z.detach().cpu(), labels.cpu()
    ax.scatter(z[:, 0], z[:, 1], s=size, c=np.array(DIGIT_COLOURS)[labels.numpy()], linewidths=0, alpha=0.7)
    for digit in labels.unique().tolist():
        own = z[labels == digit][:500]
        x, y = own[torch.cdist(own, own).kthvalue(min(20, len(own)), dim=1).values.argmin()].tolist()  # nearest to its neighbours
        box = {"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": DIGIT_COLOURS[digit]}
        ax.text(x, y, str(digit), ha="center", va="center", weight="bold", bbox=box, clip_on=True)
    ax.set_xlabel("$z_1$")
    ax.set_ylabel("$z_2$")
    ax.set_aspect("equal")
    return ax


def ellipses(ax: Axes, mu: Tensor, sigma: Tensor, colours: Sequence[str] | str = "black", n_sigma: float = 2.0) -> Axes:
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
    rings = EllipseCollection(sizes[:, 0], sizes[:, 1], zero, units="xy", offsets=mu.detach().cpu().numpy(), offset_transform=ax.transData)
    rings.set(facecolor="none", edgecolor=colours, linewidth=1.0)
    ax.add_collection(rings)
    return ax


def mass_levels(log_density: Tensor, masses: Sequence[float] = (0.5, 0.9, 0.99)) -> list[float]:
    """The levels of a log density on an even grid above which the given shares of its mass lie.

    The region above such a level is the smallest that holds that share. (Fixed fractions of the maximum say nothing about mass.)

    Args:
        log_density: any shape, need not be normalised; the grid must hold practically all of the mass.
        masses: shares, each between 0 and 1.

    Returns:
        One level for each share, in the order of `masses`.

    Raises:
        ValueError: for shares outside (0, 1).

    Example:
        >>> axis = torch.linspace(-6, 6, 401)
        >>> levels = mass_levels(-(axis[:, None] ** 2 + axis**2) / 2)  # r^2 of a 2-D normal: -2 log(1 - mass)
        >>> [round(-2 * level, 1) for level in levels]
        [1.4, 4.6, 9.2]
    """
    if not all(0 < mass < 1 for mass in masses):
        raise ValueError(f"expected shares between 0 and 1, got {list(masses)}")
    ordered = log_density.detach().cpu().double().flatten().sort(descending=True).values
    held = (ordered - ordered[0]).exp().cumsum(0)
    return [ordered[int((held < mass * held[-1]).sum())].item() for mass in masses]


def mass_contours(
    ax: Axes, x: Tensor, y: Tensor, log_density: Tensor, masses: Sequence[float] = (0.5, 0.9, 0.99), colour: str = "C0", label: str | None = None, style: str = "solid"
) -> Axes:
    """Contours around the smallest regions that hold the given shares of the mass of a density.

    Args:
        x, y: (X,) and (Y,) evenly spaced.
        log_density: (X, Y), as from a grid of `torch.cartesian_prod(x, y)`; need not be normalised.
        masses: shares; the smaller, the thicker the line.
        label: for the legend.
        style: "solid", "dashed" ...
    """
    values = log_density.detach().cpu().double()
    levels = sorted(set(mass_levels(values, masses)))  # of a density narrower than the grid some coincide
    floor = min(levels) - 10  # far below, contours need no precision, and -inf would break them
    widths = np.linspace(0.8, 2.0, len(levels))
    ax.contour(x.cpu(), y.cpu(), values.clamp(min=floor).T, levels=levels, colors=[colour] * len(levels), linewidths=widths, linestyles=style)
    if label:
        ax.plot([], [], color=colour, linestyle=style, label=label)
    return ax


def animate(snapshots: Sequence[Tensor], labels: Tensor, path: str | Path, every: int = 1, seconds: float = 8.0) -> Path:
    """Writes a GIF of map points that move, coloured by digit, the view following their extent.

    Args:
        snapshots: (N, 2) points each, in order.
        labels: (N,) digits 0-9.
        path: of the GIF.
        every: steps between snapshots, for the title.
        seconds: of one round.

    Returns:
        The path.

    Example:
        >>> animate([torch.randn(50, 2) for _ in range(3)], torch.arange(50) % 10, tempfile.mkdtemp() + "/map.gif").name
        'map.gif'
    """
    path, points = Path(path), [snapshot.detach().cpu().numpy() for snapshot in snapshots]
    figure, ax = plt.subplots(figsize=(4, 4.2), dpi=80)
    dots = ax.scatter(*points[0].T, s=5, c=np.array(DIGIT_COLOURS)[labels.cpu().numpy()], linewidths=0)
    ax.set(xticks=[], yticks=[], aspect="equal")

    def frame(k: int) -> None:
        dots.set_offsets(points[k])
        extent = 1.05 * np.abs(points[k]).max()
        ax.set(xlim=(-extent, extent), ylim=(-extent, extent), title=f"step {k * every}")

    animation = FuncAnimation(figure, frame, frames=len(points))
    partial = path.with_name(path.name + ".partial.gif")
    animation.save(partial, writer=PillowWriter(fps=len(points) / seconds))
    plt.close(figure)
    return partial.replace(path)


def training_view(values: Sequence[float], per_epoch: int, images: Tensor, quantity: str = "bound (nats per image)", shown: str = "generated now") -> Figure:
    """What to watch while a model trains: the bound, or a loss, against epochs, and what the model makes of something now.

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
        finite = np.asarray(values)[np.isfinite(values)]  # a plot must not end a training, even one that diverges
        low, high = np.quantile(finite, (0.05, 1.0) if rising else (0.0, 0.95)) if len(finite) else (0.0, 0.0)  # the first steps would hide the others
        if low < high:
            left.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))
    left.set(title="training", ylabel=quantity)
    image_grid(right, images, columns=max(1, round(len(images) ** 0.5))).set_title(shown)
    return figure
