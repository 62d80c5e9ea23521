"""Optimisers made anew in a training cell: each takes up the moments of the one before it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.hooks import RemovableHandle

__all__ = ["SteppingOptimizers"]


class SteppingOptimizers:
    """The optimisers that step in the loops of one training.

    A hook of torch's notices them before each step. One that appears for the first time, of the
    class of an earlier one and over the same parameters, takes up its moments; its learning rate
    and the like stay its own. Another class, or other parameters, start afresh.
    """

    def __init__(self) -> None:
        self._here: weakref.WeakSet[Optimizer] = weakref.WeakSet()  # stepped in this loop
        self._before: list[Optimizer] = []  # in earlier loops; kept alive, for their moments

    def watch(self, concerns: Callable[[], bool], tell: Callable[[str], None]) -> RemovableHandle:
        """Watches until the handle's `remove()`.

        Args:
            concerns: whether the step that is about to be made belongs to this training.
            tell: is called with a line when moments have been taken up.
        """

        def before_step(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
            if optimizer not in self._here and concerns():
                self._here.add(optimizer)
                self._meet(optimizer, tell)

        return register_optimizer_step_pre_hook(before_step)

    def __reduce__(self) -> tuple[type, tuple[()]]:
        """Copies, and those that are sent to other processes, know of no optimiser."""
        return type(self), ()

    def keep(self) -> None:
        """Keeps the optimisers of the loop that has been left for the next one."""
        self._before += [optimizer for optimizer in self._here if optimizer not in self._before]
        self._here.clear()

    def _meet(self, optimizer: Optimizer, tell: Callable[[str], None]) -> None:
        if optimizer in self._before:
            return
        own = _parameters(optimizer)
        for earlier in [e for e in self._before if set(_parameters(e)) & set(own)]:
            self._before.remove(earlier)
            if _are_alike(earlier, optimizer) and _is_new(optimizer) and _has_moments(earlier):
                moments = deepcopy(earlier.state_dict()["state"])
                groups = optimizer.state_dict()["param_groups"]
                optimizer.load_state_dict({"state": moments, "param_groups": groups})
                name = type(optimizer).__name__
                tell(f"the new {name} takes up the moments of the one before it")


def _parameters(optimizer: Optimizer) -> list[int]:
    return [id(p) for group in optimizer.param_groups for p in group["params"]]


def _are_alike(one: Optimizer, other: Optimizer) -> bool:
    """Whether they are of one class, over the same parameters, with the same kinds of moments."""
    return (
        type(one) is type(other)
        and _parameters(one) == _parameters(other)
        and _kinds(one) == _kinds(other)
    )


def _kinds(optimizer: Optimizer) -> list[tuple[bool, ...]]:
    """The settings on which it depends what the optimisers of torch keep, for each group."""
    settings = ("amsgrad", "centered", "momentum")
    return [tuple(bool(group.get(s)) for s in settings) for group in optimizer.param_groups]


def _has_moments(optimizer: Optimizer) -> bool:
    return any(
        isinstance(kept, Tensor) for state in optimizer.state.values() for kept in state.values()
    )


def _is_new(optimizer: Optimizer) -> bool:
    """Whether it has made no step yet; some have a state from the start, with a count of 0."""
    return all(state.get("step", 1) == 0 for state in optimizer.state.values())
