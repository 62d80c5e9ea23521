"""What students hand in, and where the package finds it. Goes with the student edition.

The functions that the pages ask for are missing from this copy of the package: it calls what was
handed in under their names. `hand_in` hands a function in; what earlier pages asked for is read
from their notebooks, as they were last saved.
"""

from __future__ import annotations

import ast
import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

__all__ = ["definitions", "expect", "expect_shape", "hand_in", "handed_in"]

TASKS = Path(__file__).with_name("tasks.json")  # where each function is asked for
written: dict[str, Callable[..., Any]] = {}


def hand_in(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator: the package takes the function for the one of this name.

    Example:
        >>> @hand_in("probnn.densities.log_normal")
        ... def log_normal(z, mu=0.0, sigma=1.0):
        ...     raise NotImplementedError
        >>> log_normal(torch.zeros(1))
        Traceback (most recent call last):
        NotImplementedError: probnn.densities.log_normal is not written yet
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def called(*args: Any, **named: Any) -> Any:
            try:
                return function(*args, **named)
            except NotImplementedError as error:
                raise error if error.args else NotImplementedError(missing(name)) from None

        written[name] = called
        return called

    return register


def handed_in(name: str) -> Callable[..., Any]:
    """What was handed in under this name, on this page or on the one that asks for it.

    Raises:
        NotImplementedError: if nothing was; it names the page.

    Example:
        >>> handed_in("probnn.densities.nothing")
        Traceback (most recent call last):
        NotImplementedError: probnn.densities.nothing is not written yet
    """
    if name not in written and name in tasks():
        page = Path(tasks()[name]["page"]).name + ".ipynb"
        if Path(page).exists():
            here = dict(written)
            definitions(json.loads(Path(page).read_text(encoding="utf-8"))["cells"], {})
            written.update(here)  # newer than what was saved
    if name not in written:
        raise NotImplementedError(missing(name))
    return written[name]


def definitions(cells: list[Mapping[str, Any]], names: dict[str, Any]) -> None:
    """Binds the imports, functions and classes of a notebook's code cells; runs nothing else.

    A cell that is no Python, or whose imports fail, is left out.

    Example:
        >>> names = {}
        >>> definitions([{"cell_type": "code", "source": "def f(): return 1\\nprint(2)"}], names)
        >>> names["f"]()
        1
    """
    kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    for cell in cells:
        if cell["cell_type"] != "code":
            continue
        try:
            tree = ast.parse("".join(cell["source"]))
            tree.body = [node for node in tree.body if isinstance(node, kinds)]
            exec(compile(tree, "<notebook>", "exec"), names)
        except Exception:
            continue


def expect_shape(got: Any, shape: tuple[int, ...], what: str) -> None:
    """Fails unless `got` is a tensor of this shape.

    Example:
        >>> expect_shape(torch.zeros(3), (3, 2), "a row for each of 3 images")
        Traceback (most recent call last):
        AssertionError: a row for each of 3 images expected, of shape (3, 2); got (3,)
    """
    found = tuple(got.shape) if isinstance(got, Tensor) else type(got).__name__
    assert found == shape, f"{what} expected, of shape {shape}; got {found}"


def expect(
    got: Any, expected: Any, what: str, instead: Mapping[str, Any] | None = None, by: float = 1e-4
) -> None:
    """Fails unless two tensors agree; says so if what was got is a known mistake.

    Args:
        got, expected: tensors or numbers.
        what: what is expected, in words.
        instead: values of usual mistakes, by what they are.
        by: the largest relative difference, and of values below 1 the largest difference.

    Example:
        >>> expect(6.0, 2.0, "a mean over samples", {"their sum": 6.0})
        Traceback (most recent call last):
        AssertionError: a mean over samples expected, their sum got
    """
    value = torch.as_tensor(got).detach().cpu().double()
    truth = torch.as_tensor(expected).detach().cpu().double()
    if alike(value, truth, by):
        return
    for said, wrong in (instead or {}).items():
        if alike(value, torch.as_tensor(wrong).detach().cpu().double(), by):
            raise AssertionError(f"{what} expected, {said} got")
    shapes = value.shape != truth.shape
    of = [f" of shape {tuple(v.shape)}" if shapes else "" for v in (truth, value)]
    raise AssertionError(f"{what} expected, {shown(truth)}{of[0]}; got {shown(value)}{of[1]}")


def alike(a: Tensor, b: Tensor, by: float) -> bool:
    """Whether two tensors have one shape and values that agree."""
    return a.shape == b.shape and bool(((a - b).abs() <= by * b.abs().clamp(min=1)).all())


def shown(values: Tensor) -> str:
    """The first few values, rounded."""
    first = [f"{value:.4g}" for value in values.flatten()[:4].tolist()]
    return ", ".join(first) + (" and so on" if values.numel() > 4 else "")


def missing(name: str) -> str:
    """What is said of a function that nobody has written."""
    task = tasks().get(name)
    return f"{name} is not written yet" + (
        f": {task['page']}.ipynb asks for it, {task['asked']}" if task else ""
    )


@functools.lru_cache(maxsize=1)
def tasks() -> dict[str, dict[str, str]]:
    """The page of each task and the source's number for it, by the function's name."""
    return json.loads(TASKS.read_text()) if TASKS.exists() else {}
