"""One quantity, seen several ways: log w = log p(x|z) + log p(z) - log q(z), with z drawn from q.

Its mean over samples is the ELBO; its log-mean-exp is the Monte Carlo log likelihood. These
functions know a `loglik` callable, `loglik(x, z)` -> log p(x|z), and a q; no network, no label, no
training. To condition on something, pass a partial application: `partial(generator.loglik, y=y)` is
again a loglik, and so is the likelihood of half an image.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeAlias

import torch
from torch import Tensor

from probnn.densities import log_normal

__all__ = [
    "ApproximatePosterior",
    "Generator",
    "Loglik",
    "MonteCarlo",
    "elbo",
    "log_joint",
    "log_marginal",
    "log_weights",
    "mean_and_se",
    "over_batches",
]

Loglik: TypeAlias = Callable[[Tensor, Tensor], Tensor]


class Generator(Protocol):
    """What inference needs of a generator p(x|z): its `loglik`.

    That is all that these functions are given.
    """

    def loglik(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x|z) in nats per datum, (..., B), for x (B, ...) and z (..., B, d)."""


class ApproximatePosterior(Protocol):
    """What inference needs of a q(z), one for each of B data.

    `DiagonalGaussian` is one; any other will do.
    """

    def sample(self, samples: int) -> Tensor:
        """K reparameterised draws of z for each datum, (K, B, d)."""

    def log_density(self, z: Tensor) -> Tensor:
        """log q(z) in nats, (..., B), for z of shape (..., B, d)."""

    def kl_from_prior(self) -> Tensor:
        """KL(q || N(0, I)) in nats, (B,). `elbo` alone asks for it."""


class MonteCarlo(NamedTuple):
    """A Monte Carlo estimate of log p(x) for each image, in nats.

    Attributes:
        estimate: (B,) log-mean-exp of the K log weights. Biased low for finite K.
        standard_error: (B,) of the estimate, by the delta method: sd(w) / (sqrt(K) mean(w)). It
            trusts the weights it saw.
        effective_samples: (B,) (sum w)^2 / sum w^2, between 1 and K: how many samples carry the
            estimate.
        elbo: (B,) mean of the same K log weights: an unbiased estimate of the ELBO, never above
            `estimate`.
    """

    estimate: Tensor
    standard_error: Tensor
    effective_samples: Tensor
    elbo: Tensor


def log_joint(loglik: Loglik, x: Tensor, z: Tensor) -> Tensor:
    """log p(x, z) = log p(x|z) + log p(z), with the prior N(0, I).

    The log posterior of z, but for a constant.

    Args:
        loglik: maps x (B, ...) and z to log p(x|z).
        x: (B, ...) images.
        z: (..., B, d), or (..., 1, d) for points shared by all images, such as a grid.

    Returns:
        (..., B), nats.

    Example:
        >>> x, z = torch.zeros(5, 2), torch.zeros(7, 1, 2)
        >>> log_joint(lambda x, z: log_normal(x, z).sum(-1), x, z).shape
        torch.Size([7, 5])
    """
    return loglik(x, z) + log_normal(z).sum(-1)


def log_weights(loglik: Loglik, x: Tensor, q: ApproximatePosterior, samples: int = 1) -> Tensor:
    """K draws of log w = log p(x|z) + log p(z) - log q(z), z ~ q, prior N(0, I), for each image.

    Args:
        loglik: maps x (B, ...) and z (K, B, d) to log p(x|z), (K, B).
        x: (B, ...) images.
        q: the distribution that z is drawn from, of batch size B.
        samples: K >= 1.

    Returns:
        (K, B), nats. `.mean(0)` estimates the ELBO without bias, log-mean-exp the log likelihood.

    Raises:
        ValueError: if K < 1, or if q and x differ in batch size.

    Source:
        Kingma and Welling, "Auto-encoding variational Bayes", 2014; Burda et al., "Importance
        weighted autoencoders", 2016.

    Example:
        >>> from probnn.densities import DiagonalGaussian
        >>> x, prior = torch.ones(5, 1), DiagonalGaussian(torch.zeros(5, 1), torch.ones(5, 1))
        >>> log_weights(lambda x, z: log_normal(x, z).sum(-1), x, prior, samples=3).shape
        torch.Size([3, 5])
    """
    z = draw(x, q, samples)
    return log_joint(loglik, x, z) - q.log_density(z)


def elbo(loglik: Loglik, x: Tensor, q: ApproximatePosterior, samples: int = 1) -> Tensor:
    """Evidence lower bound E_q[log p(x|z)] - KL(q || N(0, I)) for each image, in nats.

    The expectation is a mean over K reparameterised samples, the KL is exact; the gap to log p(x)
    is KL(q || p(z|x)). Differentiable. Not an estimate of log p(x), however many samples are taken.

    Args: as for `log_weights`.

    Returns:
        (B,), nats per image; higher is better.

    Example:
        >>> from probnn.densities import DiagonalGaussian
        >>> q = DiagonalGaussian(torch.zeros(5, 1), torch.ones(5, 1))  # the prior
        >>> ignores_z = lambda x, z: torch.full(z.shape[:-1], -2.0)
        >>> elbo(ignores_z, torch.ones(5, 1), q)
        tensor([-2., -2., -2., -2., -2.])
    """
    return loglik(x, draw(x, q, samples)).mean(0) - q.kl_from_prior()


@torch.no_grad()
def log_marginal(
    loglik: Loglik, x: Tensor, q: ApproximatePosterior, samples: int = 100, max_rows: int = 1000
) -> MonteCarlo:
    """Importance-sampled log p(x) = log 1/K sum_k w_k for each image, in nats, with its error.

    The samples are streamed: at most `max_rows` images are decoded at a time, so memory does not
    grow with K. The estimate is a lower bound on log p(x) in expectation and rises with K; a small
    effective sample size is a warning that the standard error is itself too small. Without
    gradients.

    Args:
        loglik, x, q, samples: as for `log_weights`.
        max_rows: upper limit of (samples in flight) x (images), never less than one sample of every
            image. 1,000 of MNIST: 50 MB.

    Returns:
        MonteCarlo of (B,) tensors. With one sample the standard error is NaN: one weight says
        nothing about its spread. Where all weights are 0 the estimate is -inf, and nothing is known
        of its error.

    Example:
        >>> from probnn.densities import DiagonalGaussian
        >>> x = torch.zeros(1, 1)
        >>> q = DiagonalGaussian(x, torch.full((1, 1), 0.5**0.5))  # the posterior itself
        >>> exact = log_marginal(lambda x, z: log_normal(x, z).sum(-1), x, q, samples=100)
        >>> exact.estimate, exact.effective_samples.round()  # log N(0; 0, 2)
        (tensor([-1.2655]), tensor([100.]))
    """
    chunk = max(1, max_rows // len(x))
    log_w = log_weights(loglik, x, q, min(chunk, samples))
    top = log_w.amax(0)  # largest log weight so far; the sums below are relative to it
    total, total_squares, total_log = (torch.zeros_like(top) for _ in range(3))
    for start in range(0, samples, chunk):
        if start:
            log_w = log_weights(loglik, x, q, min(chunk, samples - start))
        new_top = torch.maximum(top, log_w.amax(0))
        reference = new_top.where(new_top > -math.inf, 0.0)  # all weights so far may be 0
        w, shrink = (log_w - reference).exp(), (top - reference).exp()
        total = total * shrink + w.sum(0)
        total_squares = total_squares * shrink**2 + (w**2).sum(0)
        total_log += log_w.sum(0)
        top = new_top
    effective = total**2 / total_squares
    spread = ((samples / effective - 1).clamp(min=0) / (samples - 1)).sqrt()  # one sample: 0/0
    return MonteCarlo(top + total.log() - math.log(samples), spread, effective, total_log / samples)


@torch.no_grad()
def over_batches(f: Callable[..., Any], *data: Tensor, batch_size: int = 100) -> Any:
    """f applied to successive slices of the data along their first axis, the results joined.

    Without gradients. One number per image comes back, so the mean over a data set is a mean over
    images, whatever the batch size.

    Args:
        f: maps slices of the data to a tensor (B, ...), or to a NamedTuple of such tensors.
        *data: tensors of equal length N.
        batch_size: images per call.

    Returns:
        A tensor (N, ...), or a NamedTuple of them.

    Example:
        >>> over_batches(lambda x: x.sum(1), torch.ones(5, 2), batch_size=2)
        tensor([2., 2., 2., 2., 2.])
    """
    results = [f(*batch) for batch in zip(*(d.split(batch_size) for d in data), strict=True)]
    if isinstance(results[0], Tensor):
        return torch.cat(results)
    return type(results[0])(*(torch.cat(column) for column in zip(*results, strict=True)))


def mean_and_se(values: Tensor) -> tuple[float, float]:
    """Mean over images and its standard error, sd/sqrt(N), accumulated in float64.

    Example:
        >>> mean_and_se(torch.tensor([1.0, 3.0]))
        (2.0, 1.0)
    """
    values = values.cpu().double()
    return values.mean().item(), (values.std() / math.sqrt(values.numel())).item()


def draw(x: Tensor, q: ApproximatePosterior, samples: int) -> Tensor:
    """K >= 1 draws of z for each datum, (K, B, d), from a q of as many data."""
    if samples < 1:
        raise ValueError(f"expected samples >= 1, got {samples}")
    z = q.sample(samples)
    if z.shape[-2] != len(x):
        raise ValueError(
            f"expected one q per image, got x of shape {tuple(x.shape)} "
            f"and draws of z of shape {tuple(z.shape)}"
        )
    return z
