"""Moving pictures of maps."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.animation import FuncAnimation, PillowWriter
from torch import Tensor

from probnn.display.plots import DIGIT_COLOURS
from probnn.runtime.files import write_whole

__all__ = ["animate"]


def animate(
    snapshots: Sequence[Tensor],
    labels: Tensor,
    path: str | Path,
    every: int = 1,
    seconds: float = 8.0,
) -> Path:
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
        >>> import torch
        >>> maps, labels = [torch.randn(50, 2) for _ in range(3)], torch.arange(50) % 10
        >>> animate(maps, labels, tempfile.mkdtemp() + "/map.gif").name
        'map.gif'
    """
    points = [snapshot.detach().cpu().numpy() for snapshot in snapshots]
    figure, ax = plt.subplots(figsize=(4, 4.2), dpi=80)
    x, y = points[0].T
    colours = np.array(DIGIT_COLOURS)[labels.cpu().numpy()]
    dots = ax.scatter(x, y, s=5, c=colours, linewidths=0)
    ax.set(xticks=[], yticks=[], aspect="equal")

    def frame(k: int) -> None:
        dots.set_offsets(points[k])
        extent = 1.05 * np.abs(points[k]).max()
        ax.set(xlim=(-extent, extent), ylim=(-extent, extent), title=f"step {k * every}")

    animation = FuncAnimation(figure, frame, frames=len(points))
    with tempfile.TemporaryDirectory() as folder:
        fps: Any = len(points) / seconds  # matplotlib takes fractions, too
        animation.save(f"{folder}/map.gif", writer=PillowWriter(fps=fps))
        plt.close(figure)
        return write_whole(path, Path(folder, "map.gif").read_bytes())
