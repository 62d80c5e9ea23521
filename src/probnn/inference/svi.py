"""Stochastic variational inference: a q(z) of its own for every datum, without an encoder.

It is fitted by gradient ascent. It needs only a `loglik`, so it works where an encoder cannot: for
an image of which half is seen, for instance.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from probnn.densities import DiagonalGaussian
from probnn.inference.likelihood import Loglik, elbo, log_joint
from probnn.runtime.random_streams import preserved_random_state

__all__ = ["fit_posterior"]

NEIGHBOURS = 20  # a draw that is likelier than so many nearest ones is a peak


def fit_posterior(
    loglik: Loglik,
    x: Tensor,
    d: int = 2,
    steps: int = 300,
    samples: int = 10,
    lr: float = 0.05,
    start: DiagonalGaussian | None = None,
    seed: int = 0,
    starts: int = 1,
) -> DiagonalGaussian:
    """Fits a diagonal Gaussian q(z) to the posterior p(z|x) of each image.

    By maximising its ELBO over mu and log sigma. Each step takes K reparameterised samples per
    image; Adam's steps shrink linearly to nothing, so that the noise averages out. The maximum is a
    local one: of a posterior with several peaks, q covers the one that the start is near to, and
    the likeliest start need not lead to the best q, since a high peak may be narrow. With several
    starts, each at another peak, the q with the highest ELBO is kept, image by image, as measured
    afterwards with 1,000 samples of its own. For many images at once, the fits are independent of
    each other, but for the samples drawn.

    Args:
        loglik: maps x (B, ...) and z (K, B, d), of several starts (K, S, B, d), to log p(x|z) of
            that shape without d; `partial(half_loglik, generator, TOP)` for half an image.
        x: (B, ...) images.
        d: dimension of z.
        steps: of gradient ascent.
        samples: K >= 1 per step.
        lr: the first steps' learning rate; mu moves by about that much per step.
        start: where to begin; by default at the likeliest of 4,096 points drawn from the prior,
            with sigma 0.1.
        seed: equal seeds give equal results; the global random streams are left as they were.
        starts: S >= 1, fitted side by side: at the S likeliest peaks among the 4,096 points, which
            are those that are likelier than the 20 nearest to them. Where there are fewer, the
            likeliest serves again.

    Returns:
        DiagonalGaussian of mu and sigma (B, d), without gradients: of the type that an encoder
        gives.

    Raises:
        ValueError: if K, steps or S are below 1, or `start` is not one q of d dimensions per image,
            or comes with several starts.

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
    if starts < 1 or (starts > 1 and start is not None):
        raise ValueError(f"expected starts >= 1, and 1 with a start of your own, got {starts}")
    if start is not None and (start.mu.shape != (len(x), d) or start.sigma.shape != (len(x), d)):
        raise ValueError(
            f"expected a start of shape ({len(x)}, {d}), one q per image, "
            f"got mu {tuple(start.mu.shape)} and sigma {tuple(start.sigma.shape)}"
        )
    with preserved_random_state(), torch.enable_grad():
        torch.manual_seed(seed)
        mu, sigma = start or _likeliest_draws(loglik, x, d, starts)
        mu = mu.detach().clone().requires_grad_()
        log_sigma = sigma.detach().log().requires_grad_()
        optimizer = torch.optim.Adam([mu, log_sigma], lr)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
        for _ in range(steps):
            q = DiagonalGaussian(mu, log_sigma.exp())
            loss = -elbo(loglik, x, q, samples).sum()  # each q has its own parameters
            # the network's parameters stay untouched
            mu.grad, log_sigma.grad = torch.autograd.grad(loss, (mu, log_sigma))
            optimizer.step()
            schedule.step()
        q = DiagonalGaussian(mu.detach(), log_sigma.detach().exp())
        return _best_of_each(loglik, x, q) if starts > 1 else q


@torch.no_grad()
def _likeliest_draws(loglik: Loglik, x: Tensor, d: int, starts: int) -> DiagonalGaussian:
    z = torch.randn(4096, 1, d, dtype=x.dtype if x.is_floating_point() else None, device=x.device)
    # in parts: a conditional loglik decodes each z for every label
    joint = torch.cat([log_joint(loglik, x, some) for some in z.split(256)])
    best = joint.argmax(0) if starts == 1 else likeliest_peaks(z[:, 0], joint, starts)
    mu = z[best, 0]  # -> (B, d), of several starts (S, B, d)
    return DiagonalGaussian(mu, torch.full_like(mu, 0.1))


def likeliest_peaks(z: Tensor, joint: Tensor, starts: int) -> Tensor:
    """Which draws z (N, d) are the likeliest peaks of each image, (S, B), by log p(x, z) (N, B)."""
    around = torch.full_like(joint, -math.inf)
    for neighbour in torch.cdist(z, z).topk(NEIGHBOURS + 1, largest=False).indices.T:
        around = torch.maximum(around, joint[neighbour])
    height, peaks = joint.masked_fill(joint < around, -math.inf).topk(starts, dim=0)
    return peaks.where(height > -math.inf, peaks[:1])


@torch.no_grad()
def _best_of_each(loglik: Loglik, x: Tensor, q: DiagonalGaussian) -> DiagonalGaussian:
    """Of several q of each image, mu and sigma (S, B, d), the one with the highest ELBO, (B, d)."""
    bound = torch.stack([elbo(loglik, x, q, 10) for _ in range(100)]).mean(0)  # -> (S, B)
    best, images = bound.argmax(0), torch.arange(len(x), device=bound.device)
    return DiagonalGaussian(q.mu[best, images], q.sigma[best, images])
