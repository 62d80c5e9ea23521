"""What is settled once per process, when the package is imported: peculiarities of the processor and of the libraries under torch."""

from __future__ import annotations

import ctypes
import os
import sys

import torch

ELEMENTARY = ("acos", "asin", "atan", "ceil", "cos", "erf", "erfc", "erfinv", "exp", "expm1", "floor", "lgamma", "log", "log10", "log1p", "log2", "sigmoid", "sin", "sqrt", "tan", "tanh")


def settle_elementary_functions() -> None:
    """Calls each elementary function once on one thread, so that the first call on many is like every other.

    On Intel's library the very first call chooses the code for this processor. If that call is made by several threads at once, one of them
    may still go through other code and round differently: in one process of a hundred, the first batch had other last digits.
    """
    for dtype in (torch.float32, torch.float64):
        half = torch.full((1,), 0.5, dtype=dtype)
        for name in ELEMENTARY:
            getattr(torch, name)(half)


def flush_denormals() -> bool:
    """Lets the processor take float32 numbers below 1e-38 (float64: below 1e-308) for zero.

    It computes with such numbers many times slower, and Adam makes them: its mean gradient of a weight whose gradient has become
    zero, as behind a pixel that is black in every image of late, shrinks by a tenth in each step for ever. After the first thousand steps
    that doubled the optimiser's time. torch's threads inherit the setting when they start, so import the package before computing.

    Returns:
        Whether the processor can.
    """
    return torch.set_flush_denormal(True)


def keep_memory() -> bool:
    """Tells the allocator of Linux (glibc) to keep freed memory for the next step, instead of giving it back and faulting it in again.

    Returns:
        Whether it was told: not elsewhere, nor if the environment has settings of its own (MALLOC_..., or another allocator by LD_PRELOAD).
    """
    if not sys.platform.startswith("linux") or "LD_PRELOAD" in os.environ or any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        return False
    mmap_max, trim_threshold = -4, -1  # M_MMAP_MAX, M_TRIM_THRESHOLD of malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
        return bool(mallopt(mmap_max, 0) and mallopt(trim_threshold, 2**31 - 1))
    except (OSError, AttributeError):  # another C library
        return False
