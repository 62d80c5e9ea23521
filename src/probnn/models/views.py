"""What models make of one image: the pictures beside the drawing pad.

A view maps an image (1, 1, 28, 28) to a picture, (H, W) ink or (H, W, 3) colours in [0, 1], and a
line of text.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor

from probnn.densities import log_bernoulli, log_normal
from probnn.inference import elbo, log_marginal
from probnn.models.conditional import ConditionalGaussianEncoder
from probnn.models.halves import bottom_half, top_half
from probnn.models.images import BernoulliImageGenerator, GaussianEncoder

__all__ = ["View", "every_label", "expected_bottom", "reconstruction"]


View: TypeAlias = Callable[[Tensor], tuple[Tensor, str]]


def reconstruction(model: GaussianEncoder, samples: int = 100) -> View:
    """A view: the image, its reconstruction from the mean of q(z|x), and log p(x).

    Args:
        model: an encoder with its generator `f`.
        samples: of the Monte Carlo estimate of log p(x).

    Returns:
        Maps an image (1, 1, 28, 28) to a picture, (H, W) ink or (H, W, 3) colours in [0, 1], and a
        line of text.

    Source:
        Cambridge questions (c) and (d).

    Example:
        >>> view = reconstruction(GaussianEncoder(BernoulliImageGenerator(d=4)))
        >>> with torch.no_grad():
        ...     picture, text = view(torch.zeros(1, 1, 28, 28))
        >>> picture.shape
        torch.Size([28, 56])
    """

    def view(x: Tensor) -> tuple[Tensor, str]:
        x = x.to(next(model.parameters()).device)
        q = model(x)
        nats = log_marginal(model.f.loglik, x, q, samples).estimate.item()
        picture = torch.cat([x, model.f(q.mu)], -1)[0, 0]
        return picture, f"log p(x) is about {nats:.0f} nats ({samples} samples)"

    return view


def every_label(model: ConditionalGaussianEncoder, labels: int = 10) -> View:
    """A view: the image, and digits of every label in its style.

    The style is the mean of q(z|x, y), with the label y of the highest bound on log p(x|y): nobody
    has told which digit was drawn.

    Args:
        model: a conditional encoder with its generator `f`.
        labels: how many.

    Returns:
        Maps an image (1, 1, 28, 28) to a picture, (H, W) ink or (H, W, 3) colours in [0, 1], and a
        line of text.

    Source:
        Cambridge question (f).

    Example:
        >>> from probnn.models import ConditionalBernoulliImageGenerator
        >>> view = every_label(ConditionalGaussianEncoder(ConditionalBernoulliImageGenerator(d=4)))
        >>> with torch.no_grad():
        ...     picture, text = view(torch.zeros(1, 1, 28, 28))
        >>> picture.shape
        torch.Size([56, 168])
    """

    def view(x: Tensor) -> tuple[Tensor, str]:
        x = x.to(next(model.parameters()).device)
        y = torch.arange(labels, device=x.device)
        every = x.expand(labels, -1, -1, -1)
        q = model(every, y)
        bounds = elbo(partial(model.f.loglik, y=y), every, q, samples=20)
        best = int(bounds.argmax())
        digits = model.f(q.mu[best].expand(labels, -1), y)[:, 0]
        rows = [torch.cat([*row], -1) for row in digits.split(labels // 2)]
        given = torch.cat([x[0, 0], torch.zeros_like(x[0, 0])])
        return torch.cat([given, torch.cat(rows)], -1), f"taken for a {best}"

    return view


def expected_bottom(
    generator: BernoulliImageGenerator, extent: float = 4.0, points: int = 81
) -> View:
    """A view of an image's top half: the bottom that the model expects, and p(z | top).

    Both come from the exact posterior, on a grid over the plane of the two latent dimensions: the
    darker a place of the plane, the more probable it is (on the scale of its square root, so that
    small islands are seen, too).

    Args:
        generator: with two latent dimensions.
        extent: the plane goes from -extent to extent.
        points: of the grid, per side; odd, so that the axes are on it.

    Returns:
        Maps an image (1, 1, 28, 28), of which the top half is read and thresholded, to what is
        seen: the completed image and the plane, a picture (H, W, 3), and a line of text.

    Source:
        Toronto assignment 3, question 4.

    Example:
        >>> from probnn.models import mlp_generator
        >>> view = expected_bottom(mlp_generator(2), points=28)
        >>> with torch.no_grad():
        ...     picture, text = view(torch.zeros(1, 1, 28, 28))
        >>> picture.shape
        torch.Size([280, 560, 3])
    """
    weight = next(generator.parameters())
    axis = torch.linspace(-extent, extent, points, device=weight.device, dtype=weight.dtype)
    z = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        logits = generator.logits(z[:, None])  # -> (points^2, 1, 1, 28, 28)
    top, bottom = top_half(logits).flatten(1), bottom_half(logits).sigmoid().flatten(1)
    # log p(z) and the log probability of a top without ink: no drawing changes them, and what a
    # drawing adds is a matrix product
    inkless = log_bernoulli(torch.zeros_like(top[0]), top).sum(-1) + log_normal(z).sum(-1)
    blue = weight.new_tensor([1.0, 0.55, 0.3])  # what ink takes away from white
    paper = 1 - 0.15 * (axis.abs() < 1e-6).to(weight)
    paper = torch.minimum(paper[:, None], paper)[..., None]  # with the two axes

    def view(x: Tensor) -> tuple[Tensor, str]:
        seen = top_half((x > 0.5).to(weight)).flatten()
        p = (top @ seen + inkless).softmax(0)
        completed = torch.cat([seen, p @ bottom]).view(28, 28)
        plane = (p / p.max()).sqrt().view(points, points).T.flip(0)
        pictures = [
            1 - completed[..., None].expand(-1, -1, 3),
            paper * (1 - plane[..., None] * blue),
        ]
        sides = [_enlarged(picture) for picture in pictures]
        z1, z2 = (round(value, 1) + 0.0 for value in z[p.argmax()].tolist())  # no -0.0
        return torch.cat(sides, 1), f"z near ({z1}, {z2}) is likeliest"

    return view


def _enlarged(picture: Tensor, side: int = 280) -> Tensor:
    rows = torch.arange(side, device=picture.device) * len(picture) // side
    return picture[rows][:, rows]
