"""What makes a page train anew another way than it is written, put in from outside.

From another seed; in bfloat16 where the processor is fast at it; and with a record of the numbers
that the page compares with its text. Pages know nothing of it.
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from probnn.display import animate, says
from probnn.inference import fit_posterior
from probnn.runtime import reduced_precision, write_whole
from probnn.training import resume, stored
from probnn.training.cycles import Cycle
from tools.cut_short import replace
from tools.pages import ROOT

__all__ = ["Anew", "apply", "numbers_in", "preamble"]

PREAMBLE = """
import sys
sys.path.insert(0, "{0}")
from tools.anew import Anew, apply
from tools.cut_short import cut_short
del sys.path[0]
cut_short(steps={2}) if {2} else None
apply({1})
"""


class Anew(NamedTuple):
    """How a page is trained anew.

    Attributes:
        seed: 0 for the page's own seeds; otherwise every seed is another.
        bfloat16: whether training loops, and fits of a q, run in it, where the processor is fast at
            it. What the page measures outside them stays in float32, but for:
        stored_in_bfloat16: whether stored results are computed in it, too.
        numbers: the file for the page's numbers, a line each: words of its text, and the value.
        animations: the folder for what the page animates; beside the page, if there is none.
    """

    seed: int = 0
    bfloat16: bool = False
    stored_in_bfloat16: bool = False
    numbers: str = ""
    animations: str = ""


def preamble(how: Anew, cut_short: int = 0) -> str:
    """Code that a kernel runs before a page, to train it so, or so short."""
    return PREAMBLE.format(ROOT, how, cut_short)


def numbers_in(path: Path) -> dict[str, float]:
    """The numbers that a page has left in that file: words of its text, and the value."""
    return dict(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())


def apply(how: Anew) -> None:
    """Has this process train so. Called before the page's first cell."""
    if how.seed:
        _other_seeds(1000 * how.seed)
    if how.bfloat16:
        _train_in_bfloat16()
    if how.stored_in_bfloat16:
        _store_in_bfloat16()
    if how.numbers:
        _record(Path(how.numbers))
    if how.animations:
        _animate_into(Path(how.animations))


def _other_seeds(offset: int) -> None:
    with_seed = torch.manual_seed
    torch.manual_seed = lambda seed: with_seed(seed + offset)


def _record(path: Path) -> None:
    write_whole(path, "")

    @wraps(says)
    def says_and_records(fragment: str, value: float) -> None:
        with path.open("a", encoding="utf-8") as file:
            print(json.dumps([fragment, float(value)]), file=file)
        says(fragment, value)

    replace(says, says_and_records)


def _animate_into(folder: Path) -> None:
    @wraps(animate)
    def animate_there(snapshots: Any, labels: Any, path: str | Path, **how: Any) -> Path:
        return animate(snapshots, labels, folder / path, **how)

    replace(animate, animate_there)


def _train_in_bfloat16() -> None:
    models: weakref.WeakKeyDictionary[Cycle, list[nn.Module]] = weakref.WeakKeyDictionary()
    loop = Cycle.__iter__

    @wraps(resume)
    def resume_noting(path: Any, *, batches: Cycle, **parts: Any) -> Any:
        models[batches] = list(_modules(parts.values()))
        return resume(path, batches=batches, **parts)

    def reduced_loop(cycle: Cycle) -> Iterator:
        with _reduced(models.get(cycle, [])):
            yield from loop(cycle)

    @wraps(fit_posterior)
    def fit_reduced(loglik: Callable, *args: Any, **kwargs: Any) -> Any:
        with _reduced(_modules_behind(loglik)):
            return fit_posterior(loglik, *args, **kwargs)

    Cycle.__iter__ = reduced_loop  # type: ignore[method-assign]  # for the whole process
    replace(resume, resume_noting)
    replace(fit_posterior, fit_reduced)


def _store_in_bfloat16() -> None:
    @wraps(stored)
    def stored_reduced(path: Any, compute: Callable, **made_from: Any) -> Any:
        def compute_reduced() -> Any:
            with _reduced(_modules(made_from.values())):
                return compute()

        return stored(path, compute_reduced, **made_from)

    replace(stored, stored_reduced)


def _modules(values: Iterable[Any]) -> Iterator[nn.Module]:
    for value in values:
        if isinstance(value, nn.Module):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _modules(value)


def _modules_behind(function: Any) -> Iterator[nn.Module]:
    """Those whose method it is, or whose arguments it has already."""
    if isinstance(function, partial):
        yield from _modules([*function.args, *function.keywords.values()])
        yield from _modules_behind(function.func)
    elif isinstance(getattr(function, "__self__", None), nn.Module):
        yield function.__self__


@contextmanager
def _reduced(models: Iterable[nn.Module]) -> Iterator[None]:
    """The models in bfloat16, and afterwards as they were."""
    models = list(models)
    parents = [parent for model in models for parent in model.modules()]
    before = [(parent, list(parent.named_children())) for parent in parents]
    for model in models:
        if type(model) is not nn.Sequential:  # of that a new one would be made
            reduced_precision(model)
    try:
        yield
    finally:
        for parent, children in before:
            for name, child in children:
                setattr(parent, name, child)
