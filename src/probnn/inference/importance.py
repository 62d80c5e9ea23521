"""The importance-weighted bound, for training: log-mean-exp of K log weights instead of their mean.

It rises from the ELBO (K=1) to log p(x). What it costs is the encoder's gradient: its mean falls as
K grows, faster than its noise. The doubly reparameterised gradient is the same in expectation, with
a noise that falls as fast.
"""

from __future__ import annotations

import math

from torch import Tensor

from probnn.densities import DiagonalGaussian
from probnn.inference.likelihood import Loglik, log_joint, log_weights

__all__ = ["doubly_reparameterised", "importance_weighted"]


def importance_weighted(loglik: Loglik, x: Tensor, q: DiagonalGaussian, samples: int) -> Tensor:
    """The K-sample importance-weighted bound on log p(x) for each datum. Differentiable.

    log 1/K sum_k w_k. In expectation between the ELBO (K=1) and log p(x), and rising with K.

    Args:
        loglik: maps x (B, ...) and z (K, B, d) to log p(x|z), (K, B).
        x: (B, ...) data.
        q: one Gaussian for each.
        samples: K >= 1.

    Returns:
        (B,), nats per datum.

    Source:
        Burda et al., "Importance weighted autoencoders", 2016.

    Example:
        >>> import torch
        >>> from probnn.densities import log_normal
        >>> x = torch.zeros(1, 1)
        >>> q = DiagonalGaussian(x, torch.full((1, 1), 0.5**0.5))  # the posterior itself
        >>> importance_weighted(lambda x, z: log_normal(x, z).sum(-1), x, q, samples=5)
        tensor([-1.2655])
    """
    log_w = log_weights(loglik, x, q, samples)  # -> (K, B)
    return log_w.logsumexp(0) - math.log(samples)


def doubly_reparameterised(loglik: Loglik, x: Tensor, q: DiagonalGaussian, samples: int) -> Tensor:
    """The same bound, with a gradient for q that keeps its signal as K grows.

    By z, through which alone q's parameters act here, each sample's slope counts by the square of
    its share of the weights. The generator's gradient is that of `importance_weighted`.

    Args: as for `importance_weighted`.

    Returns:
        (B,), nats per datum.

    Source:
        Tucker et al., "Doubly reparameterized gradient estimators for Monte Carlo objectives",
        2019.

    Example:
        >>> import torch
        >>> from probnn.densities import log_normal
        >>> x, mu = torch.ones(1, 1), torch.ones(1, 1, requires_grad=True)
        >>> q = DiagonalGaussian(mu / 2, torch.full((1, 1), 0.5**0.5))  # the posterior itself
        >>> doubly_reparameterised(lambda x, z: log_normal(x, z).sum(-1), x, q, 5).backward()
        >>> mu.grad.abs() < 1e-6  # nothing to gain, and no noise
        tensor([[True]])
    """
    z = q.sample(samples)
    fixed = DiagonalGaussian(q.mu.detach(), q.sigma.detach())
    log_w = log_joint(loglik, x, z) - fixed.log_density(z)  # -> (K, B)
    share = log_w.detach().softmax(0)[..., None]
    if z.requires_grad:
        z.register_hook(lambda slope: share * slope)
    return log_w.logsumexp(0) - math.log(samples)
