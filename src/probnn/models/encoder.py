"""What all encoders have in common: a q(z|x), the generator that it inverts, their bound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from probnn.densities import DiagonalGaussian
from probnn.inference.likelihood import elbo

__all__ = ["Encoder"]


class Encoder(nn.Module):
    """q(z|x), or q(z|x, y): calling it gives a Gaussian for each datum. Holds its generator.

    Attributes:
        d: dimension of z.
        f: the generator p(x|z), or p(x|z, y).
        forward: q(z|x) for B data: mu and sigma, each (B, d).
    """

    d: int
    f: Any
    forward: Callable[..., DiagonalGaussian]

    def loglik_lb(self, x: Tensor, *given: Tensor, samples: int = 1) -> Tensor:
        """Lower bound on log p(x), the ELBO with this encoder's q, in nats per datum: (B,).

        Args:
            x: (B, ...).
            *given: what the model is conditional on, labels (B,): the bound is then one on log
                p(x|y).
            samples: of z, for each datum.
        """

        def loglik(x: Tensor, z: Tensor) -> Tensor:
            return self.f.loglik(x, z, *given)

        return elbo(loglik, x, self(x, *given), samples)
