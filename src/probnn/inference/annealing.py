"""Bounds on log p(x) from both sides, by annealed importance sampling (AIS).

Here z is drawn from q and then led to the posterior in small steps, through the densities

    f_t(z) = q(z)^(1 - b_t) p(x, z)^b_t,     0 = b_0 < b_1 < ... < b_T = 1,

with a Hamiltonian move at each. Its weight is the product of the ratios f_t(z) / f_(t-1)(z) at the
z that were met. Whatever the moves are, as long as each leaves its f_t unchanged, weights have the
mean p(x): the log of the mean of K weights is a *lower* bound in expectation, and lies c nats above
log p(x) at most one time in e^c. Backwards, from an exact sample of the posterior, they have the
mean 1 / p(x), hence an *upper* bound: of data simulated from the model, whose z is such a sample.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from probnn.inference.likelihood import ApproximatePosterior, Loglik, draw, log_joint

__all__ = ["Annealed", "Sandwich", "log_marginal_ais", "sandwich"]

# of the chains: z (K, B, d); log q(z) and log p(x, z), (2, K, B); their slopes, (2, K, B, d)
_Point: TypeAlias = tuple[Tensor, Tensor, Tensor]


class Annealed(NamedTuple):
    """A bound on log p(x) for each of B data, in nats, and what tells whether to trust it.

    Attributes:
        estimate: (B,) log-mean-exp of the weights of K chains; minus that for an upper bound.
        standard_error: (B,) over the chains, by the delta method. It knows nothing of what all
            chains missed; the gap between both bounds does.
        effective_chains: (B,) (sum w)^2 / sum w^2, from 1 to K. Near 1, one chain decides.
        distance: (B,) KL(q || p(z|x)) + KL(p(z|x) || q) of the start, as far as the chains got.
            Where it is not well below the number of temperatures, the bound is loose.
        acceptance: (B,) the share of moves accepted, of the chain with the smallest; NaN of none.
    """

    estimate: Tensor
    standard_error: Tensor
    effective_chains: Tensor
    distance: Tensor
    acceptance: Tensor


class Sandwich(NamedTuple):
    """Both bounds on log p(x), of data that were simulated from the model."""

    lower: Annealed
    upper: Annealed

    @property
    def gap(self) -> Tensor:
        """(B,) upper minus lower, in nats; `mean_and_se` gives its error. In expectation >= 0."""
        return self.upper.estimate - self.lower.estimate


def log_marginal_ais(
    loglik: Loglik,
    x: Tensor,
    start: ApproximatePosterior,
    chains: int = 8,
    temperatures: int = 200,
    leapfrogs: int = 3,
) -> Annealed:
    """A lower bound on log p(x) for each datum, by annealed importance sampling from `start`.

    Costs K T leapfrogs evaluations of `loglik` and its slope, and a quarter more by a pilot, that
    finds the sizes of the moves. A start too wide costs temperatures; one that misses an island of
    the posterior is mended by none.

    Args:
        loglik: maps x (B, ...) and z (K, B, d) to log p(x|z), (K, B); differentiable in z.
        x: (B, ...) a batch of data; all its chains are in memory at once.
        start: the q of z, its `log_density` differentiable: the prior, an encoder's, a fitted one.
        chains: K >= 1. With one, the standard error is NaN.
        temperatures: T >= 1; 1 is importance sampling.
        leapfrogs: gradient steps of each Hamiltonian move, >= 1.

    Raises:
        ValueError: if a count is below 1, if start and x differ in batch size, or at a NaN.

    Source:
        Neal, "Annealed importance sampling", 2001; Wu et al., 2017, for decoder-based models.

    Example:
        >>> from probnn.densities import DiagonalGaussian, log_normal
        >>> x, prior = torch.zeros(2, 1), DiagonalGaussian(torch.zeros(2, 1), torch.ones(2, 1))
        >>> bound = log_marginal_ais(lambda x, z: log_normal(x, z, 0.1).sum(-1), x, prior)
        >>> (bound.estimate - log_normal(torch.tensor(0.0), 0, 1.01**0.5)).abs().max() < 0.5
        tensor(True)
    """
    path = _Path(loglik, x, start, chains, temperatures, leapfrogs)
    return path.anneal(path.first, path.pilot())


def sandwich(
    loglik: Loglik, x: Tensor, z: Tensor, start: ApproximatePosterior, **counts: int
) -> Sandwich:
    """Both bounds on log p(x), for data simulated from the model.

    Args:
        z: (B, d) of the prior, that x (B, ...) was drawn from. With any other, no upper bound.
        loglik, start, counts: as for `log_marginal_ais`.

    Source:
        Grosse et al., "Sandwiching the marginal likelihood using bidirectional Monte Carlo", 2015.

    Example:
        >>> from probnn.densities import DiagonalGaussian, log_normal
        >>> z = torch.randn(2, 1)
        >>> x, prior = z + 0.1 * torch.randn(2, 1), DiagonalGaussian(0 * z, 0 * z + 1)
        >>> sandwich(lambda x, z: log_normal(x, z, 0.1).sum(-1), x, z, prior).gap.abs().max() < 1
        tensor(True)
    """
    path = _Path(loglik, x, start, **counts)
    if z.shape != path.first.shape[1:]:
        raise ValueError(f"expected z of shape {tuple(path.first.shape[1:])}, got {tuple(z.shape)}")
    sizes, last = path.pilot(), z.expand_as(path.first)
    return Sandwich(path.anneal(path.first, sizes), path.anneal(last, sizes, sign=-1))


@dataclass
class _Path:
    """The densities f_t between q and p(x, z), and moves that leave them unchanged."""

    loglik: Loglik
    x: Tensor
    start: ApproximatePosterior
    chains: int = 8
    temperatures: int = 200
    leapfrogs: int = 3

    def __post_init__(self) -> None:
        counts = self.temperatures, self.leapfrogs
        if min(counts) < 1:
            raise ValueError(f"expected temperatures and leapfrogs >= 1, got {counts}")
        self.first = draw(self.x, self.start, self.chains)  # -> (K, B, d)
        # in small steps at both ends, where the densities change most
        steps = range(self.temperatures + 1)
        b = [1 / (1 + math.exp(4 - 8 * t / self.temperatures)) for t in steps]
        self.betas = [(b[t] - b[0]) / (b[-1] - b[0]) for t in steps]

    @torch.enable_grad()
    def at(self, z: Tensor) -> _Point:
        z = z.detach().requires_grad_()
        logs = [self.start.log_density(z), log_joint(self.loglik, self.x, z)]
        slopes = [torch.autograd.grad(log.sum(), z)[0] for log in logs]
        return z.detach(), torch.stack(logs).detach(), torch.stack(slopes)

    def move(self, old: _Point, b: float, size: Tensor) -> tuple[_Point, Tensor]:
        """A Hamiltonian move: a random push, some gradient steps, and a coin to accept them."""
        z, logs, slopes = old
        push = torch.randn_like(z)
        momentum = push + size / 2 * torch.lerp(slopes[0], slopes[1], b)
        for k in range(1, self.leapfrogs + 1):
            z, logs, slopes = self.at(z + size * momentum)
            share = 1.0 if k < self.leapfrogs else 0.5  # the last push is a half one, as the first
            momentum = momentum + share * size * torch.lerp(slopes[0], slopes[1], b)
        kinetic = (push.square() - momentum.square()).sum(-1) / 2
        gain = kinetic + (1 - b) * (logs - old[1])[0] + b * (logs - old[1])[1]
        accepted = torch.rand_like(gain).log() < gain  # NaN is not
        of_z = accepted[..., None]
        z, slopes = torch.where(of_z, z, old[0]), torch.where(of_z, slopes, old[2])
        return (z, torch.where(accepted, logs, old[1]), slopes), accepted

    def anneal(self, z: Tensor, sizes: list[Tensor], sign: int = 1) -> Annealed:
        """Leads z (K, B, d) along the path, or back if the sign is -1."""
        betas, sizes, point = self.betas[::sign], sizes[::sign], self.at(z)
        ratios, moved = [], [torch.full_like(z[..., 0], math.nan)]
        for t in range(1, len(betas)):
            ratios.append(point[1][1] - point[1][0])  # log p(x, z) - log q(z)
            if t < len(betas) - 1:
                point, accepted = self.move(point, betas[t], sizes[t - 1])
                moved.append(accepted.to(z.dtype))
        log_w = (torch.stack(ratios) * z.new_tensor(betas).diff()[:, None, None]).sum(0)
        if log_w.isnan().any():
            raise ValueError("expected numbers for log p(x|z) and log q(z), got NaN")
        log_sum, chains = log_w.logsumexp(0), len(log_w)
        effective = (2 * log_sum - (2 * log_w).logsumexp(0)).exp()
        error = ((chains / effective - 1).clamp(min=0) / (chains - 1 or math.nan)).sqrt()
        distance = sign * (ratios[-1] - ratios[0]).mean(0)
        acceptance = torch.stack(moved).nanmean(0).amin(0)
        return Annealed(sign * (log_sum - math.log(chains)), error, effective, distance, acceptance)

    def pilot(self) -> list[Tensor]:
        """Sizes (B, d) of the gradient steps that let three moves of four be accepted, found by
        chains for that alone: if they still adapted in the measured run, that would be no bound."""
        size, sizes = self.start.sample(100).std(0) / self.first.shape[-1] ** 0.25, []
        point = self.at(self.start.sample(max(2, self.chains // 4)))
        for b in self.betas[1:-1]:
            point, accepted = self.move(point, b, size)
            size = size * ((accepted.to(size.dtype).mean(0) - 0.75) / 4).exp()[:, None]
            sizes.append(size)
        return sizes
