"""Half-seen images: the two halves, and the likelihood of some rows, the others integrated out."""

from __future__ import annotations

from torch import Tensor

from probnn.models.images import BernoulliImageGenerator
from probnn.models.pixels import check_images, log_bernoulli_images

__all__ = ["BOTTOM", "TOP", "bottom_half", "half_loglik", "top_half"]

TOP, BOTTOM = slice(0, 14), slice(14, 28)


def top_half(images: Tensor) -> Tensor:
    """Rows 0 to 13 of images of 28 x 28 pixels: (..., 14, 28).

    Example:
        >>> import torch
        >>> top_half(torch.zeros(5, 1, 28, 28)).shape
        torch.Size([5, 1, 14, 28])
    """
    _check_size(images)
    return images[..., TOP, :]


def bottom_half(images: Tensor) -> Tensor:
    """Rows 14 to 27 of images of 28 x 28 pixels: (..., 14, 28).

    Example:
        >>> import torch
        >>> bottom_half(torch.zeros(5, 1, 28, 28)).shape
        torch.Size([5, 1, 14, 28])
    """
    _check_size(images)
    return images[..., BOTTOM, :]


def half_loglik(generator: BernoulliImageGenerator, rows: slice, x: Tensor, z: Tensor) -> Tensor:
    """log p(x[rows] | z) in nats per image: some rows of a binary image, the others integrated out.

    Given z the pixels are independent, so unseen pixels drop out of the sum. (Filling them with
    zeros instead would add the log probability that they are white, up to -392 log 2 of a half.)
    `partial(half_loglik, generator, TOP)` is a loglik.

    Args:
        generator: a generator with Bernoulli pixels; its `logits(z)` are used.
        rows: TOP, BOTTOM, or any slice of the 28 rows.
        x: (B, 1, 28, 28) whole images, pixels 0 or 1; only `rows` are read.
        z: (..., B, d), or (..., 1, d) for points shared by all images.

    Returns:
        (..., B).

    Raises:
        ValueError: if x has another shape, or grey pixels, for which this would not be a log
            probability.

    Source:
        Toronto assignment 3, question 4 (a).
    """
    check_images(x)
    seen, logits = x[..., rows, :], generator.logits(z)[..., rows, :]
    if not ((seen == 0) | (seen == 1)).all():
        grey = seen[(seen != 0) & (seen != 1)][0].item()
        raise ValueError(
            f"expected pixels 0 or 1, got {grey:.3g}: threshold or sample them, "
            "as in load_mnist('train', pixels='thresholded')"
        )
    return log_bernoulli_images(seen, logits)


def _check_size(images: Tensor) -> None:
    if images.ndim < 2 or images.shape[-2:] != (28, 28):
        raise ValueError(f"expected images of shape (..., 28, 28), got {tuple(images.shape)}")
