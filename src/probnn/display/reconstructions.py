"""Images beside what a model makes of them."""

from __future__ import annotations

import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor, nn

from probnn.display.plots import image_grid

__all__ = ["plot"]


def plot(model: nn.Module, samples: Tensor) -> Figure:
    """Each image beside its reconstruction.

    The one function of `display` that runs a model: the text's own.

    Args:
        model: called with the samples, returns codes and reconstructions.
        samples: (N, 28, 28), N = 1 for a single pair.

    Source:
        The 2-D autoencoder's text.

    Example:
        >>> from probnn.models import Autoencoder
        >>> plot(Autoencoder(), torch.rand(1, 28, 28))
        <Figure size 300x170 with 1 Axes>
    """
    with torch.no_grad():
        _, reconstructions = model(samples)
    pairs = torch.stack([samples.reshape(-1, 28, 28), reconstructions.reshape(-1, 28, 28)], 1)
    figure, ax = plt.subplots(figsize=(3, 0.2 + 1.5 * len(samples)))
    image_grid(ax, pairs.flatten(0, 1), 2, column_labels=["original", "reconstruction"])
    plt.close(figure)  # a notebook shows what a cell returns; once is enough
    return figure
