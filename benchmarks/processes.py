"""The two processes of a comparison: ours, which is tuned, and the others', which is not.

Memory and denormal numbers are settled for a whole process. Ours calls `tune_process()` as its main
function starts; the others' is a new one, in which nobody calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

import torch


@contextmanager
def other_process() -> Iterator[Callable]:
    """A process for the others' side: gives `theirs(f, *arguments)`, which is f's result there.

    It inherits nothing but the environment. The file of the program is imported there, too, under
    another name than `__main__`: what is to happen in ours alone belongs into the main function.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        yield lambda f, *arguments: pool.submit(f, *arguments).result()


def check_untouched() -> None:
    """Makes sure that this process computes as it comes: what times the others begins with it.

    Raises:
        RuntimeError: if denormal numbers count as zero here, as after `tune_process()`.
    """
    if not (torch.full((1,), 1e-37, device="cpu") * 1e-3).item():
        raise RuntimeError(
            "expected a process of the others' own, got one where denormal numbers count as zero, "
            "as after tune_process()"
        )
