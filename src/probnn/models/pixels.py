"""Images as independent Bernoulli pixels: their log odds, their log probability, their shapes."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from probnn.densities import log_bernoulli

__all__ = ["check_images", "check_latents", "log_bernoulli_images", "pixel_logits"]


def pixel_logits(f: nn.Sequential, inputs: Tensor) -> Tensor:
    """What goes into the last layer, the sigmoid, of a generator's network.

    Args:
        f: (N, D) -> probabilities (N, 1, 28, 28), ending in a sigmoid.
        inputs: (..., D).

    Returns:
        (..., 1, 28, 28), log odds of the pixels.

    Example:
        >>> import torch
        >>> from probnn.models.networks import convolutional_generator
        >>> pixel_logits(convolutional_generator(4), torch.zeros(3, 5, 4)).shape
        torch.Size([3, 5, 1, 28, 28])
    """
    rows = inputs.reshape(-1, inputs.shape[-1])
    return f[:-1](rows).reshape(*inputs.shape[:-1], 1, 28, 28)


def log_bernoulli_images(x: Tensor, logits: Tensor) -> Tensor:
    """log p(x) of images with independent Bernoulli pixels: `log_bernoulli` summed over the pixels.

    Args:
        x: (B, 1, H, W).
        logits: (..., B, 1, H, W), or (..., 1, 1, H, W) shared by all images: then a matrix product
            takes the sum, many times faster.

    Returns:
        (..., B), nats per image.

    Example:
        >>> import torch
        >>> log_bernoulli_images(torch.ones(5, 1, 28, 28), torch.zeros(7, 1, 1, 28, 28)).shape
        torch.Size([7, 5])
    """
    if logits.ndim > 4 and len(x) > logits.shape[-4] == 1:
        products = (logits.flatten(-3) @ x.flatten(1).T).squeeze(-2)
        return products + logsigmoid(-logits).sum((-3, -2, -1))
    return log_bernoulli(x, logits).sum((-3, -2, -1))


def check_images(x: Tensor) -> None:
    """Raises ValueError unless x is a batch of images (B, 1, 28, 28).

    Example:
        >>> import torch
        >>> check_images(torch.zeros(28, 28))  # doctest: +NORMALIZE_WHITESPACE
        Traceback (most recent call last):
        ValueError: expected images of shape (B, 1, 28, 28), got (28, 28):
            add the missing axes, as in image[None, None]
    """
    if x.ndim != 4 or x.shape[1:] != (1, 28, 28):
        raise ValueError(
            f"expected images of shape (B, 1, 28, 28), got {tuple(x.shape)}: "
            "add the missing axes, as in image[None, None]"
        )


def check_latents(x: Tensor, z: Tensor) -> None:
    """Raises ValueError unless z holds one latent variable for each image, or one for all.

    Example:
        >>> import torch
        >>> check_latents(torch.zeros(5, 1, 28, 28), torch.zeros(3, 4))
        Traceback (most recent call last):
        ValueError: expected z of shape (..., 5, d) or (..., 1, d) for 5 images, got (3, 4)
    """
    if z.ndim < 2 or (z.shape[-2] != len(x) and 1 not in (z.shape[-2], len(x))):
        raise ValueError(
            f"expected z of shape (..., {len(x)}, d) or (..., 1, d) for {len(x)} images, "
            f"got {tuple(z.shape)}"
        )
