"""Moving pictures of maps."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from PIL import Image
from torch import Tensor

from probnn.display.digit_maps import digit_key
from probnn.display.plots import DIGIT_COLOURS
from probnn.runtime.files import write_whole

__all__ = ["animate"]

SHADES = 6  # of each colour, the last of which is white: a GIF of few colours is small


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
        >>> import tempfile
        >>> import torch
        >>> maps, labels = [torch.randn(50, 2) for _ in range(3)], torch.arange(50) % 10
        >>> animate(maps, labels, tempfile.mkdtemp() + "/map.gif").name
        'map.gif'
    """
    points = [snapshot.detach().cpu().numpy() for snapshot in snapshots]
    figure, ax = plt.subplots(figsize=(5, 4.5), dpi=80, layout="constrained")
    colours = np.array(DIGIT_COLOURS)[labels.cpu().numpy()]
    x, y = points[0].T
    dots = ax.scatter(x, y, s=6, c=colours, linewidths=0)
    ax.set(aspect="equal")
    digit_key(figure)
    canvas, palette = FigureCanvasAgg(figure), _palette()

    def frame(k: int) -> Image.Image:
        dots.set_offsets(points[k])
        extent = 1.05 * np.abs(points[k]).max()
        ax.set(xlim=(-extent, extent), ylim=(-extent, extent), title=f"step {k * every}")
        canvas.draw()
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
        return picture.quantize(palette=palette, dither=Image.Dither.NONE)

    frames = [frame(k) for k in range(len(points))]
    plt.close(figure)
    gif, each = io.BytesIO(), 1000 * seconds / len(points)
    frames[0].save(gif, "GIF", save_all=True, append_images=frames[1:], duration=each, loop=0)
    return write_whole(path, gif.getvalue())


def _palette() -> Image.Image:
    """The colours of the digits, in steps up to the white of the paper."""
    colours = 255 * np.array([to_rgb(colour) for colour in DIGIT_COLOURS])
    lighter = np.linspace(0, 1, SHADES)[:, None, None]
    image = Image.new("P", (1, 1))
    image.putpalette((colours + lighter * (255 - colours)).round().astype("uint8").tobytes())
    return image
