"""Image models given the label: p(x|z, y) and q(z|x, y). Given y, each is an ordinary model again:

    partial(generator.loglik, y=y)

is a loglik(x, z), so likelihoods and inference need know nothing of labels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from probnn.densities import DiagonalGaussian
from probnn.models.encoder import Encoder
from probnn.models.networks import convolutional_generator
from probnn.models.pixels import check_images, log_bernoulli_images, pixel_logits

__all__ = [
    "LABELS",
    "ConditionalBernoulliImageGenerator",
    "ConditionalGaussianEncoder",
    "one_hot",
]

LABELS = 10


def one_hot(y: Tensor) -> Tensor:
    """Labels as rows with a single 1, (B, 10) float32; rows that are one-hot already pass through.

    Args:
        y: (B,) integers 0 to 9, or (B, 10) one-hot rows.

    Raises:
        ValueError: for anything else.

    Example:
        >>> one_hot(torch.tensor([0, 3])).argmax(1)
        tensor([0, 3])
        >>> one_hot(torch.tensor([10]))
        Traceback (most recent call last):
        ValueError: expected labels 0 to 9, got 10
    """
    if y.ndim == 1 and not y.is_floating_point():
        if len(y) and not (0 <= y.min() and y.max() < LABELS):
            got = y.min() if y.min() < 0 else y.max()
            raise ValueError(f"expected labels 0 to 9, got {got.item()}")
        return torch.eye(LABELS, device=y.device, dtype=torch.float32)[y.long()]
    if y.ndim != 2 or y.shape[1] != LABELS:
        raise ValueError(
            "expected labels of shape (B,), integers, or one-hot rows (B, 10), "
            f"got {tuple(y.shape)}, {y.dtype}"
        )
    if not (((y == 0) | (y == 1)).all() and (y.sum(1) == 1).all()):
        raise ValueError("expected one-hot rows, got rows that are not a single 1 among zeros")
    return y.float()


class ConditionalBernoulliImageGenerator(nn.Module):
    """p(x|z, y): the generator of the unconditional model, whose input is z and the one-hot label.

    Its state_dict is that of the worked answers' class.

    Source:
        Cambridge worked answers, question (f).

    Example:
        >>> generator = ConditionalBernoulliImageGenerator(d=4)
        >>> z = torch.randn(1, 4).expand(10, 4)  # one style, ten digits
        >>> generator(z, torch.arange(10)).shape
        torch.Size([10, 1, 28, 28])
    """

    def __init__(self, d: int = 4) -> None:
        super().__init__()
        self.d = d
        self.f = convolutional_generator(d + LABELS)
        self.to(memory_format=torch.channels_last)

    def logits(self, z: Tensor, y: Tensor) -> Tensor:
        """Log odds of the pixels, (..., B, 1, 28, 28), for z of shape (..., B, d) and B labels."""
        rows = one_hot(y)
        _check_latents(z, rows, self.d)
        batch = torch.broadcast_shapes(z.shape[:-1], rows.shape[:-1])
        inputs = torch.cat([z.expand(*batch, self.d), rows.expand(*batch, LABELS)], -1)
        return pixel_logits(self.f, inputs)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Pixel probabilities, (..., B, 1, 28, 28)."""
        return torch.sigmoid(self.logits(z, y))

    def loglik(self, x: Tensor, z: Tensor, y: Tensor) -> Tensor:
        """log p(x|z, y) in nats per image, (..., B).

        For x (B, 1, 28, 28), z (..., B, d) and B labels.
        """
        check_images(x)
        logits = self.logits(z, y)
        _check_labels(x, y)
        return log_bernoulli_images(x, logits)


class ConditionalGaussianEncoder(Encoder):
    """q(z|x, y) by a fully connected network of image and label. Holds its generator.

    Its state_dict is that of the worked answers' class.

    Attributes:
        d: dimension of z.
        f: the generator p(x|z, y).
        g: the network (B, 784 + 10) -> (B, 2d): means, then log variances.

    Source:
        Cambridge worked answers, question (f).

    Example:
        >>> model = ConditionalGaussianEncoder(ConditionalBernoulliImageGenerator(d=4))
        >>> x, y = torch.rand(5, 1, 28, 28), torch.tensor([3, 1, 4, 1, 5])
        >>> mu, sigma = model(x, y)
        >>> mu.shape, model.loglik_lb(x, y).shape
        (torch.Size([5, 4]), torch.Size([5]))
    """

    def __init__(self, decoder: ConditionalBernoulliImageGenerator) -> None:
        super().__init__()
        self.d = decoder.d
        self.f = decoder
        self.g = nn.Sequential(
            nn.Linear(28 * 28 + LABELS, 512),
            nn.LeakyReLU(),
            nn.Linear(512, 512),
            nn.LeakyReLU(),
            nn.Linear(512, 512),
            nn.LeakyReLU(),
            nn.Linear(512, 128),
            nn.LeakyReLU(),
            nn.Linear(128, self.d * 2),
        )

    def forward(self, x: Tensor, y: Tensor) -> DiagonalGaussian:
        """q(z|x, y) for images (B, 1, 28, 28) and B labels: mu and sigma, each (B, d)."""
        check_images(x)
        rows = one_hot(y)
        _check_labels(x, rows)
        mu, log_variance = self.g(torch.cat([x.flatten(1), rows], 1)).chunk(2, dim=1)
        return DiagonalGaussian(mu, torch.exp(log_variance / 2))


def _check_labels(x: Tensor, y: Tensor) -> None:
    if len(y) != len(x):
        raise ValueError(f"expected one label per image, got {len(y)} labels for {len(x)} images")


def _check_latents(z: Tensor, rows: Tensor, d: int) -> None:
    if z.shape[-1] != d or (z.ndim > 1 and z.shape[-2] not in (1, len(rows))):
        raise ValueError(
            f"expected z of shape (..., {len(rows)}, {d}) for {len(rows)} labels, "
            f"got {tuple(z.shape)}"
        )
