"""Models whose marginal likelihood and posterior are known, for the tests of this folder."""

import math

import torch
from torch import distributions as td

from probnn.densities import DiagonalGaussian, log_normal

NOISE = 0.7
CENTRES, WEIGHTS, WIDTH = ((-2.0, 1.0), (2.5, -1.5)), (0.2, 0.8), 0.05


class LinearGaussian:
    """x | z ~ N(A z + b, NOISE^2 I), z ~ N(0, I), with orthogonal columns of A.

    The marginal is N(b, A A^T + NOISE^2 I), and the posterior a diagonal Gaussian.
    """

    def __init__(self, d=2, pixels=6):
        generator = torch.Generator().manual_seed(1)

        def normal(*shape):
            return torch.randn(*shape, generator=generator, dtype=torch.float64)

        self.a, _ = torch.linalg.qr(normal(pixels, d))
        self.a = self.a * torch.tensor([2.0, 0.8, 1.3][:d], dtype=torch.float64)
        self.b = normal(pixels)
        z = normal(5, d)
        self.x = z @ self.a.T + self.b + NOISE * normal(5, pixels)

    def loglik(self, x, z):
        return log_normal(x, z @ self.a.T + self.b, NOISE).sum(-1)

    def log_marginal(self):
        covariance = self.a @ self.a.T + NOISE**2 * torch.eye(len(self.b), dtype=torch.float64)
        return td.MultivariateNormal(self.b, covariance).log_prob(self.x)

    def posterior(self):
        precision = 1 + (self.a**2).sum(0) / NOISE**2
        mu = (self.x - self.b) @ self.a / NOISE**2 / precision
        return DiagonalGaussian(mu, precision.rsqrt().expand_as(mu))

    def rough_posterior(self):
        mu, sigma = self.posterior()
        return DiagonalGaussian(mu + 0.1, sigma * 1.3)


class CorrelatedLinearGaussian(LinearGaussian):
    """The same with columns of A that are not orthogonal: the posterior is correlated."""

    def __init__(self):
        super().__init__()
        self.a = self.a @ torch.tensor([[0.8, 0.6], [-0.6, 0.8]], dtype=torch.float64)

    def posterior(self):
        precision = torch.eye(2, dtype=torch.float64) + self.a.T @ self.a / NOISE**2
        mu = torch.linalg.solve(precision, self.a.T @ (self.x - self.b).T / NOISE**2).T
        return td.MultivariateNormal(mu, precision_matrix=precision)


def independent(q):
    """A diagonal Gaussian as torch has it."""
    return td.Independent(td.Normal(*q), 1)


def two_peaks(x, z):
    """A likelihood with two narrow peaks, p(x) known: the same for every x."""
    peaks = [
        math.log(weight) + log_normal(z, torch.tensor(centre, dtype=z.dtype), WIDTH).sum(-1)
        for weight, centre in zip(WEIGHTS, CENTRES, strict=True)
    ]
    return torch.logaddexp(*peaks).expand(*z.shape[:-2], len(x))


def log_joint_of_peaks():
    """What each of the two peaks contributes to log p(x)."""
    scale = math.sqrt(1 + WIDTH**2)
    return [
        math.log(weight) + log_normal(torch.tensor(centre), 0.0, scale).sum().item()
        for weight, centre in zip(WEIGHTS, CENTRES, strict=True)
    ]
