"""Sliders for z beside the image that it gives.

A picture stands in their place where nobody can move them.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from probnn.display.live import has_reader
from probnn.display.plots import image_grid

__all__ = ["explore", "sliders", "traversal"]


def explore(generate: Callable[..., Tensor], d: int, labels: int = 0, limit: float = 3.0) -> None:
    """Displays sliders for every latent dimension (and the label), with the image they give.

    Saved notebooks, web pages and notebooks executed without a reader show a picture instead: one
    row for each dimension (of a conditional model: for each label), along which that dimension (the
    first) goes from -limit to limit, the others 0.

    Args:
        generate: maps z (N, d), and labels (N,) if there are any, to pixel probabilities (N, 1, 28,
            28): any generator.
        d: dimension of z.
        labels: number of labels; 0 for an unconditional model.
        limit: of the sliders, in prior standard deviations.

    Example:
        >>> from probnn.models.images import mlp_generator
        >>> explore(mlp_generator(2), d=2)
        Figure(800x160)
    """
    from IPython.display import display

    picture = traversal(generate, d, labels, limit)
    if not has_reader():
        display(picture)
    else:
        content = sliders(generate, d, labels, limit)._repr_mimebundle_()
        # whoever cannot show the first shows the second
        display({**content, "image/png": _png(picture)}, raw=True)
    plt.close(picture)


def traversal(
    generate: Callable[..., Tensor], d: int, labels: int = 0, limit: float = 3.0, steps: int = 15
) -> Figure:
    """The picture in the sliders' place: what single latent dimensions do."""
    rows = labels or min(d, 10)
    z = torch.zeros(rows, steps, d)
    for row in range(rows):
        z[row, :, 0 if labels else row] = torch.linspace(-limit, limit, steps)
    y = [torch.arange(labels).repeat_interleave(steps)] if labels else []
    with torch.no_grad():
        images = generate(z.reshape(-1, d), *y)
    figure, ax = plt.subplots(figsize=(8, 0.55 * rows + 0.5))
    names = [f"y={row}" if labels else f"$z_{{{row + 1}}}$" for row in range(rows)]
    image_grid(ax, images, steps, row_labels=names)
    what = "$z_1$" if labels else "one dimension at a time"
    ax.set_title(f"{what} from {-limit:g} to {limit:g}, the others 0")
    return figure


def sliders(generate: Callable[..., Tensor], d: int, labels: int = 0, limit: float = 3.0) -> Any:
    """The box of `explore`, an `ipywidgets.HBox`: sliders, and the image that follows them.

    Its `.children` are the image and the sliders.
    """
    import ipywidgets as widgets

    image = widgets.Image(format="png", width=224, height=224)
    bars = [
        widgets.FloatSlider(0.0, min=-limit, max=limit, step=limit / 60, description=f"z{i + 1}")
        for i in range(d)
    ]
    label = [widgets.IntSlider(0, min=0, max=labels - 1, description="label")] if labels else []

    def show(_: Any = None) -> None:
        z = torch.tensor([[bar.value for bar in bars]])
        y = [torch.tensor([bar.value]) for bar in label]
        with torch.no_grad():
            pixels = generate(z, *y)[0, 0].cpu()
        buffer = io.BytesIO()
        plt.imsave(buffer, pixels.numpy(), cmap="gray_r", vmin=0, vmax=1, format="png")
        image.value = buffer.getvalue()

    for bar in [*bars, *label]:
        bar.observe(show, names="value")
    show()
    return widgets.HBox([image, widgets.VBox([*label, *bars])])


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
