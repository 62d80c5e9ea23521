"""Stochastic variational inference: a q(z) of its own for every datum, without an encoder.

It is fitted by gradient ascent. It needs only a `loglik`, so it works where an encoder cannot: for
an image of which half is seen, for instance.
"""

from __future__ import annotations

import torch
from torch import Tensor

from probnn.densities import DiagonalGaussian
from probnn.inference.likelihood import Loglik, elbo, log_joint
from probnn.runtime.random_streams import preserved_random_state

__all__ = ["fit_posterior"]


def fit_posterior(
    loglik: Loglik,
    x: Tensor,
    d: int = 2,
    steps: int = 300,
    samples: int = 10,
    lr: float = 0.05,
    start: DiagonalGaussian | None = None,
    seed: int = 0,
) -> DiagonalGaussian:
    """Fits a diagonal Gaussian q(z) to the posterior p(z|x) of each image.

    By maximising its ELBO over mu and log sigma. Each step takes K reparameterised samples per
    image; Adam's steps shrink linearly to nothing, so that the noise averages out. The maximum is a
    local one: of a posterior with several peaks, q covers the one that the start is near to. For
    many images at once, the fits are independent of each other, but for the samples drawn.

    Args:
        loglik: maps x (B, ...) and z (K, B, d) to log p(x|z), (K, B); `partial(half_loglik,
            generator, TOP)` for half an image.
        x: (B, ...) images.
        d: dimension of z.
        steps: of gradient ascent.
        samples: K >= 1 per step.
        lr: the first steps' learning rate; mu moves by about that much per step.
        start: where to begin; by default at the likeliest of 4,096 points drawn from the prior,
            with sigma 0.1.
        seed: equal seeds give equal results; the global random streams are left as they were.

    Returns:
        DiagonalGaussian of mu and sigma (B, d), without gradients: of the type that an encoder
        gives.

    Raises:
        ValueError: if K or steps are below 1, or `start` is not one q of d dimensions per image.

    Source:
        Hoffman et al., "Stochastic variational inference", 2013; Toronto assignment 3, question 4.

    Example:
        >>> from probnn.densities import log_normal
        >>> loglik = lambda x, z: log_normal(x, z).sum(-1)  # the posterior is N(x/2, 1/2)
        >>> mu, sigma = fit_posterior(loglik, torch.ones(1, 2), samples=100)
        >>> bool((mu - 0.5).abs().max() < 0.05), bool((sigma - 0.5**0.5).abs().max() < 0.05)
        (True, True)
    """
    if samples < 1 or steps < 1:
        raise ValueError(f"expected samples >= 1 and steps >= 1, got {samples} and {steps}")
    if start is not None and (start.mu.shape != (len(x), d) or start.sigma.shape != (len(x), d)):
        raise ValueError(
            f"expected a start of shape ({len(x)}, {d}), one q per image, "
            f"got mu {tuple(start.mu.shape)} and sigma {tuple(start.sigma.shape)}"
        )
    with preserved_random_state(), torch.enable_grad():
        torch.manual_seed(seed)
        mu, sigma = start or _likeliest_draws(loglik, x, d)
        mu = mu.detach().clone().requires_grad_()
        log_sigma = sigma.detach().log().requires_grad_()
        optimizer = torch.optim.Adam([mu, log_sigma], lr)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
        for _ in range(steps):
            q = DiagonalGaussian(mu, log_sigma.exp())
            loss = -elbo(loglik, x, q, samples).sum()  # each image has its own parameters
            # the network's parameters stay untouched
            mu.grad, log_sigma.grad = torch.autograd.grad(loss, (mu, log_sigma))
            optimizer.step()
            schedule.step()
    return DiagonalGaussian(mu.detach(), log_sigma.detach().exp())


@torch.no_grad()
def _likeliest_draws(loglik: Loglik, x: Tensor, d: int) -> DiagonalGaussian:
    z = torch.randn(4096, 1, d, dtype=x.dtype if x.is_floating_point() else None, device=x.device)
    # in parts: a conditional loglik decodes each z for every label
    joint = torch.cat([log_joint(loglik, x, some) for some in z.split(256)])
    mu = z[joint.argmax(0), 0]  # -> (B, d)
    return DiagonalGaussian(mu, torch.full_like(mu, 0.1))
