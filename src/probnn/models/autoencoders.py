"""Deterministic autoencoders: a code in the middle, no distribution anywhere."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from probnn.densities import kl_bernoulli
from probnn.models.networks import mlp

__all__ = ["Autoencoder", "FlattenImages", "add_noise", "sparsity_penalty"]


class Autoencoder(nn.Module):
    """A fully connected network of images onto themselves through a code of d numbers.

    Pixels come from a sigmoid. One class for compression, denoising and sparse autoencoders: their
    losses differ, the network does not. With the defaults it is Oslo's 784-128-32-128-784 with
    sigmoids everywhere.

    Args:
        d: dimension of the code.
        hidden: widths of the encoder's hidden layers; the decoder's are the same in reverse.
        activation: of the hidden layers.
        code_activation: of the code; `nn.Identity` for codes anywhere in R^d.

    Attributes:
        encoder: images (N, 28, 28), (N, 1, 28, 28) or (N, 784) -> codes (N, d).
        decoder: codes (N, d) -> images (N, 28, 28), values in (0, 1).

    Source:
        Oslo exercise, week 12, task 1; the 2-D autoencoder's text.

    Example:
        >>> model = Autoencoder(2, (256, 64), activation=nn.ReLU, code_activation=nn.Identity)
        >>> codes, images = model(torch.rand(5, 1, 28, 28))
        >>> codes.shape, images.shape, model.decoder(codes).shape
        (torch.Size([5, 2]), torch.Size([5, 1, 28, 28]), torch.Size([5, 28, 28]))
    """

    def __init__(
        self,
        d: int = 32,
        hidden: tuple[int, ...] = (128,),
        activation: type[nn.Module] = nn.Sigmoid,
        code_activation: type[nn.Module] = nn.Sigmoid,
    ) -> None:
        super().__init__()
        self.d = d
        self.encoder = nn.Sequential(
            FlattenImages(), *mlp((784, *hidden, d), activation), code_activation()
        )
        self.decoder = nn.Sequential(
            *mlp((d, *hidden[::-1], 784), activation), nn.Sigmoid(), nn.Unflatten(1, (28, 28))
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Codes (N, d), and reconstructions of the shape of the images.

        Raises:
            ValueError: if the images are not (N, 28, 28), (N, 1, 28, 28) or (N, 784).
        """
        codes = self.encoder(images)
        return codes, self.decoder(codes).reshape(images.shape)


class FlattenImages(nn.Module):
    """Images of any of the three usual shapes as rows of 784 pixels.

    Example:
        >>> FlattenImages()(torch.zeros(5, 28, 28)).shape
        torch.Size([5, 784])
        >>> FlattenImages()(torch.zeros(28, 28))
        Traceback (most recent call last):
        ValueError: expected images of shape (N, 28, 28), (N, 1, 28, 28) or (N, 784), got (28, 28)
    """

    def forward(self, images: Tensor) -> Tensor:
        """(N, 784)."""
        if tuple(images.shape[1:]) not in ((28, 28), (1, 28, 28), (784,)):
            raise ValueError(
                "expected images of shape (N, 28, 28), (N, 1, 28, 28) or (N, 784), "
                f"got {tuple(images.shape)}"
            )
        return images.reshape(len(images), 784)


def add_noise(images: Tensor, sigma: float = 0.2) -> Tensor:
    """Images with Gaussian noise N(0, sigma^2) on every pixel, as a denoising autoencoder is given.

    Fresh noise at every call. Nothing is clipped: the result may leave [0, 1].

    Args:
        images: (...), grey levels.
        sigma: standard deviation of the noise.

    Returns:
        (...), grey levels.

    Source:
        Oslo exercise, week 12, task 1.2.

    Example:
        >>> noisy = add_noise(torch.full((100, 1, 28, 28), 0.5), sigma=0.2)
        >>> bool((noisy.std() - 0.2).abs() < 0.01), bool(noisy.min() < 0)
        (True, True)
    """
    return images + sigma * torch.randn_like(images)


def sparsity_penalty(codes: Tensor, rho: float = 0.01) -> Tensor:
    """How far the code units' mean activations are from rho.

    The sum over units of KL(Bernoulli(rho) || Bernoulli(mean activation)). The mean is over the
    batch, the sum over the units: neither grows with the number of images or pixels.

    Args:
        codes: (N, d), values in (0, 1), as from a sigmoid.
        rho: the wanted mean activation, between 0 and 1.

    Returns:
        A scalar, in nats; 0 if every unit's mean is rho.

    Raises:
        ValueError: if rho is not between 0 and 1, or a unit's mean activation is not from 0 to 1.

    Source:
        Ng, "Sparse autoencoder", CS294A lecture notes, 2011; Oslo exercise, week 12, task 1.3.

    Example:
        >>> sparsity_penalty(torch.full((7, 32), 0.01)).abs() < 1e-6
        tensor(True)
    """
    if not 0 < rho < 1:
        raise ValueError(f"expected rho between 0 and 1, got {rho}")
    mean = codes.mean(0)
    if mean.min() < 0 or mean.max() > 1:
        raise ValueError(
            "expected activations between 0 and 1, as a sigmoid gives, "
            f"got means from {mean.min():.3g} to {mean.max():.3g}"
        )
    wanted = torch.tensor(rho, dtype=mean.dtype, device=mean.device)
    return kl_bernoulli(wanted.logit(), mean.clamp(1e-7, 1 - 1e-7).logit()).sum()
