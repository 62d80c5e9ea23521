"""Image models: generators p(x|z) that offer `loglik(x, z)`, encoders whose call gives a q(z|x)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from probnn.densities import DiagonalGaussian
from probnn.models.encoder import Encoder
from probnn.models.networks import convolutional_encoder, convolutional_generator, mlp
from probnn.models.pixels import check_images, check_latents, log_bernoulli_images, pixel_logits

__all__ = ["BernoulliImageGenerator", "GaussianEncoder", "mlp_encoder", "mlp_generator"]


class BernoulliImageGenerator(nn.Module):
    """p(x|z): independent Bernoulli pixels, with probabilities f(z) of a latent z ~ N(0, I).

    f is convolutional unless another is given. Attribute names and layer order are the
    coursework's, so its state_dicts load with strict=True. Likelihoods work from logits: where the
    coursework's log(sigmoid(.)) gives -inf or NaN, these stay finite.

    Args:
        d: dimension of z.
        f: another network, ending in a sigmoid, (N, d) -> probabilities (N, 1, 28, 28); see
            `mlp_generator`.

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

    def __init__(self, d: int = 4, f: nn.Sequential | None = None) -> None:
        super().__init__()
        self.d = d
        self.f = convolutional_generator(d) if f is None else f
        _check_network(self.f)
        self.to(memory_format=torch.channels_last)  # convolutions are a quarter faster so

    def logits(self, z: Tensor) -> Tensor:
        """Log odds of the pixels, (..., 1, 28, 28), for z of shape (..., d)."""
        if z.shape[-1] != self.d:
            raise ValueError(f"expected z of shape (..., {self.d}), got {tuple(z.shape)}")
        return pixel_logits(self.f, z)

    def forward(self, z: Tensor) -> Tensor:
        """Pixel probabilities, (..., 1, 28, 28), for z of shape (..., d)."""
        return torch.sigmoid(self.logits(z))

    def loglik(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x|z) in nats per image, summed over the 784 pixels.

        For grey x: the mean of log p over binary images drawn from the grey levels, not a density
        of the grey image.

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


class GaussianEncoder(Encoder):
    """q(z|x): a diagonal Gaussian whose mean and sigma are a function g of the image.

    g is convolutional unless another is given. Holds its generator.

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

    def __init__(self, decoder: BernoulliImageGenerator, g: nn.Sequential | None = None) -> None:
        super().__init__()
        self.d = decoder.d
        self.f = decoder
        self.g = g or convolutional_encoder(self.d * 2)
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> DiagonalGaussian:
        """q(z|x) for images (B, 1, 28, 28): mu and sigma, each (B, d)."""
        check_images(x)
        mu, log_variance = self.g(x).chunk(2, dim=1)
        return DiagonalGaussian(mu, torch.exp(log_variance / 2))


def mlp_generator(
    d: int,
    hidden: tuple[int, ...] = (400,),
    activation: type[nn.Module] = nn.ReLU,
    pixel_means: Tensor | None = None,
) -> BernoulliImageGenerator:
    """A fully connected generator p(x|z). With the defaults and d=20, that of the PyTorch example.

    Args:
        d: dimension of z.
        hidden: widths of the hidden layers.
        activation: after each of them.
        pixel_means: (1, 28, 28), in [0, 1]: what the last layer's bias gives to begin with, taken
            between 0.001 and 0.999. By default that bias is random, as the other parameters.

    Source:
        The PyTorch examples' VAE; Oslo exercise, week 12, task 2; Toronto assignment 3.

    Example:
        >>> mlp_generator(2, hidden=(500,), activation=nn.Tanh)(torch.zeros(5, 2)).shape
        torch.Size([5, 1, 28, 28])
    """
    layers = mlp((d, *hidden, 784), activation)
    if pixel_means is not None:
        layers[-1].bias = nn.Parameter(torch.logit(pixel_means.flatten(), eps=1e-3))
    f = nn.Sequential(*layers, nn.Unflatten(1, (1, 28, 28)), nn.Sigmoid())
    return BernoulliImageGenerator(d, f)


def mlp_encoder(
    decoder: BernoulliImageGenerator,
    hidden: tuple[int, ...] = (400,),
    activation: type[nn.Module] = nn.ReLU,
) -> GaussianEncoder:
    """A fully connected encoder q(z|x) for any generator. Holds its generator.

    Example:
        >>> mu, sigma = mlp_encoder(mlp_generator(20))(torch.rand(5, 1, 28, 28))
        >>> mu.shape
        torch.Size([5, 20])
    """
    layers = mlp((784, *hidden, 2 * decoder.d), activation)
    return GaussianEncoder(decoder, nn.Sequential(nn.Flatten(1), *layers))


def _check_network(f: nn.Module) -> None:
    if not (isinstance(f, nn.Sequential) and len(f) and isinstance(f[-1], nn.Sigmoid)):
        ending = type(f[-1] if isinstance(f, nn.Sequential) and len(f) else f).__name__
        raise ValueError(
            "expected f as an nn.Sequential whose last layer is nn.Sigmoid, "
            f"got {ending} at the end: likelihoods are computed from what goes into that sigmoid"
        )
