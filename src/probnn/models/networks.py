"""Networks of the image models: fully connected ones, and the coursework's convolutional ones."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

__all__ = ["convolutional_encoder", "convolutional_generator", "mlp"]


def mlp(widths: tuple[int, ...], activation: type[nn.Module]) -> list[nn.Module]:
    """The layers of a fully connected network of these widths.

    With the activation between them and none at the end.

    Example:
        >>> for layer in mlp((784, 400, 4), nn.ReLU):
        ...     print(layer)
        Linear(in_features=784, out_features=400, bias=True)
        ReLU()
        Linear(in_features=400, out_features=4, bias=True)
    """
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), activation()]
    return layers[:-1]


def convolutional_generator(inputs: int) -> nn.Sequential:
    """The network of the coursework's generator: (N, `inputs`) -> probabilities (N, 1, 28, 28).

    Source:
        Cambridge coursework, question (c), appendix.

    Example:
        >>> convolutional_generator(4)(torch.zeros(5, 4)).shape
        torch.Size([5, 1, 28, 28])
    """
    return nn.Sequential(
        nn.Linear(inputs, 128),
        nn.LeakyReLU(),
        nn.Linear(128, 1728),
        nn.LeakyReLU(),
        nn.Unflatten(1, (12, 12, 12)),  # -> (N, 12, 12, 12)
        nn.Conv2d(12, 36, 3, 1),  # -> (N, 36, 10, 10)
        nn.LeakyReLU(),
        _Flatten(1),  # -> (N, 3600)
        nn.Unflatten(1, (4, 30, 30)),  # -> (N, 4, 30, 30)
        nn.Conv2d(4, 4, 3, 1),  # -> (N, 4, 28, 28)
        nn.LeakyReLU(),
        nn.Conv2d(4, 1, 1, 1),  # -> (N, 1, 28, 28)
        nn.Sigmoid(),
    )


def convolutional_encoder(outputs: int) -> nn.Sequential:
    """The network of the coursework's encoder: images (N, 1, 28, 28) -> (N, `outputs`).

    Source:
        Cambridge coursework, question (c), appendix.

    Example:
        >>> convolutional_encoder(8)(torch.zeros(5, 1, 28, 28)).shape
        torch.Size([5, 8])
    """
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, 1),  # -> (N, 32, 26, 26)
        nn.LeakyReLU(),
        nn.Conv2d(32, 64, 3, 1),  # -> (N, 64, 24, 24)
        nn.MaxPool2d(2),  # -> (N, 64, 12, 12)
        _Flatten(1),  # -> (N, 9216)
        nn.Linear(9216, 128),
        nn.LeakyReLU(),
        nn.Linear(128, outputs),
    )


class _Flatten(nn.Flatten):
    def forward(self, x: Tensor) -> Tensor:
        """The images flattened.

        Their gradient comes back in the layout of the images: the pooling layer would copy it three
        times otherwise.
        """
        if x.requires_grad:
            x.register_hook(lambda gradient: gradient.contiguous(memory_format=torch.channels_last))
        return super().forward(x)
