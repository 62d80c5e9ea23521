"""What speeds up a process that trains: settings of processor and memory, by one call."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

import torch

from probnn.runtime.settings import has_memory_settings

__all__ = ["flush_denormals", "keep_memory", "settle_elementary_functions", "tune_process"]

ELEMENTARY = (
    *("acos", "asin", "atan", "ceil", "cos", "erf", "erfc", "erfinv", "exp", "expm1", "floor"),
    *("lgamma", "log", "log10", "log1p", "log2", "sigmoid", "sin", "sqrt", "tan", "tanh"),
)


def tune_process() -> str:
    """Sets this process up to train fast, and alike in every run.

    Call it before computing anything. It is `settle_elementary_functions`, `flush_denormals` and
    `keep_memory`. They change the whole process, other libraries' computations too, so importing
    the package does not do it.

    Returns:
        A line that says what was done.

    Example:
        >>> print(tune_process())  # doctest: +SKIP
        This process: numbers below 1e-38 count as zero; freed memory is kept for the next step.
    """
    settle_elementary_functions()
    done = []
    if flush_denormals():
        where = "" if _threads_flush() else ", in this thread only: torch had started its others"
        done.append(f"numbers below 1e-38 count as zero{where}")
    if keep_memory():
        done.append("freed memory is kept for the next step")
    return f"This process: {'; '.join(done) or 'nothing could be set'}."


def flush_denormals() -> bool:
    """Lets the processor take float32 numbers below 1e-38 (float64: below 1e-308) for zero.

    It computes with such numbers many times slower, and Adam makes them: its mean gradient of a
    weight whose gradient has become zero, as behind a pixel that is black in every image of late,
    shrinks by a tenth in each step for ever. After the first thousand steps that doubled the
    optimiser's time. The threads of torch inherit the setting when they start, with the first large
    computation.

    Returns:
        Whether the processor can.
    """
    return torch.set_flush_denormal(True)


def keep_memory() -> bool:
    """Has the allocator of Linux (glibc) keep freed memory for the next step.

    Otherwise it gives large pieces back and faults them in again, at every step.

    Returns:
        Whether it was told: not elsewhere, nor if the environment has memory settings of its own.
    """
    if not sys.platform.startswith("linux") or has_memory_settings():
        return False
    mmap_max, trim_threshold = -4, -1  # M_MMAP_MAX, M_TRIM_THRESHOLD of malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
        return bool(mallopt(mmap_max, 0) and mallopt(trim_threshold, 2**31 - 1))
    except (OSError, AttributeError):  # another C library
        return False


@cache
def settle_elementary_functions() -> None:
    """Calls each elementary function once on one thread.

    The first call on many threads is then like others. On Intel's library the very first call
    chooses the code for this processor. If that call is made by several threads at once, one of
    them may still go through other code and round differently: in one process of a hundred, the
    first batch had other last digits. Every training loop calls this before its first step. It
    changes nothing else, and does nothing when called again.
    """
    for dtype in (torch.float32, torch.float64):
        half = torch.full((1,), 0.5, dtype=dtype, device="cpu")
        for name in ELEMENTARY:
            getattr(torch, name)(half)


def _threads_flush() -> bool:
    """Whether the threads of torch take tiny numbers for zero; starts them if need be."""
    many = 2**16 * torch.get_num_threads()  # elements: some for every thread
    tiny = torch.full((many,), 2e-38, device="cpu") * 0.01  # the factor is no tiny number yet
    return not bool(tiny.view(torch.int32).any())
