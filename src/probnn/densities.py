"""Log densities, samplers and Kullback-Leibler divergences, written from elementary functions.

Densities are elementwise: the caller sums over the axes that make one datum, because only the
caller knows them. Everything is in nats, works from logits and sigmas (never from probabilities or
log sigmas), and is differentiable.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

__all__ = [
    "DiagonalGaussian",
    "kl_bernoulli",
    "kl_normal",
    "log_bernoulli",
    "log_continuous_bernoulli",
    "log_normal",
    "sample_bernoulli",
    "sample_continuous_bernoulli",
    "sample_normal",
]

LOG_2PI = math.log(2 * math.pi)


def log_normal(z: Tensor, mu: Tensor | float = 0.0, sigma: Tensor | float = 1.0) -> Tensor:
    """Log density of N(mu, sigma^2) at z, elementwise.

    log p(z) = -1/2 ((z - mu)/sigma)^2 - log sigma - 1/2 log(2 pi). A density: it may exceed 0 when
    sigma is small.

    Args:
        z: any shape.
        mu, sigma: broadcastable to z; sigma > 0 is the standard deviation, not its logarithm and
            not the variance.

    Returns:
        Tensor of the broadcast shape, in nats.

    Example:
        >>> log_normal(torch.tensor([0.0, 1.0]))
        tensor([-0.9189, -1.4189])
    """
    sigma = torch.as_tensor(
        sigma,
        dtype=z.dtype if z.is_floating_point() else torch.get_default_dtype(),
        device=z.device,
    )
    return -0.5 * ((z - mu) / sigma) ** 2 - sigma.log() - 0.5 * LOG_2PI


def log_bernoulli(x: Tensor, logits: Tensor) -> Tensor:
    """Log probability of a pixel x under Bernoulli(p), p = sigmoid(logits), elementwise.

    x log p + (1 - x) log(1 - p) = x * logits - log(1 + exp(logits)), which stays finite where
    log(sigmoid(logits)) is already -inf. For grey x in [0, 1] it is not a log density of x: it is
    the mean log probability of binary pixels drawn from the grey level.

    Args:
        x: values in [0, 1], broadcastable to logits.
        logits: any shape.

    Returns:
        Tensor of the broadcast shape, in nats, never above 0.

    Example:
        >>> log_bernoulli(torch.tensor([1.0, 1.0, 0.0]), torch.tensor([0.0, -200.0, -200.0]))
        tensor([  -0.6931, -200.0000,    0.0000])
    """
    return x * logits + logsigmoid(-logits)


def log_continuous_bernoulli(x: Tensor, logits: Tensor) -> Tensor:
    """Log density of the continuous Bernoulli on [0, 1], elementwise.

    log p(x) = x log p + (1 - x) log(1 - p) + log C(p), with C(p) = 2 artanh(1 - 2p) / (1 - 2p) =
    logits / tanh(logits/2) and C = 2 at p = 1/2. A true density for grey pixels: it may exceed 0.
    Its mean is not p.

    Args:
        x: values in [0, 1], broadcastable to logits.
        logits: any shape; p = sigmoid(logits).

    Returns:
        Tensor of the broadcast shape, in nats.

    Source:
        Loaiza-Ganem and Cunningham, "The continuous Bernoulli", NeurIPS 2019.

    Example:
        >>> log_continuous_bernoulli(torch.tensor(0.3), torch.tensor(0.0))  # uniform on [0, 1]
        tensor(0.)
    """
    near_zero = logits.abs() < 1e-2
    # where() alone lets NaN into the gradient
    safe = torch.where(near_zero, torch.ones_like(logits), logits)
    away = (safe / torch.tanh(safe / 2)).log()
    log_c = torch.where(near_zero, math.log(2) + logits**2 / 12, away)
    return log_bernoulli(x, logits) + log_c


def sample_normal(mu: Tensor, sigma: Tensor, samples: int | None = None) -> Tensor:
    """Draws from N(mu, sigma^2), reparameterised.

    z = mu + sigma * eps with eps ~ N(0, 1), so gradients reach mu and sigma.

    Args:
        mu, sigma: of one shape (...).
        samples: None for one draw without a sample axis, or K for K independent draws.

    Returns:
        Tensor (...) or (K, ...).

    Example:
        >>> sample_normal(torch.zeros(5, 2), torch.ones(5, 2), samples=3).shape
        torch.Size([3, 5, 2])
    """
    shape = mu.shape if samples is None else (samples, *mu.shape)
    return mu + sigma * torch.randn(shape, dtype=mu.dtype, device=mu.device)


def sample_bernoulli(logits: Tensor) -> Tensor:
    """Draws 0 or 1 with probability sigmoid(logits) of a 1, elementwise. No gradient passes.

    Example:
        >>> sample_bernoulli(torch.tensor([-1e4, 1e4]))
        tensor([0., 1.])
    """
    return (torch.rand_like(logits) < torch.sigmoid(logits)).to(logits.dtype)


def sample_continuous_bernoulli(logits: Tensor) -> Tensor:
    """Draws from the continuous Bernoulli, elementwise; reparameterised.

    By inverting its distribution function: F^-1(u) = log(1 + u (exp(logits) - 1)) / logits,
    evaluated from the side where exp does not overflow.

    Example:
        >>> bool((sample_continuous_bernoulli(torch.full((1000,), 200.0)) > 0.9).all())
        True
    """
    u = torch.rand_like(logits)
    near_zero = logits.abs() < 1e-3
    size = torch.where(near_zero, torch.ones_like(logits), logits.abs())
    from_zero = -torch.log1p(u * torch.expm1(-size)) / size  # for -|logits|: the mass lies near 0
    skewed = torch.where(logits > 0, 1 - from_zero, from_zero)
    return torch.where(near_zero, u + 0.5 * logits * u * (1 - u), skewed)


def kl_normal(
    mu: Tensor, sigma: Tensor, mu_p: Tensor | float = 0.0, sigma_p: Tensor | float = 1.0
) -> Tensor:
    """KL(N(mu, sigma^2) || N(mu_p, sigma_p^2)), elementwise; from the standard normal by default.

    = log(sigma_p/sigma) + (sigma^2 + (mu - mu_p)^2) / (2 sigma_p^2) - 1/2. Never negative, not
    symmetric.

    Example:
        >>> kl_normal(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 1.0]))
        tensor([0.0000, 0.5000])
    """
    ratio = sigma / sigma_p
    return 0.5 * (ratio**2 + ((mu - mu_p) / sigma_p) ** 2 - 1) - ratio.log()


def kl_bernoulli(logits_q: Tensor, logits_p: Tensor) -> Tensor:
    """KL(Bernoulli(q) || Bernoulli(p)), elementwise, from logits.

    = q (log q - log p) + (1 - q) (log(1 - q) - log(1 - p)).

    Example:
        >>> kl_bernoulli(torch.tensor(0.0), torch.tensor([0.0, 2.0]))
        tensor([0.0000, 0.4338])
    """
    q = torch.sigmoid(logits_q)
    ones = logsigmoid(logits_q) - logsigmoid(logits_p)
    zeros = logsigmoid(-logits_q) - logsigmoid(-logits_p)
    return q * ones + torch.sigmoid(-logits_q) * zeros


class DiagonalGaussian(NamedTuple):
    """A product of normal distributions over the last axis: the type of every q(z).

    It is a tuple, so that `mu, sigma = q` unpacks.

    Attributes:
        mu: (B, d) means.
        sigma: (B, d) standard deviations, > 0.

    Example:
        >>> q = DiagonalGaussian(torch.zeros(5, 2), torch.ones(5, 2))
        >>> z = q.sample(7)
        >>> z.shape, q.log_density(z).shape, q.kl_from_prior().shape
        (torch.Size([7, 5, 2]), torch.Size([7, 5]), torch.Size([5]))
    """

    mu: Tensor
    sigma: Tensor

    def sample(self, samples: int | None = None) -> Tensor:
        """Reparameterised draws, (B, d), or (K, B, d) when `samples=K`."""
        return sample_normal(self.mu, self.sigma, samples)

    def log_density(self, z: Tensor) -> Tensor:
        """log q(z) in nats for z of shape (..., B, d). Returns (..., B)."""
        return log_normal(z, self.mu, self.sigma).sum(-1)

    def kl_from_prior(self) -> Tensor:
        """KL(q || N(0, I)) in nats, (B,)."""
        return kl_normal(self.mu, self.sigma).sum(-1)
