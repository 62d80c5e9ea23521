"""How a digit is written, in numbers: how much ink, and how far it leans."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["ink", "slant"]


def ink(images: Tensor) -> Tensor:
    """Sum of the grey levels, in pixels' worth of ink: (...).

    Args:
        images: (..., H, W), values in [0, 1].

    Example:
        >>> ink(torch.full((5, 1, 28, 28), 0.5)).shape, ink(torch.ones(28, 28))
        (torch.Size([5, 1]), tensor(784.))
    """
    return images.sum((-2, -1))


def slant(images: Tensor) -> Tensor:
    """How far the ink leans to the right, in columns per row upwards: (...).

    The slope of the regression of column on row, each pixel counted by its grey level. It is not
    only the slant of strokes: the foot of a 2 changes it, too. NaN where there is no ink.

    Args:
        images: (..., H, W), values in [0, 1].

    Example:
        >>> slant(torch.eye(28).flip(1))  # a stroke like "/"
        tensor(1.)
    """
    height, width = images.shape[-2:]
    rows = torch.arange(float(height), device=images.device)[:, None] - (height - 1) / 2
    columns = torch.arange(float(width), device=images.device) - (width - 1) / 2

    def mean(of: Tensor) -> Tensor:
        return (images * of).sum((-2, -1)) / ink(images)

    row, column = mean(rows), mean(columns)
    return (row * column - mean(rows * columns)) / (mean(rows**2) - row**2)
