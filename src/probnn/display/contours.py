"""Contours of densities, by the share of the mass that they enclose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

__all__ = ["mass_contours", "mass_levels"]


def mass_levels(log_density: Tensor, masses: Sequence[float] = (0.5, 0.9, 0.99)) -> list[float]:
    """The levels of a log density on an even grid above which the given shares of its mass lie.

    The region above such a level is the smallest that holds that share. (Fixed fractions of the
    maximum say nothing about mass.)

    Args:
        log_density: any shape, need not be normalised; the grid must hold practically all of the
            mass.
        masses: shares, each between 0 and 1.

    Returns:
        One level for each share, in the order of `masses`.

    Raises:
        ValueError: for shares outside (0, 1).

    Example:
        >>> import torch
        >>> axis = torch.linspace(-6, 6, 401)
        >>> levels = mass_levels(-(axis[:, None] ** 2 + axis**2) / 2)
        >>> [round(-2 * level, 1) for level in levels]  # r^2 of a 2-D normal: -2 log(1 - mass)
        [1.4, 4.6, 9.2]
    """
    if not all(0 < mass < 1 for mass in masses):
        raise ValueError(f"expected shares between 0 and 1, got {list(masses)}")
    ordered = log_density.detach().cpu().double().flatten().sort(descending=True).values
    held = (ordered - ordered[0]).exp().cumsum(0)
    return [ordered[int((held < mass * held[-1]).sum())].item() for mass in masses]


def mass_contours(
    ax: Axes,
    x: Tensor,
    y: Tensor,
    log_density: Tensor,
    masses: Sequence[float] = (0.5, 0.9, 0.99),
    colour: str = "C0",
    label: str | None = None,
    style: str = "solid",
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
    # of a density narrower than the grid some coincide
    levels = sorted(set(mass_levels(values, masses)))
    floor = min(levels) - 10  # far below, contours need no precision, and -inf would break them
    widths = np.linspace(0.8, 2.0, len(levels))
    ax.contour(
        x.cpu(),
        y.cpu(),
        values.clamp(min=floor).T,
        levels=levels,
        colors=[colour] * len(levels),
        linewidths=widths,
        linestyles=style,
    )
    if label:
        ax.plot([], [], color=colour, linestyle=style, label=label)
    return ax
