"""Makes training short and data few, from outside: to see in seconds that a page runs through.

What a page says of trained weights is then not true, and its checks of them may fail; see
`execute`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from torch import Tensor

import probnn.data
import probnn.inference
from probnn.data import LabelledImages, Surnames
from probnn.densities import DiagonalGaussian
from probnn.inference import MonteCarlo
from probnn.training.cycles import Cycle

__all__ = ["cut_short", "replace"]


def cut_short(steps: int = 3, data: int = 100, samples: int = 20) -> None:
    """Has every training loop of this process end after so many steps, and makes data sets small.

    Args:
        steps: of each training loop, which is then not `finished`, and of each fitted q.
        data: images of each part of MNIST, and surnames of each of theirs.
        samples: the most that are drawn of a q; if more are wanted, they are repeated.
    """
    load_mnist, load_surnames = probnn.data.load_mnist, probnn.data.load_surnames
    fit_posterior, log_marginal = probnn.inference.fit_posterior, probnn.inference.log_marginal
    log_weights = probnn.inference.log_weights
    whole_next = Cycle.__next__

    def next_of_few(self: Cycle) -> Any:
        if self.steps >= steps:
            self.write()
            raise StopIteration
        return whole_next(self)

    @wraps(load_mnist)
    def few_images(*args: Any, **kwargs: Any) -> LabelledImages:
        return LabelledImages(*(tensor[:data] for tensor in load_mnist(*args, **kwargs)))

    @wraps(load_surnames)
    def few_surnames(part: str) -> Surnames:
        names, percent = load_surnames(part)
        return Surnames(names[:data], percent[:data])

    @wraps(fit_posterior)
    def hardly_fitted(*args: Any, **kwargs: Any) -> DiagonalGaussian:
        return fit_posterior(*args, **{**kwargs, "steps": steps})

    @wraps(log_marginal)
    def of_few_samples(loglik: Any, x: Any, q: Any, wanted: int = 100, **kwargs: Any) -> MonteCarlo:
        few = min(kwargs.pop("samples", wanted), samples)
        return log_marginal(loglik, x, q, few, **kwargs)

    @wraps(log_weights)
    def few_repeated(loglik: Any, x: Any, q: Any, wanted: int = 1, **kwargs: Any) -> Tensor:
        wanted = kwargs.get("samples", wanted)
        log_w = log_weights(loglik, x, q, min(wanted, samples))
        return log_w.repeat(-(-wanted // samples), 1)[:wanted]

    Cycle.__next__ = next_of_few  # type: ignore[method-assign]  # for the whole process, on purpose
    replace(load_mnist, few_images)
    replace(load_surnames, few_surnames)
    replace(fit_posterior, hardly_fitted)
    replace(log_marginal, of_few_samples)
    replace(log_weights, few_repeated)


def replace(function: Callable[..., Any], other: Callable[..., Any]) -> None:
    """Puts the other function in the place of this one, wherever the package holds it."""
    for name, module in list(sys.modules.items()):
        if name == "probnn" or name.startswith("probnn."):
            for attribute, value in list(vars(module).items()):
                if value is function:
                    setattr(module, attribute, other)
