"""Regression with a Gaussian response, and many starts at once.

The noise is constant (RWiggle) or depends on the input (HWiggle).
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.functional import softplus

from probnn.densities import log_normal

__all__ = ["GaussianRegression", "HWiggle", "RWiggle", "Starts", "Wiggle"]


class Wiggle(nn.Module):
    """A curve R -> R: the network 1-4-20-20-1 with leaky ReLUs.

    Source:
        Cambridge coursework, question (a).

    Example:
        >>> Wiggle()(torch.zeros(31, 1)).shape
        torch.Size([31, 1])
    """

    def __init__(self) -> None:
        super().__init__()
        self.f = nn.Sequential(
            nn.Linear(1, 4),
            nn.LeakyReLU(),
            nn.Linear(4, 20),
            nn.LeakyReLU(),
            nn.Linear(20, 20),
            nn.LeakyReLU(),
            nn.Linear(20, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """f(x), (n, 1), for x of shape (n, 1)."""
        return self.f(x)


class GaussianRegression(nn.Module):
    """Y ~ N(mu(x), sigma(x)^2): what RWiggle and HWiggle have in common.

    Args:
        mu: the curve; a Wiggle by default. Any callable (n, 1) -> (n, 1) will do.
    """

    def __init__(self, mu: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__()
        self.mu = mu or Wiggle()

    def sigma(self, x: Tensor) -> Tensor:
        """The standard deviation at x, (n, 1)."""
        raise NotImplementedError

    def forward(self, y: Tensor, x: Tensor) -> Tensor:
        """log p(y|x) of each observation, (n, 1), in nats, for y and x of shape (n, 1)."""
        if y.shape != x.shape or x.ndim != 2:
            raise ValueError(
                f"expected y and x of one shape (n, 1), got {tuple(y.shape)} and {tuple(x.shape)}"
            )
        return log_normal(y, self.mu(x), self.sigma(x))


class RWiggle(GaussianRegression):
    """Y ~ N(mu(x), sigma^2): a curve with the same noise everywhere, sigma = softplus(pre).

    Source:
        Cambridge coursework, question (a) (i).

    Example:
        >>> RWiggle()(torch.zeros(31, 1), torch.zeros(31, 1)).shape
        torch.Size([31, 1])
    """

    def __init__(self, mu: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__(mu)
        self.pre = nn.Parameter(torch.tensor(1.0))

    def sigma(self, x: Tensor) -> Tensor:
        return softplus(self.pre).expand(x.shape)


class HWiggle(GaussianRegression):
    """Y ~ N(mu(x), sigma(x)^2): noise that depends on x, sigma(x) = softplus(pre(x)).

    pre is a Wiggle of its own.

    Source:
        Cambridge coursework, question (a) (ii).

    Example:
        >>> mu, sigma = HWiggle().mu, HWiggle().sigma
        >>> mu(torch.zeros(5, 1)).shape, bool((sigma(torch.randn(5, 1)) > 0).all())
        (torch.Size([5, 1]), True)
    """

    def __init__(self, mu: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__(mu)
        self.pre = Wiggle()

    def sigma(self, x: Tensor) -> Tensor:
        return softplus(self.pre(x))


class Starts(nn.Module):
    """Many models of one class, from different random starts, as one model.

    Its parameters have a leading axis. Trained with the sum of their losses and an elementwise
    optimiser such as Adam, each goes its own way as if alone; together they cost little more than
    one, because at this size a step is nearly all overhead.

    Args:
        models: of one class and shape, without buffers; they are copied.

    Raises:
        ValueError: if they have buffers, such as running means: those would not be each one's own.

    Example:
        >>> starts = Starts([HWiggle() for _ in range(24)])
        >>> starts(torch.zeros(31, 1), torch.zeros(31, 1)).shape
        torch.Size([24, 31, 1])
    """

    def __init__(self, models: list[nn.Module]) -> None:
        super().__init__()
        stacked, buffers = stack_module_state(models)
        if buffers:
            raise ValueError(f"expected models without buffers, got {', '.join(buffers)}")
        self.names = list(stacked)
        self.stacked = nn.ParameterList([tensor.detach() for tensor in stacked.values()])
        # in a list, so that its parameters are not this module's
        self._shape = [deepcopy(models[0])]

    def forward(self, *args: Tensor) -> Tensor:
        """What each model returns for the same arguments, stacked along a new first axis."""

        def one(*parameters: Tensor) -> Tensor:
            named = dict(zip(self.names, parameters, strict=True))
            return functional_call(self._shape[0], named, args)

        return vmap(one)(*self.stacked)

    def model(self, i: int) -> nn.Module:
        """Number i as a model of its own, of the class that was given; a copy, as it is now."""
        model = deepcopy(self._shape[0]).to(self.stacked[0])  # to its device and type
        named = zip(self.names, self.stacked, strict=True)
        model.load_state_dict({name: tensor[i] for name, tensor in named})
        return model
