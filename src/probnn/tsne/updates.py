"""The exercise's own loop: one step of gradient descent, and one of Adam, written out.

`TsneObjective` with an optimiser of torch takes the same steps, faster.
"""

# the gradient of a tensor may be None, says mypy; here it has been computed
# mypy: disable-error-code="arg-type, operator, union-attr"

from __future__ import annotations

import torch
from torch import Tensor

from probnn.tsne.maps import kl_divergence, symmetric_student_t_neighbour_probability

__all__ = ["adam_step", "gradient_descent_step"]


def gradient_descent_step(map_points: Tensor, P: Tensor, learning_rate: float = 10.0) -> float:
    """Moves the map points a step against the gradient of KL(P || Q), which autograd finds.

    Args:
        map_points: (N, 2), with `requires_grad`; changed in place.
        P: (N, N), as from `symmetric_gauss_neighbour_probability`.

    Returns:
        KL(P || Q) before the step, in nats.

    Source:
        Oslo exercise, week 12, task 3.

    Example:
        >>> P = torch.full((3, 3), 1 / 6).fill_diagonal_(0)
        >>> y = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]], requires_grad=True)
        >>> [round(gradient_descent_step(y, P, learning_rate=1.0), 3) for _ in range(3)]
        [0.123, 0.025, 0.01]
    """
    loss = kl_divergence(P, symmetric_student_t_neighbour_probability(map_points))
    loss.backward()
    with torch.no_grad():
        map_points -= learning_rate * map_points.grad
        map_points.grad.zero_()
    return loss.item()


def adam_step(
    map_points: Tensor,
    P: Tensor,
    mean: Tensor,
    square: Tensor,
    step: int,
    learning_rate: float = 0.1,
) -> float:
    """The same with Adam's update: the mean gradient, divided by the gradient's recent size.

    Args:
        map_points: (N, 2), with `requires_grad`; changed in place.
        P: (N, N), as from `symmetric_gauss_neighbour_probability`.
        mean, square: (N, 2), running means of the gradient and of its square, zeros at first;
            changed in place.
        step: 1, 2, and so on.

    Returns:
        KL(P || Q) before the step, in nats.

    Source:
        Kingma and Ba, "Adam: a method for stochastic optimization", 2015.

    Example:
        >>> P = torch.full((3, 3), 1 / 6).fill_diagonal_(0)
        >>> y = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]], requires_grad=True)
        >>> mean, square = torch.zeros(3, 2), torch.zeros(3, 2)
        >>> [round(adam_step(y, P, mean, square, step), 3) for step in (1, 2, 3)]
        [0.123, 0.054, 0.016]
    """
    loss = kl_divergence(P, symmetric_student_t_neighbour_probability(map_points))
    loss.backward()
    with torch.no_grad():
        mean.lerp_(map_points.grad, 0.1)  # forgets in some ten steps
        square.lerp_(map_points.grad**2, 0.001)  # in some thousand
        size = (square / (1 - 0.999**step)).sqrt()  # the means began at 0
        map_points -= learning_rate * mean / (1 - 0.9**step) / (size + 1e-8)
        map_points.grad.zero_()
    return loss.item()
