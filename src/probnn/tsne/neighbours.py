"""Neighbour probabilities among data points, t-SNE's P.

Distances as matrix products, Gaussians with one sigma or one per point.
"""

from __future__ import annotations

import torch
from torch import Tensor

from probnn.runtime.devices import in_float64

__all__ = [
    "check_distances",
    "check_points",
    "neighbour_probability",
    "perplexity",
    "sigma_for_perplexity",
    "squared_distances",
    "symmetric_gauss_neighbour_probability",
]


def squared_distances(x: Tensor) -> Tensor:
    """|x_i - x_j|^2 for all pairs.

    As |x_i|^2 + |x_j|^2 - 2 x_i.x_j of the centred x: a matrix product instead of N x N x D
    differences. Never negative, and exactly 0 on the diagonal. Rounding leaves an absolute error of
    some 1e-6 of the largest |x_i|^2 in float32.

    Args:
        x: (N, D), float32 or float64.

    Returns:
        (N, N), symmetric.

    Example:
        >>> squared_distances(torch.tensor([[0.0, 0.0], [3.0, 4.0]]))
        tensor([[ 0., 25.],
                [25.,  0.]])
    """
    check_points(x, "x")
    x = x - x.mean(0)
    squares = x.square().sum(1)
    d2 = torch.addmm(squares[:, None] + squares, x, x.T, alpha=-2)
    d2 = (d2 + d2.T) / 2  # matrix products need not be symmetric to the last bit
    return d2.clamp(min=0).fill_diagonal_(0)


def neighbour_probability(d2: Tensor, sigma: Tensor | float) -> Tensor:
    """p_{j|i}: how likely i would pick j as its neighbour.

    Proportional to exp(-d2_ij / (2 sigma_i^2)), and 0 for j = i.

    Args:
        d2: (N, N) squared distances.
        sigma: one for all points, or (N,), one for each.

    Returns:
        (N, N); every row sums to 1. Not symmetric.

    Raises:
        ValueError: if a sigma is not positive, or there are fewer than two points.

    Example:
        >>> d2 = torch.tensor([[0.0, 1.0, 1.0], [1.0, 0.0, 4.0], [1.0, 4.0, 0.0]])
        >>> neighbour_probability(d2, 1.0)[0]
        tensor([0.0000, 0.5000, 0.5000])
    """
    check_distances(d2)
    sigma = torch.as_tensor(sigma, dtype=d2.dtype, device=d2.device)
    if not (sigma > 0).all():
        raise ValueError(f"expected sigma > 0, got {sigma.min().item():g}")
    log_p = -d2 / (2 * sigma.reshape(-1, 1) ** 2)
    itself = torch.eye(len(d2), dtype=torch.bool, device=d2.device)
    return torch.softmax(log_p.masked_fill(itself, -torch.inf), 1)


def perplexity(p: Tensor) -> Tensor:
    """exp(entropy) of each row of p_{j|i}, (N,): the effective number of neighbours.

    From 1 to N - 1.

    Example:
        >>> perplexity(torch.tensor([[0.0, 0.5, 0.5], [1.0, 0.0, 0.0]]))
        tensor([2., 1.])
    """
    return torch.special.entr(p).sum(1).exp()


def sigma_for_perplexity(
    d2: Tensor, wanted: float, tolerance: float = 1e-5, rounds: int = 200
) -> Tensor:
    """sigma_i of every point such that its p_{j|i} has the wanted perplexity.

    By bisection of log sigma for all points at once.

    Args:
        d2: (N, N) squared distances; the search runs in float64.
        wanted: between 1 and N - 1.
        tolerance: largest relative deviation of a perplexity.
        rounds: halvings at most.

    Returns:
        (N,), in the type of d2.

    Raises:
        ValueError: if the perplexity is out of reach: not below N - 1, or points with so many
            duplicates that even the smallest sigma keeps more neighbours than wanted.

    Source:
        van der Maaten and Hinton, "Visualizing data using t-SNE", 2008.

    Example:
        >>> d2 = squared_distances(torch.randn(100, 5, dtype=torch.float64))
        >>> found = perplexity(neighbour_probability(d2, sigma_for_perplexity(d2, 30.0)))
        >>> bool((found - 30).abs().max() < 30 * 1e-5)
        True
    """
    check_distances(d2)
    if not 1 < wanted < len(d2) - 1:
        raise ValueError(
            f"expected a perplexity above 1 and below N - 1 = {len(d2) - 1}, got {wanted:g}: "
            "take fewer neighbours, or more points"
        )
    exact = in_float64(d2)
    others = exact + torch.diag(torch.full_like(exact[0], torch.inf))
    nearest = others.amin(1, keepdim=True)
    # even sigma -> 0 leaves all of the nearest equally likely
    alike = (others - nearest <= 1e-12 * exact.max()).sum(1)
    if alike.max() > wanted:
        i = int(alike.argmax())
        raise ValueError(
            f"expected points whose nearest neighbours differ, got point {i} with {int(alike[i])} "
            f"equally near ones, more than the perplexity {wanted:g}: remove duplicates"
        )
    log_scale = exact.max().sqrt().log()
    low, high = (torch.full_like(exact[0], end) + log_scale for end in (-40.0, 10.0))
    for _ in range(rounds):
        log_sigma = (low + high) / 2
        found = perplexity(neighbour_probability(exact, log_sigma.exp()))
        too_few = found < wanted
        low, high = torch.where(too_few, log_sigma, low), torch.where(too_few, high, log_sigma)
        if ((found - wanted).abs() < tolerance * wanted).all():
            break
    return log_sigma.exp().to(d2)


def symmetric_gauss_neighbour_probability(
    x: Tensor, sigma: Tensor | float | None = None, wanted: float | None = None
) -> Tensor:
    """P: p_ij = (p_{j|i} + p_{i|j}) / (2 N).

    For images and one fixed sigma, a sigma for each, or a wanted perplexity.

    Args:
        x: (N, D).
        sigma: the standard deviation of the Gaussians: exp(-d2 / (2 sigma^2)). Give this or
            `wanted`.
        wanted: the perplexity; see `sigma_for_perplexity`.

    Returns:
        (N, N), symmetric, 0 on the diagonal, summing to 1.

    Source:
        van der Maaten and Hinton, 2008; Oslo exercise, week 12, task 3.1.

    Example:
        >>> P = symmetric_gauss_neighbour_probability(torch.randn(100, 5), wanted=30.0)
        >>> torch.equal(P, P.T), round(P.sum().item(), 4)
        (True, 1.0)
    """
    if (sigma is None) == (wanted is None):
        raise ValueError(
            f"expected either sigma or a wanted perplexity, got sigma={sigma} and wanted={wanted}"
        )
    d2 = squared_distances(x)
    if sigma is None:
        assert wanted is not None  # one of the two is given
        sigma = sigma_for_perplexity(d2, wanted)
    p = neighbour_probability(d2, sigma)
    return (p + p.T) / (2 * len(p))


def check_points(x: Tensor, name: str) -> None:
    """Raises ValueError unless x is (N, D), floating point, with at least two rows."""
    if x.ndim != 2 or len(x) < 2 or not x.is_floating_point():
        raise ValueError(
            f"expected {name} of shape (N, D), floating point, with N >= 2, "
            f"got {tuple(x.shape)} of {x.dtype}: flatten images first, as in images.flatten(1)"
        )


def check_distances(d2: Tensor) -> None:
    """Raises ValueError unless d2 is a square matrix of at least two points, in floating point."""
    if not d2.is_floating_point():
        raise ValueError(
            f"expected floating-point numbers, got {d2.dtype}: convert them, as in d2.float()"
        )
    if d2.ndim != 2 or len(d2) != d2.shape[1] or len(d2) < 2:
        raise ValueError(f"expected a square matrix of N >= 2 points, got shape {tuple(d2.shape)}")
