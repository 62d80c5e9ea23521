"""What pages show of the package, and how they stand by the numbers in their text."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable

__all__ = ["NUMBER", "says", "show_source", "source_of"]

NUMBER = re.compile(r"(?<![\w.])[-−+]?\d[\d,]*(?:\.\d+)?(?:\s?%)?")
WORDS = "none one two three four five six seven eight nine ten eleven twelve".split()


def show_source(*functions: Callable) -> None:
    """Displays the source of functions, methods or classes, without their docstrings.

    Args:
        *functions: from the package, or of your own.

    Example:
        >>> from probnn.inference import elbo
        >>> show_source(elbo)  # in a notebook: highlighted
        <IPython.core.display.Markdown object>
    """
    from IPython.display import Markdown, display

    text = "\n\n".join(source_of(function) for function in functions)
    display(Markdown(f"```python\n{text}\n```"))


def source_of(function: Callable) -> str:
    """The source of a function or class without its docstrings, at the left margin.

    Example:
        >>> from probnn.inference import elbo
        >>> print(source_of(elbo))
        def elbo(loglik: Loglik, x: Tensor, q: ApproximatePosterior, samples: int = 1) -> Tensor:
            return loglik(x, draw(x, q, samples)).mean(0) - q.kl_from_prior()
    """
    source = textwrap.dedent(inspect.getsource(function)).rstrip()
    lines: list[str | None] = list(source.splitlines())
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node):
            text = node.body[0]
            for number in range(text.lineno - 1, text.end_lineno or text.lineno):
                lines[number] = None
            if len(node.body) > 1 and lines[text.end_lineno or 0] == "":
                lines[text.end_lineno or 0] = None  # the empty line after it
    return "\n".join(line for line in lines if line is not None)


def says(fragment: str, value: float) -> None:
    """Compares a number in the page's text with what this run gave, at the digits typed.

    Where they differ it prints what the text says and what this run has, for whoever trained anew
    or changed something; nothing fails. As shipped all agree: the tests see to that, and to it that
    the fragment stands in the text.

    Args:
        fragment: some words of a sentence, with one number: digits, or a word up to twelve.
        value: that number, computed; of a percentage the share, between 0 and 1.

    Raises:
        ValueError: if the fragment holds no number, or several.

    Example:
        >>> says("for 30 % of the images", 0.2961)
        >>> says("seven of the points", 7)
        >>> says("the bound rises by 1.7 nats", 1.1)
        The text says: the bound rises by 1.7 nats. This run: 1.10.
    """
    digits = NUMBER.findall(fragment)
    words = [word for word in re.findall(r"[a-z]+", fragment.lower()) if word in WORDS]
    if len(digits or words) != 1:
        raise ValueError(f"expected one number in {fragment!r}, got {len(digits or words)}")
    decimals, unit, value = 0, "", float(value)
    if digits:
        number, percent, _ = digits[0].partition("%")
        typed = float(number.replace(",", "").replace("−", "-"))
        decimals = len(number.strip().partition(".")[2])
        unit, value = (" %", 100 * value) if percent else ("", value)
    else:
        typed = WORDS.index(words[0])
    if abs(value - typed) > 0.5 * 10**-decimals * (1 + 1e-6):
        print(f"The text says: {fragment}. This run: {value:.{decimals + 1}f}{unit}.")
