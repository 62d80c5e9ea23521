"""Checks of t-SNE's probabilities, divergence and steps, against their definitions."""

from __future__ import annotations

import torch

from tools.course.handed_in import expect, expect_shape
from tools.course.tables import asks


@asks("probnn.tsne.neighbours.squared_distances")
def check_squared_distances(squared_distances, seed, n):
    """|x_i - x_j|^2 of all pairs of rows of x, (N, D): (N, N), never negative, differentiable."""
    torch.manual_seed(seed)
    x = torch.randn(n + 2, 5)
    truth = (x[:, None] - x).square().sum(-1)
    expect(squared_distances(x), truth, "squared distances", {"distances": truth.sqrt()}, by=1e-3)
    far = squared_distances(x + 1000)
    expect(far, truth, "the same of points moved together", by=1e-2)
    assert (far >= 0).all() and not far.diagonal().any(), "0 on the diagonal, none below, expected"


@asks("probnn.tsne.neighbours.neighbour_probability")
def check_neighbour_probability(neighbour_probability, seed, n):
    """p_{j|i}: how likely i would pick j as its neighbour, under a Gaussian around i.

    Args:
        d2: squared distances, (N, N).
        sigma: the Gaussian's standard deviation, a number or (N,), one for each i.

    Returns:
        (N, N): row i holds p_{j|i}, sums to 1, and is 0 at j = i.
    """
    torch.manual_seed(seed)
    x, sigma = torch.randn(n + 2, 5), torch.rand(n + 2) + 1
    d2 = (x[:, None] - x).square().sum(-1)

    def rows(scale):
        weights = (-d2 / scale[:, None]).exp() * (1 - torch.eye(n + 2))
        return weights / weights.sum(1, keepdim=True)

    truth = rows(2 * sigma**2)
    wrong = {
        "one with sigma for sigma^2": rows(2 * sigma),
        "one without the 2": rows(sigma**2),
        "one normalised over columns": truth.T,
    }
    expect(neighbour_probability(d2, sigma), truth, "p_{j|i} in row i", wrong)
    one = rows(torch.full((n + 2,), 2 * 1.5**2))
    expect(neighbour_probability(d2, 1.5), one, "the same with one sigma for all")


@asks("probnn.tsne.neighbours.symmetric_gauss_neighbour_probability")
def check_symmetric_gauss(symmetric_gauss_neighbour_probability, seed, n):
    """P: p_ij, symmetric, summing to 1 over all pairs, from p_{j|i} of the images.

    Args:
        x: (N, D).
        sigma: the Gaussians' standard deviation; if None, `sigma_for_perplexity(d2, wanted)` (of
            `probnn.tsne.neighbours`) gives one for each point.
        wanted: a perplexity, or None.

    Returns:
        (N, N), 0 on the diagonal.
    """
    torch.manual_seed(seed)
    x = torch.randn(n + 4, 5)
    d2 = (x[:, None] - x).square().sum(-1)
    weights = (-d2 / (2 * 1.5**2)).exp() * (1 - torch.eye(n + 4))
    rows = weights / weights.sum(1, keepdim=True)
    truth = (rows + rows.T) / (2 * (n + 4))
    both = rows + rows.T
    wrong = {
        "one whose rows sum to 1, not the whole,": truth * (n + 4),
        "one normalised row by row after symmetrising": both / both.sum(1, keepdim=True) / (n + 4),
        "p_{j|i}, not symmetric,": rows,
    }
    expect(symmetric_gauss_neighbour_probability(x, 1.5), truth, "P", wrong, by=1e-5)
    P = symmetric_gauss_neighbour_probability(x, wanted=3.0)
    expect_shape(P, (n + 4, n + 4), "P for a wanted perplexity")
    expect(P, P.T, "a symmetric P", by=1e-6)
    expect(P.sum(), 1.0, "a P that sums to 1", {"N": float(n + 4)})


@asks("probnn.tsne.maps.symmetric_student_t_neighbour_probability")
def check_student(symmetric_student_t_neighbour_probability, seed, n):
    """Q: q_ij of map points y, (N, 2), by Student's t with one degree of freedom. Differentiable.

    (N, N), symmetric, 0 on the diagonal, summing to 1 over all pairs.
    """
    torch.manual_seed(seed)
    y = torch.randn(n + 1, 2).requires_grad_()
    d2 = (y[:, None] - y).square().sum(-1)
    weights = (1 - torch.eye(n + 1)) / (1 + d2)
    truth = weights / weights.sum()
    gauss = (-d2).exp() * (1 - torch.eye(n + 1))
    wrong = {
        "one whose rows sum to 1": weights / weights.sum(1, keepdim=True),
        "a Gaussian": gauss / gauss.sum(),
        "one with the diagonal": 1 / (1 + d2) / (1 / (1 + d2)).sum(),
    }
    if n == 1:
        wrong.pop("a Gaussian")
    Q = symmetric_student_t_neighbour_probability(y)
    expect(Q, truth, "Q", wrong)
    assert Q.requires_grad, "a Q that gradients can pass expected"


@asks("probnn.tsne.maps.kl_divergence")
def check_kl(kl_divergence, seed, n):
    """KL(P || Q), the sum over all pairs, in nats, with 0 log 0 = 0. Differentiable in Q."""
    torch.manual_seed(seed)
    P, Q = (m / m.sum() for m in torch.rand(2, n + 1, n + 1))
    truth = (P * (P / Q).log()).sum()
    wrong = {"KL(Q || P)": (Q * (Q / P).log()).sum(), "a mean over pairs": truth / P.numel()}
    expect(kl_divergence(P, Q), truth, "KL(P || Q)", wrong)
    none = 1 - torch.eye(n + 1)
    P, Q = (m * none / (m * none).sum() for m in (P, Q))
    pairs = P > 0
    truth = (P[pairs] * (P[pairs] / Q[pairs]).log()).sum()
    expect(kl_divergence(P, Q), truth, "the sum over pairs with P > 0, as 0 log 0 = 0,")


@asks("probnn.tsne.updates.gradient_descent_step")
def check_gradient_descent(gradient_descent_step, seed, n):
    """Moves the map points one step against the gradient of KL(P || Q).

    Args:
        map_points: (N, 2), with `requires_grad`; changed in place, without a gradient left.
        P: (N, N).
        learning_rate: how far.

    Returns:
        KL(P || Q) before the step, a number, in nats.
    """
    torch.manual_seed(seed)
    P = torch.rand(n + 2, n + 2).fill_diagonal_(0)
    P = (P + P.T) / (P + P.T).sum()
    y = torch.randn(n + 2, 2).requires_grad_()
    d2 = (y[:, None] - y).square().sum(-1).detach()
    weights = (1 - torch.eye(n + 2)) / (1 + d2)
    Q = weights / weights.sum()
    slope = 4 * (((P - Q) * weights)[..., None] * (y[:, None] - y).detach()).sum(1)
    before, kl = y.detach().clone(), torch.xlogy(P, P).sum() - torch.xlogy(P, Q).sum()
    got = gradient_descent_step(y, P, 2.0)
    wrong = {
        "points that went uphill": before + 2 * slope,
        "points where they were": before,
    }
    expect(y, before - 2 * slope, "points moved against the gradient", wrong, by=1e-3)
    expect(got, kl, "the KL before the step", by=1e-3)
    gradient_descent_step(y, P, 2.0)
    assert y.requires_grad, "map points that still ask for gradients expected"


@asks("probnn.tsne.updates.adam_step")
def check_adam(adam_step, seed, n):
    """The same with Adam's update, with its usual 0.9, 0.999 and 1e-8.

    Args:
        map_points, P, learning_rate: as for the step of gradient descent.
        mean, square: running means of the gradient and of its square, (N, 2), zeros at first;
            changed in place.
        step: 1 for the first step, 2, and so on.

    Returns:
        KL(P || Q) before the step, a number, in nats.
    """
    torch.manual_seed(seed)
    P = torch.rand(n + 2, n + 2).fill_diagonal_(0)
    P = (P + P.T) / (P + P.T).sum()
    y = torch.randn(n + 2, 2).requires_grad_()
    mean, square = torch.zeros(n + 2, 2), torch.zeros(n + 2, 2)
    theirs = y.detach().clone().requires_grad_()
    adam = torch.optim.Adam([theirs], lr=0.1)
    for step in (1, 2, 3):
        apart = (theirs[:, None] - theirs).detach()
        weights = (1 - torch.eye(n + 2)) / (1 + apart.square().sum(-1))
        Q = weights / weights.sum()
        kl = torch.xlogy(P, P).sum() - torch.xlogy(P, Q).sum()
        theirs.grad = 4 * (((P - Q) * weights)[..., None] * apart).sum(1)
        adam.step()
        expect(adam_step(y, P, mean, square, step, 0.1), kl, f"the KL before step {step}", by=1e-3)
        expect(y, theirs, f"map points as torch's Adam has them after step {step}", by=1e-2)
