"""Optimisers made anew in a training cell: each takes up the moments of the one before it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook

__all__ = ["SteppingOptimizers", "keep_the_same_moments", "take_up", "watch_steps"]


class SteppingOptimizers:
    """The optimisers that step in the loops of one training.

    One that appears for the first time, of the class of an earlier one and over the same
    parameters, takes up its moments; its learning rate and the like stay its own. Another class, or
    other parameters, start afresh; so does one that is made in the loop, after the one before it
    (but at the very batch of an interrupt it cannot be told from one made before the loop). What
    else a cell makes anew, such as a schedule of learning rates, is not noticed.
    """

    def __init__(self) -> None:
        # first and last step of each that has stepped in this loop
        self._spans: weakref.WeakKeyDictionary[Optimizer, list[int]] = weakref.WeakKeyDictionary()
        self._lately: list[Optimizer] = []  # stepped for the last batch; kept alive
        self._batch = -1
        self._before: list[Optimizer] = []  # of the loop before; kept alive, for their moments

    def notice(self, optimizer: Optimizer, batch: int, tell: Callable[[str], None]) -> None:
        """Notices a step that is about to be made.

        Args:
            optimizer: makes it.
            batch: counts the batches of the training.
            tell: is called with a line when moments have been taken up.
        """
        if batch != self._batch:
            self._lately, self._batch = [], batch
        if not any(optimizer is other for other in self._lately):
            self._lately.append(optimizer)
        if optimizer in self._spans:
            self._spans[optimizer][1] = batch
        else:
            self._spans[optimizer] = [batch, batch]
            self._meet(optimizer, tell)

    def keep(self) -> None:
        """Keeps the optimisers of the loop that has been left for the next one.

        But for those that another one over their parameters has replaced; all, if none has stepped.
        """
        here = dict(self._spans)
        if here:
            self._before = [
                optimizer
                for optimizer, (_, last) in here.items()
                if not any(
                    last < first and _overlap(optimizer, o) for o, (first, _) in here.items()
                )
            ]
        self._spans.clear()
        self._lately, self._batch = [], -1

    def __reduce__(self) -> tuple[type, tuple[()]]:
        """Copies, and those that are sent to other processes, know of no optimiser."""
        return type(self), ()

    def _meet(self, optimizer: Optimizer, tell: Callable[[str], None]) -> None:
        for earlier in self._before:
            if earlier is optimizer or keep_the_same_moments(earlier, optimizer):
                self._before.remove(earlier)
                if earlier is not optimizer and _is_new(optimizer) and _has_moments(earlier):
                    for key, state in earlier.state.items():
                        optimizer.state[key] = deepcopy(state)
                    name = type(optimizer).__name__
                    tell(f"the new {name} takes up the moments of the one before it")
                return


@cache
def watch_steps(notice: Callable[[Optimizer], None]) -> None:
    """Has a function called before every step of every optimiser, from now on in this process.

    Calling this again changes nothing. torch's hook stays: removing it while another one is being
    called, as the collection of garbage may, would be an error.
    """

    def hook(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        notice(optimizer)

    register_optimizer_step_pre_hook(hook)


def take_up(optimizer: Optimizer, earlier: Optimizer) -> str:
    """Gives a new optimiser the moments of an earlier one, if they have the same kinds of moments.

    Unlike in a loop, its parameters may be those of a new model, of the same shapes in the same
    groups. Its learning rate and the like stay its own.

    Returns:
        A line that says whether it was done.

    Example:
        >>> import torch
        >>> adam, sgd = (f([torch.ones(1)]) for f in (torch.optim.Adam, torch.optim.SGD))
        >>> take_up(sgd, adam)
        'the new SGD starts afresh'
    """
    name, groups = type(optimizer).__name__, optimizer.state_dict()["param_groups"]
    if type(earlier) is not type(optimizer) or _layout(earlier) != _layout(optimizer):
        return f"the new {name} starts afresh"
    moments = deepcopy(earlier.state_dict()["state"])
    optimizer.load_state_dict({"state": moments, "param_groups": groups})
    return f"the new {name} takes up the moments of the one before it"


def keep_the_same_moments(one: Optimizer, other: Optimizer) -> bool:
    """Whether they are of one class, over the same parameters, with the same kinds of moments.

    In whatever order and groups the parameters are.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.ones(1))
        >>> adam, other = (torch.optim.Adam([weight], lr=lr) for lr in (0.1, 0.2))
        >>> keep_the_same_moments(adam, other)
        True
        >>> keep_the_same_moments(adam, torch.optim.Adam([weight], amsgrad=True))
        False
    """
    return type(one) is type(other) and _kinds(one) == _kinds(other)


def _kinds(optimizer: Optimizer) -> dict[int, tuple[bool, ...]]:
    """For each parameter the settings on which it depends what the optimisers of torch keep."""
    settings = ("amsgrad", "capturable", "centered", "fused", "momentum")
    return {
        id(parameter): tuple(bool(group.get(s)) for s in settings)
        for group in optimizer.param_groups
        for parameter in group["params"]
    }


def _layout(optimizer: Optimizer) -> list[list[object]]:
    """Shape and kinds of moments of each parameter, group by group."""
    kinds = _kinds(optimizer)
    return [[(p.shape, kinds[id(p)]) for p in group["params"]] for group in optimizer.param_groups]


def _overlap(one: Optimizer, other: Optimizer) -> bool:
    return bool(_kinds(one).keys() & _kinds(other).keys())


def _has_moments(optimizer: Optimizer) -> bool:
    states = optimizer.state.values()
    return any(isinstance(kept, Tensor) for state in states for kept in state.values())


def _is_new(optimizer: Optimizer) -> bool:
    """Whether it has made no step yet; some have a state from the start, with a count of 0."""
    return all(state.get("step", 1) == 0 for state in optimizer.state.values())
