"""Where tensors live: one setting for everything that is made without saying where."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from probnn.runtime.settings import device_name

__all__ = ["default_device", "has_float64", "in_float64", "to_default_device", "use_device"]


def use_device(name: str | None = None) -> torch.device:
    """Has models, data and loaded results live on this device from now on, unless told otherwise.

    Call it before making any. `load_mnist` and its like, `load` and `stored` follow it, as torch's
    own constructors do (`torch.set_default_device`). On a processor nothing changes.

    Args:
        name: "cuda", "mps" or "cpu"; by default what PROBNN_DEVICE names, else "cuda" if that is
            there, else "cpu". Apple's "mps" is used if it is named: not every operation exists
            there.

    Returns:
        The device.

    Raises:
        ValueError: if there is no such device here.

    Example:
        >>> use_device("cpu")
        device(type='cpu')
    """
    found = "cuda" if torch.cuda.is_available() else "cpu"
    name = name or device_name() or found
    try:
        device = torch.zeros(1, device=name).device
    # not compiled in, no driver, no such name
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"expected a device that is here, such as {found!r}, got {name!r} "
            f"({str(error).splitlines()[0]})"
        ) from None
    if device != default_device():
        torch.set_default_device(device)
    return device


def default_device() -> torch.device:
    """Where a tensor is that is made without saying where; also within `with torch.device(...)`.

    Example:
        >>> default_device()
        device(type='cpu')
    """
    return torch.empty(0).device


def to_default_device(value: Any) -> Any:
    """The value with all tensors in it on the default device.

    However deep they are in dicts, lists and tuples.

    Example:
        >>> to_default_device({"scores": [torch.zeros(2)], "samples": 100})
        {'scores': [tensor([0., 0.])], 'samples': 100}
    """
    if isinstance(value, Tensor):
        return value.to(default_device())
    if isinstance(value, dict):
        return {key: to_default_device(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = map(to_default_device, value)
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


def in_float64(x: Tensor) -> Tensor:
    """x in float64: where it is, or on the CPU if there is no float64 where it is.

    Example:
        >>> in_float64(torch.ones(2)).dtype
        torch.float64
    """
    return x.to(x.device if has_float64(x.device) else "cpu", torch.float64)


@cache
def has_float64(device: torch.device) -> bool:
    """Whether there is float64 on this device. Apple's GPUs have none.

    Example:
        >>> has_float64(torch.device("cpu"))
        True
    """
    try:
        torch.zeros((), dtype=torch.float64, device=device)
    except (TypeError, RuntimeError):
        return False
    return True
