"""The exercise's steps against torch's optimisers, with the gradient in closed form."""

import pytest
import torch
from torch import nn, optim

from probnn.tsne import (
    TsneObjective,
    adam_step,
    gradient_descent_step,
    symmetric_gauss_neighbour_probability,
)


@pytest.fixture
def P():
    x = torch.randn(40, 5, dtype=torch.float64)
    return symmetric_gauss_neighbour_probability(x, wanted=8.0)


def descended(P, start, optimizer_of, steps):
    """Map points after some steps of one of torch's optimisers, and the KL before each."""
    y, objective, kls = nn.Parameter(start.clone()), TsneObjective(P), []
    optimizer = optimizer_of([y])
    for _ in range(steps):
        kls.append(objective.kl(y))
        y.grad = objective.gradient(y)
        optimizer.step()
    return y.detach(), kls


def test_a_step_of_gradient_descent_is_torchs(P):
    start = torch.randn(40, 2, dtype=torch.float64)
    y = start.clone().requires_grad_()
    kls = [gradient_descent_step(y, P, learning_rate=10.0) for _ in range(5)]
    exact, exact_kls = descended(P, start, lambda points: optim.SGD(points, lr=10.0), 5)
    torch.testing.assert_close(y.detach(), exact, rtol=1e-9, atol=1e-12)
    assert kls == pytest.approx(exact_kls, rel=1e-9)


def test_a_step_of_adam_is_torchs(P):
    start = torch.randn(40, 2, dtype=torch.float64)
    y, mean, square = start.clone().requires_grad_(), *torch.zeros(2, 40, 2).double()
    kls = [adam_step(y, P, mean, square, step, learning_rate=0.1) for step in range(1, 51)]
    exact, exact_kls = descended(P, start, lambda points: optim.Adam(points, lr=0.1), 50)
    torch.testing.assert_close(y.detach(), exact, rtol=1e-6, atol=1e-9)
    assert kls == pytest.approx(exact_kls, rel=1e-6)


def test_adams_first_step_is_as_long_as_the_rate_however_small_the_gradient(P):
    start = 1e-2 * torch.randn(40, 2, dtype=torch.float64)
    y = start.clone().requires_grad_()
    adam_step(y, P, torch.zeros_like(start), torch.zeros_like(start), 1, learning_rate=0.1)
    moved = (y.detach() - start).abs()
    torch.testing.assert_close(moved, torch.full_like(moved, 0.1), rtol=0.0, atol=5e-3)


def test_the_rates_are_the_exercises_unless_told_otherwise(P):
    start = torch.randn(40, 2, dtype=torch.float64)

    def moved(step, *state, **rate):
        y = start.clone().requires_grad_()
        step(
            y,
            P,
            *(part.clone() if isinstance(part, torch.Tensor) else part for part in state),
            **rate,
        )
        return y.detach()

    state = (torch.zeros_like(start), torch.zeros_like(start), 1)
    assert torch.equal(
        moved(gradient_descent_step), moved(gradient_descent_step, learning_rate=10.0)
    )
    assert torch.equal(moved(adam_step, *state), moved(adam_step, *state, learning_rate=0.1))
