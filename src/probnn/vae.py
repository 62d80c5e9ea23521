"""Variational autoencoders: generators p(x|z) that offer `loglik(x, z)`, and encoders whose call yields a q(z|x)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from probnn.densities import DiagonalGaussian, log_bernoulli
from probnn.likelihood import elbo


class BernoulliImageGenerator(nn.Module):
    """p(x|z): independent Bernoulli pixels whose probabilities are a convolutional function f of a latent z ~ N(0, I).

    Attribute names and layer order are the coursework's, so its state_dicts load with strict=True. Likelihoods work from
    logits: where the coursework's log(sigmoid(.)) gives -inf or NaN, these stay finite.

    Args:
        d: dimension of z.
        f: another network, ending in a sigmoid, (N, d) -> probabilities (N, 1, 28, 28); see `mlp_generator`.

    Attributes:
        d, f: the same.

    Source:
        Cambridge coursework, question (c), appendix.

    Example:
        >>> generator = BernoulliImageGenerator(d=4)
        >>> z = torch.randn(3, 5, 4)  # 3 samples for each of 5 images
        >>> generator(z).shape, generator.loglik(torch.ones(5, 1, 28, 28), z).shape
        (torch.Size([3, 5, 1, 28, 28]), torch.Size([3, 5]))
    """

    def __init__(self, d: int = 4, f: nn.Sequential | None = None):
        super().__init__()
        self.d = d
        self.f = f or nn.Sequential(
            nn.Linear(d, 128),
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
        self.to(memory_format=torch.channels_last)  # convolutions are a quarter faster so

    def logits(self, z: Tensor) -> Tensor:
        """Log odds of the pixels, (..., 1, 28, 28), for z of shape (..., d)."""
        if z.shape[-1] != self.d:
            raise ValueError(f"expected z of shape (..., {self.d}), got {tuple(z.shape)}")
        return self._decode(z)

    def _decode(self, inputs: Tensor) -> Tensor:
        return self.f[:-1](inputs.reshape(-1, inputs.shape[-1])).reshape(*inputs.shape[:-1], 1, 28, 28)

    def forward(self, z: Tensor) -> Tensor:
        """Pixel probabilities, (..., 1, 28, 28), for z of shape (..., d)."""
        return torch.sigmoid(self.logits(z))

    def loglik(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x|z) in nats per image, summed over the 784 pixels.

        For grey x: the mean of log p over binary images drawn from the grey levels, not a density of the grey image.

        Args:
            x: (B, 1, 28, 28), values in [0, 1].
            z: (..., B, d), or (..., 1, d) for one z shared by all images.

        Returns:
            (..., B).

        Raises:
            ValueError: if x or z has another shape.
        """
        check_images(x)
        check_latents(x, z)
        return log_bernoulli_images(x, self.logits(z))


class GaussianEncoder(nn.Module):
    """q(z|x): a diagonal Gaussian whose mean and sigma are a convolutional function g of the image. Holds its generator.

    Args:
        decoder: the generator p(x|z) that this encoder inverts.
        g: another network (B, 1, 28, 28) -> (B, 2d), means, then log variances; see `mlp_encoder`.

    Attributes:
        d, f, g: dimension of z, generator, network.

    Source:
        Cambridge coursework, question (c), appendix.

    Example:
        >>> model = GaussianEncoder(BernoulliImageGenerator(d=4))
        >>> x = torch.rand(5, 1, 28, 28)
        >>> mu, sigma = model(x)
        >>> mu.shape, model.loglik_lb(x).shape
        (torch.Size([5, 4]), torch.Size([5]))
    """

    def __init__(self, decoder: BernoulliImageGenerator, g: nn.Sequential | None = None):
        super().__init__()
        self.d = decoder.d
        self.f = decoder
        self.g = g or nn.Sequential(
            nn.Conv2d(1, 32, 3, 1),  # -> (B, 32, 26, 26)
            nn.LeakyReLU(),
            nn.Conv2d(32, 64, 3, 1),  # -> (B, 64, 24, 24)
            nn.MaxPool2d(2),  # -> (B, 64, 12, 12)
            _Flatten(1),  # -> (B, 9216)
            nn.Linear(9216, 128),
            nn.LeakyReLU(),
            nn.Linear(128, self.d * 2),
        )
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> DiagonalGaussian:
        """q(z|x) for images (B, 1, 28, 28): mu and sigma, each (B, d)."""
        check_images(x)
        mu, log_variance = self.g(x).chunk(2, dim=1)
        return DiagonalGaussian(mu, torch.exp(log_variance / 2))

    def loglik_lb(self, x: Tensor, samples: int = 1) -> Tensor:
        """Lower bound on log p(x), the ELBO with this encoder's q, in nats per image: (B,)."""
        return elbo(self.f.loglik, x, self(x), samples)


class _Flatten(nn.Flatten):
    def forward(self, x: Tensor) -> Tensor:
        """The images flattened. Their gradient comes back in the layout of the images: the pooling layer would copy it three times otherwise."""
        if x.requires_grad:
            x.register_hook(lambda gradient: gradient.contiguous(memory_format=torch.channels_last))
        return super().forward(x)


def mlp_generator(d: int, hidden: tuple[int, ...] = (400,), activation: type[nn.Module] = nn.ReLU) -> BernoulliImageGenerator:
    """A fully connected generator p(x|z). With the defaults and d=20, that of the PyTorch example.

    Source:
        The PyTorch examples' VAE; Oslo exercise, week 12, task 2; Toronto assignment 3.

    Example:
        >>> mlp_generator(2, hidden=(500,), activation=nn.Tanh)(torch.zeros(5, 2)).shape
        torch.Size([5, 1, 28, 28])
    """
    return BernoulliImageGenerator(d, nn.Sequential(*mlp((d, *hidden, 784), activation), nn.Unflatten(1, (1, 28, 28)), nn.Sigmoid()))


def mlp_encoder(decoder: BernoulliImageGenerator, hidden: tuple[int, ...] = (400,), activation: type[nn.Module] = nn.ReLU) -> GaussianEncoder:
    """A fully connected encoder q(z|x) for any generator. Holds its generator.

    Example:
        >>> mu, sigma = mlp_encoder(mlp_generator(20))(torch.rand(5, 1, 28, 28))
        >>> mu.shape
        torch.Size([5, 20])
    """
    return GaussianEncoder(decoder, nn.Sequential(nn.Flatten(1), *mlp((784, *hidden, 2 * decoder.d), activation)))


def mlp(widths: tuple[int, ...], activation: type[nn.Module]) -> list[nn.Module]:
    """The layers of a fully connected network of these widths, with the activation between them and none at the end.

    Example:
        >>> mlp((784, 400, 4), nn.ReLU)
        [Linear(in_features=784, out_features=400, bias=True), ReLU(), Linear(in_features=400, out_features=4, bias=True)]
    """
    layers = [module for a, b in zip(widths, widths[1:]) for module in (nn.Linear(a, b), activation())]
    return layers[:-1]


def log_bernoulli_images(x: Tensor, logits: Tensor) -> Tensor:
    """log p(x) of images with independent Bernoulli pixels: `log_bernoulli` summed over the pixels.

    Args:
        x: (B, 1, H, W).
        logits: (..., B, 1, H, W), or (..., 1, 1, H, W) shared by all images: then a matrix product takes the sum, many times faster.

    Returns:
        (..., B), nats per image.

    Example:
        >>> log_bernoulli_images(torch.ones(5, 1, 28, 28), torch.zeros(7, 1, 1, 28, 28)).shape
        torch.Size([7, 5])
    """
    if logits.ndim > 4 and len(x) > logits.shape[-4] == 1:
        return (logits.flatten(-3) @ x.flatten(1).T).squeeze(-2) + logsigmoid(-logits).sum((-3, -2, -1))
    return log_bernoulli(x, logits).sum((-3, -2, -1))


def check_latents(x: Tensor, z: Tensor) -> None:
    """Raises ValueError unless z holds one latent variable for each image, or one for all.

    Example:
        >>> check_latents(torch.zeros(5, 1, 28, 28), torch.zeros(3, 4))
        Traceback (most recent call last):
        ValueError: expected z of shape (..., 5, d) or (..., 1, d) for 5 images, got (3, 4)
    """
    if z.ndim < 2 or (z.shape[-2] != len(x) and 1 not in (z.shape[-2], len(x))):
        raise ValueError(f"expected z of shape (..., {len(x)}, d) or (..., 1, d) for {len(x)} images, got {tuple(z.shape)}")


def check_images(x: Tensor) -> None:
    """Raises ValueError unless x is a batch of images (B, 1, 28, 28).

    Example:
        >>> check_images(torch.zeros(28, 28))
        Traceback (most recent call last):
        ValueError: expected images of shape (B, 1, 28, 28), got (28, 28): add the missing axes, as in image[None, None]
    """
    if x.ndim != 4 or x.shape[1:] != (1, 28, 28):
        raise ValueError(
            f"expected images of shape (B, 1, 28, 28), got {tuple(x.shape)}: add the missing axes, as in image[None, None]"
        )
