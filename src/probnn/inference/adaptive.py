"""q moved to where each datum's posterior has its weight, and draws from that posterior."""

from __future__ import annotations

import torch
from torch import Tensor

from probnn.densities import DiagonalGaussian
from probnn.inference.likelihood import Loglik, log_joint, over_batches

__all__ = ["adapt", "resample"]

WIDER = 1.3  # than the weighted draws are spread: what a narrow q misses it does not know of


@torch.no_grad()
def adapt(
    loglik: Loglik, x: Tensor, q: DiagonalGaussian, samples: int = 5000, rounds: int = 5
) -> DiagonalGaussian:
    """A Gaussian for each datum that covers its posterior, by adaptive importance sampling.

    Each round draws from the q so far and weights the draws by p(x, z) / q(z); the next q has the
    mean of the weighted draws and 1.3 times their spread, but is never narrower than the last: at
    first few draws carry the weight, and lie too close. It is made to propose, not to be a bound.
    Whether it arrived is told by the effective samples that `log_marginal` finds with it. Without
    gradients.

    Args:
        loglik: maps x (B, ...) and z (K, B, d) to log p(x|z), (K, B).
        x: (B, ...) data.
        q: one Gaussian for each, to begin with.
        samples: K of each round.
        rounds: how often q moves, by a few of its standard deviations each time.

    Returns:
        DiagonalGaussian, mu and sigma (B, d).

    Source:
        Cappe et al., "Population Monte Carlo", 2004.

    Example:
        >>> from probnn.densities import log_normal
        >>> x = torch.full((1, 1), 4.0)
        >>> far = DiagonalGaussian(torch.zeros(1, 1), torch.full((1, 1), 0.5))
        >>> adapt(lambda x, z: log_normal(x, z).sum(-1), x, far).mu.round()  # the posterior's mean
        tensor([[2.]])
    """
    for _ in range(rounds):
        z = q.sample(samples)
        w = _log_weights(loglik, x, q, z).softmax(0)[..., None]  # -> (K, B, 1)
        mean = (w * z).sum(0)
        spread = (w * (z - mean) ** 2).sum(0).sqrt()
        q = DiagonalGaussian(mean, torch.maximum(WIDER * spread, q.sigma))
    return q


@torch.no_grad()
def resample(loglik: Loglik, x: Tensor, q: DiagonalGaussian, samples: int = 5000) -> Tensor:
    """One draw from each datum's posterior: of K draws of q, one by its weight p(x, z) / q(z).

    As good as q: where few of the K carry the weight, the draw is one of these few. Without
    gradients.

    Args:
        loglik, x, q, samples: as for `adapt`.

    Returns:
        (B, d).

    Source:
        Rubin, "The calculation of posterior distributions by data augmentation: comment", 1987.

    Example:
        >>> from probnn.densities import log_normal
        >>> x = torch.full((1000, 1), 4.0)  # the posterior is N(2, 1/2)
        >>> prior = DiagonalGaussian(torch.zeros(1000, 1), torch.ones(1000, 1))
        >>> resample(lambda x, z: log_normal(x, z).sum(-1), x, prior).mean().round()
        tensor(2.)
    """
    z = q.sample(samples)
    w = _log_weights(loglik, x, q, z).softmax(0)
    chosen = torch.multinomial(w.T, 1).squeeze(1)  # -> (B,)
    return z[chosen, torch.arange(len(x), device=z.device)]


def _log_weights(loglik: Loglik, x: Tensor, q: DiagonalGaussian, z: Tensor) -> Tensor:
    """log p(x, z) - log q(z) of these draws, (K, B), a hundred of each datum at a time."""
    return over_batches(lambda part: log_joint(loglik, x, part), z) - q.log_density(z)
