"""The global random streams, as one state that can be kept and put back."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

__all__ = ["preserved_random_state", "random_state", "set_random_state"]


def random_state() -> dict[str, Any]:
    """The state of all global random streams.

    Python's, numpy's, torch's on the CPU and on the accelerator in use.
    """
    numpy_state: Any = np.random.get_state()
    algorithm, key, *rest = numpy_state
    key = torch.from_numpy(key.astype(np.int64))  # a tensor: weights_only loading reads it
    numpy_state = (algorithm, key, *rest)
    state = {"python": random.getstate(), "numpy": numpy_state, "torch": torch.get_rng_state()}
    if torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state_all()
    if torch.backends.mps.is_available():
        state["mps"] = torch.mps.get_rng_state()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """Puts the global random streams back to what `random_state()` returned."""
    random.setstate(state["python"])
    algorithm, key, *rest = state["numpy"]
    np.random.set_state((algorithm, key.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
    if "mps" in state and torch.backends.mps.is_available():
        torch.mps.set_rng_state(state["mps"])


@contextmanager
def preserved_random_state() -> Iterator[None]:
    """Leaves the global random streams as they were, whatever is drawn inside.

    Example:
        >>> before = torch.get_rng_state()
        >>> with preserved_random_state():
        ...     _ = torch.randn(3)
        >>> torch.equal(before, torch.get_rng_state())
        True
    """
    state = random_state()
    try:
        yield
    finally:
        set_random_state(state)
