"""t-SNE, exact: the objective, its gradient, and an optimiser.

The objective is the divergence between the neighbour probabilities of data, P, and of map points,
Q. P, from `neighbours`, is computed once. The gradient goes through the N x N pairs in blocks of
rows that stay in the processor's cache, with buffers allocated once; nothing of size N x N x 2 is
ever formed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from probnn.runtime.devices import has_float64
from probnn.tsne.neighbours import check_distances, check_points, squared_distances

__all__ = [
    "MomentumWithGains",
    "TsneObjective",
    "kl_divergence",
    "pca_start",
    "symmetric_student_t_neighbour_probability",
]

BLOCK = 2**16  # pairs per block: a quarter of a megabyte in float32


def symmetric_student_t_neighbour_probability(y: Tensor) -> Tensor:
    """Q: q_ij proportional to 1 / (1 + |y_i - y_j|^2) over all pairs, and 0 on the diagonal.

    Differentiable.

    Args:
        y: (N, 2) map points.

    Returns:
        (N, N), symmetric, summing to 1.

    Example:
        >>> symmetric_student_t_neighbour_probability(torch.tensor([[0.0, 0.0], [1.0, 0.0]]))
        tensor([[0.0000, 0.5000],
                [0.5000, 0.0000]])
    """
    others = 1 - torch.eye(len(y), dtype=y.dtype, device=y.device)
    weights = (1 / (1 + squared_distances(y))) * others
    return weights / weights.sum()


def kl_divergence(P: Tensor, Q: Tensor) -> Tensor:
    """KL(P || Q) = sum p_ij log(p_ij / q_ij) in nats, with 0 log 0 = 0. Differentiable in Q.

    Example:
        >>> P = torch.tensor([[0.0, 0.5], [0.5, 0.0]])
        >>> kl_divergence(P, P)
        tensor(0.)
    """
    pairs = P > 0
    return (P[pairs] * (P[pairs] / Q[pairs]).log()).sum()


def pca_start(x: Tensor, scale: float = 1e-4) -> Tensor:
    """Map points to start from: the first two principal components.

    They are scaled so that the first has the standard deviation `scale`.

    Args:
        x: (N, D).

    Returns:
        (N, 2), always the same for the same x.

    Raises:
        ValueError: if x has fewer than two columns, or all points are equal.

    Example:
        >>> pca_start(torch.randn(100, 5)).std(0)[0]
        tensor(1.0000e-04)
    """
    check_points(x, "x")
    centred = (x - x.mean(0)).cpu().double()
    _, vectors = torch.linalg.eigh(centred.T @ centred)
    axes = vectors[:, -2:].flip(1)
    largest = axes.gather(0, axes.abs().argmax(0, keepdim=True))
    axes = axes * largest.sign()  # eigenvectors have no sign of their own
    points = centred @ axes
    if points.shape[1] < 2 or not points[:, 0].any():
        equal = "" if points.any() else ", all equal"
        raise ValueError(
            "expected points of two dimensions or more that are not all equal, "
            f"got shape {tuple(x.shape)}{equal}"
        )
    return (scale * points / points[:, 0].std()).to(x)


class TsneObjective:
    """KL(P || Q) of map points, and its gradient, for one P: what t-SNE minimises.

    The gradient is the closed form 4 sum_j (p_ij - q_ij) (y_i - y_j) / (1 + |y_i - y_j|^2). It is
    taken block by block of rows, each small enough for the cache, as matrix products with the N x 3
    matrix (y, 1); buffers are allocated once.

    Args:
        P: (N, N), symmetric, summing to 1, as from `symmetric_gauss_neighbour_probability`.

    Example:
        >>> from probnn.tsne.neighbours import symmetric_gauss_neighbour_probability
        >>> x = torch.randn(100, 5, dtype=torch.float64)
        >>> P = symmetric_gauss_neighbour_probability(x, wanted=30.0)
        >>> y = torch.randn(100, 2, dtype=torch.float64, requires_grad=True)
        >>> kl = kl_divergence(P, symmetric_student_t_neighbour_probability(y))
        >>> (by_autograd,) = torch.autograd.grad(kl, y)
        >>> objective = TsneObjective(P)
        >>> torch.allclose(objective.gradient(y), by_autograd)
        True
        >>> round(objective.kl(y) / kl.item(), 6)
        1.0
    """

    def __init__(self, P: Tensor) -> None:
        check_distances(P)
        n = len(P)
        self.P = P.contiguous()
        self._size = max(16, BLOCK // n)  # rows per block
        self._weights, self._products = (P.new_empty(min(self._size, n), n) for _ in range(2))
        self._left, self._right = P.new_ones(n, 4), P.new_ones(4, n)
        self._y1 = P.new_ones(n, 3)
        self._attraction, self._repulsion = (P.new_empty(n, 3) for _ in range(2))
        self._wide = torch.float64 if has_float64(P.device) else P.dtype
        # sum p log p, with 0 log 0 = 0
        self._negative_entropy = -torch.special.entr(P).sum(dtype=self._wide).item()

    @torch.no_grad()
    def gradient(self, y: Tensor, exaggeration: float = 1.0) -> Tensor:
        """The gradient of KL(P || Q) with respect to the map points.

        With P multiplied by `exaggeration`, if that is not 1.

        Args:
            y: (N, 2), of the type of P.
            exaggeration: above 1 for early exaggeration.

        Returns:
            (N, 2).

        Raises:
            ValueError: if y has another shape or type.
        """
        total = torch.zeros((), dtype=self._wide, device=y.device)
        for rows, weights in self._blocks(y):
            products = torch.mul(self.P[rows], weights, out=self._products[: len(weights)])
            torch.mm(products, self._y1, out=self._attraction[rows])  # sum_j p_ij w_ij (y_j, 1)
            total += weights.sum()
            squares = weights.square_()
            torch.mm(squares, self._y1, out=self._repulsion[rows])  # sum_j w_ij^2 (y_j, 1)
        pairs = total - len(y)  # every w_ii is 1 and belongs to no pair
        forces = exaggeration * self._attraction - self._repulsion / pairs
        return 4 * (forces[:, 2:] * y - forces[:, :2])

    @torch.no_grad()
    def kl(self, y: Tensor) -> float:
        """KL(P || Q) in nats: of the true P, whether or not the gradient was exaggerated."""
        total, cross = (torch.zeros((), dtype=self._wide, device=y.device) for _ in range(2))
        for rows, weights in self._blocks(y):
            total += weights.sum()
            products = self._products[: len(weights)]
            cross -= torch.mul(self.P[rows], weights.log(), out=products).sum()
        return (self._negative_entropy + cross + (total - len(y)).log()).item()

    def _blocks(self, y: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Rows and their weights w_ij = 1 / (1 + |y_i - y_j|^2), (rows, N).

        They are in a buffer that the next block overwrites.
        """
        if y.shape != (len(self.P), 2) or y.dtype != self.P.dtype:
            raise ValueError(
                f"expected map points of shape ({len(self.P)}, 2) and type {self.P.dtype}, "
                f"got {tuple(y.shape)} and {y.dtype}"
            )
        y = y.detach()
        centred = y - y.mean(0)
        squares = centred.square().sum(1)
        self._y1[:, :2] = y
        self._left[:, :2], self._left[:, 2] = centred, squares + 1
        self._right[:2], self._right[3] = -2 * centred.T, squares
        for start in range(0, len(y), self._size):
            rows = slice(start, min(start + self._size, len(y)))
            weights = self._weights[: rows.stop - start]
            # 1 + |y_i|^2 + |y_j|^2 - 2 y_i.y_j
            torch.mm(self._left[rows], self._right, out=weights)
            weights.clamp_(min=1).reciprocal_()
            weights[:, rows].fill_diagonal_(1)  # exactly: wide maps round it
            yield rows, weights


class MomentumWithGains(torch.optim.Optimizer):
    """Gradient descent with momentum and a gain for each coordinate: t-SNE's own optimiser.

    A gain grows by 0.2 where the velocity points downhill, against the gradient, is multiplied by
    0.8 elsewhere (at the first step, too, where the velocity is 0), and never falls below 0.01, as
    in scikit-learn. `momentum` may be changed between steps, in `param_groups`: 0.5 at first and
    0.8 later is usual.

    Args:
        params: as for any optimiser of torch.
        lr: the learning rate; max(N / exaggeration / 4, 50) is a good choice.
        momentum: between 0 and 1.

    Source:
        Jacobs, "Increased rates of convergence through learning rate adaptation", 1988; van der
        Maaten and Hinton, 2008; scikit-learn.

    Example:
        >>> y = torch.tensor([[3.0, -4.0]], requires_grad=True)
        >>> optimizer = MomentumWithGains([y], lr=0.1)
        >>> for _ in range(100):
        ...     y.grad = 2 * y.detach()
        ...     optimizer.step()
        >>> bool(y.abs().max() < 1e-3)
        True
    """

    def __init__(self, params: Iterable[Tensor], lr: float = 200.0, momentum: float = 0.5) -> None:
        if lr <= 0 or not 0 <= momentum < 1:
            raise ValueError(
                f"expected lr > 0 and momentum from 0 to below 1, got {lr} and {momentum}"
            )
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]  # it needs no closure
        """One step for every parameter that has a gradient."""
        for group in self.param_groups:
            for y in group["params"]:
                if y.grad is None:
                    continue
                state = self.state[y]
                if not state:
                    state["velocity"], state["gains"] = torch.zeros_like(y), torch.ones_like(y)
                velocity, gains = state["velocity"], state["gains"]
                downhill = velocity * y.grad < 0
                gains.copy_(torch.where(downhill, gains + 0.2, gains * 0.8).clamp_(min=0.01))
                velocity.mul_(group["momentum"]).sub_(group["lr"] * gains * y.grad)
                y += velocity
