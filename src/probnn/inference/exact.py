"""Exact answers where z has two dimensions: log p(x) and KL(q || p(z|x)), without sampling.

They are integrals over a grid, which has two levels. Squares of side 1/4 that hold a noticeable
part of an image's posterior (or of q) are found by a coarse scan; only those are integrated on the
fine grid. A posterior that is tens of times narrower than the prior costs little that way.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from probnn.densities import DiagonalGaussian
from probnn.inference.likelihood import Loglik, log_joint

__all__ = ["Quadrature", "log_marginal_quadrature", "quadrature"]

SQUARE = 0.25
# nats below the highest log density seen: some thousand such squares hold a share of 1e-8
NEGLIGIBLE = 25.0


class Quadrature(NamedTuple):
    """What integration over the plane says about each image and its q, in nats.

    Attributes:
        log_marginal: (B,) log p(x).
        kl: (B,) KL(q || p(z|x)), the gap between the exact ELBO of q and log p(x); NaN without q.
    """

    log_marginal: Tensor
    kl: Tensor


def log_marginal_quadrature(
    loglik: Loglik, x: Tensor, spacing: float = 1 / 32, limit: float = 8.0
) -> Tensor:
    """log p(x) = log of the integral of p(x|z) N(z; 0, I) over a two-dimensional z.

    By the midpoint rule on a square grid. Exact as the grid is refined: the error falls faster than
    any power of the spacing once that is below the width of the posterior. Halve the spacing until
    the value stands still. A peak narrower than 1/20 far from any other mass can be missed.

    Args:
        loglik: maps x (B, ...) and z (G, 1, 2) to log p(x|z), (G, B). It is called with some of the
            images at a time, so nothing that belongs to single images (labels) may be bound to it:
            loop over those.
        x: (B, ...) images; a thousand at a time (`over_batches`) keep the scan below 200 MB.
        spacing: of the grid, 1/8 or less.
        limit: the grid spans [-limit, limit] in both axes, in prior standard deviations.

    Returns:
        (B,), nats.

    Raises:
        ValueError: if the spacing is not positive or above 1/8.

    Example:
        >>> from probnn.densities import log_normal
        >>> x = torch.zeros(1, 2)
        >>> log_marginal_quadrature(lambda x, z: log_normal(x, z).sum(-1), x)  # log N(x; 0, 2 I)
        tensor([-2.5310])
    """
    return quadrature(loglik, x, None, spacing, limit).log_marginal


@torch.no_grad()
def quadrature(
    loglik: Loglik,
    x: Tensor,
    q: DiagonalGaussian | None,
    spacing: float = 1 / 32,
    limit: float = 8.0,
) -> Quadrature:
    """log p(x), and how far q is from the exact posterior p(z|x).

    KL(q || p(z|x)) = integral of q(z) (log q(z) - log p(x, z)) + log p(x), by the same integration
    as `log_marginal_quadrature`. Never below 0, but for rounding.

    Args:
        loglik, x, spacing, limit: as for `log_marginal_quadrature`. q needs a spacing of at most
            1.5 sigma.
        q: one Gaussian per image, or None.

    Returns:
        Quadrature of (B,) tensors.

    Raises:
        ValueError: also if q does not integrate to 1 on the grid, being too narrow for the spacing
            or outside of the limit.

    Example:
        >>> from probnn.densities import log_normal
        >>> x = torch.zeros(1, 2)
        >>> q = DiagonalGaussian(x, torch.full((1, 2), 0.5**0.5))  # the posterior itself
        >>> quadrature(lambda x, z: log_normal(x, z).sum(-1), x, q).kl.abs() < 1e-5
        tensor([True])
    """
    if not 0 < spacing <= SQUARE / 2:
        raise ValueError(f"expected a spacing above 0 and at most {SQUARE / 2}, got {spacing}")
    if q is not None and len(q.mu) != len(x):
        raise ValueError(
            f"expected one q per image, got x of shape {tuple(x.shape)} "
            f"and q.mu of shape {tuple(q.mu.shape)}"
        )
    log_p = torch.full((len(x),), -math.inf, dtype=_real(x), device=x.device)
    mass, integral = torch.zeros_like(log_p), torch.zeros_like(log_p)
    for z, images, area in _pieces(loglik, x, q, spacing, limit):
        joint = log_joint(loglik, x[images], z)  # -> (G, b)
        log_p[images] = torch.logaddexp(log_p[images], torch.logsumexp(joint, 0) + math.log(area))
        if q is not None:
            log_q = DiagonalGaussian(q.mu[images], q.sigma[images]).log_density(z)
            mass[images] += log_q.exp().sum(0) * area
            integral[images] += (log_q.exp() * (log_q - joint)).sum(0) * area
    if q is None:
        return Quadrature(log_p, torch.full_like(log_p, math.nan))
    worst = (mass - 1).abs().argmax()
    if abs(mass[worst] - 1) > 1e-3:
        raise ValueError(
            f"expected every q to integrate to 1 on the grid, got {mass[worst]:.4f} "
            f"for mu {q.mu[worst].tolist()} and sigma {q.sigma[worst].tolist()}: "
            f"take a spacing below 1.5 sigma (it is {spacing:g}), "
            f"or a larger limit (it is {limit:g})"
        )
    return Quadrature(log_p, integral + log_p)


def _pieces(
    loglik: Loglik, x: Tensor, q: DiagonalGaussian | None, spacing: float, limit: float
) -> Iterator[tuple[Tensor, Tensor, float]]:
    """Squares of the plane: fine points (G, 1, 2), images to which they matter, area per point."""
    side = math.ceil(limit / SQUARE) * 2
    centres = _points(side * SQUARE, side, x)  # -> (side^2, 1, 2)
    scan = (centres + _points(SQUARE, 2, x).reshape(1, 4, 2)).reshape(-1, 1, 2)
    joint = torch.cat([log_joint(loglik, x, z) for z in scan.split(256)])
    matters = _noticeable(joint, side)  # -> (side^2, B)
    if q is not None:
        matters |= _noticeable(torch.cat([q.log_density(z) for z in scan.split(256)]), side)
    per_side = math.ceil(SQUARE / spacing)
    fine = _points(SQUARE, per_side, x)
    for centre, wanted in zip(centres, matters, strict=True):
        if wanted.any():
            yield centre + fine, wanted.nonzero()[:, 0], (SQUARE / per_side) ** 2


def _points(width: float, n: int, like: Tensor) -> Tensor:
    """Midpoints of the n x n cells of a square around 0, (n^2, 1, 2)."""
    axis = ((torch.arange(n, dtype=_real(like), device=like.device) + 0.5) / n - 0.5) * width
    return torch.cartesian_prod(axis, axis)[:, None, :]


def _real(x: Tensor) -> torch.dtype:
    return x.dtype if x.is_floating_point() else torch.get_default_dtype()


def _noticeable(log_density: Tensor, side: int) -> Tensor:
    """Which squares hold more than a negligible share, or touch one that does.

    Judged by four points of each.
    """
    best = log_density.unflatten(0, (side, side, 4)).amax(2)  # -> (side, side, B)
    around = max_pool2d(best.permute(2, 0, 1), 3, stride=1, padding=1)  # -> (B, side, side)
    return (around > around.amax((1, 2), keepdim=True) - NEGLIGIBLE).flatten(1).T
