"""The gallery of mistakes as what students may hand in: tests/MISTAKES.md, and the course's own."""

from __future__ import annotations

import ast
import re
from typing import NamedTuple

from tools.course.source import PACKAGE, Written, inside
from tools.course.tables import Course, Task
from tools.pages import ROOT

__all__ = ["ENTRY", "OWN", "Mistake", "mistakes", "of_course"]

OWN = ROOT / "tools/course/mistakes.md"

ENTRY = re.compile(
    r"^### (?P<title>.+?)\n(?P<text>.*?)```diff\n# src/probnn/(?P<file>\S+)\n(?P<lines>.*?)```\n"
    r"`(?P<shown_by>[^`]+)` gives \*\*(?P<value_right>.*?)\*\*, with "
    r"the mistake \*\*(?P<value_wrong>.*?)\*\*\. Caught by `tests/(?P<caught_by>\S+)`\.",
    re.DOTALL | re.MULTILINE,
)


class Mistake(NamedTuple):
    """An entry: what it is, the function it is made in, and what an expression gives with it."""

    title: str
    text: str
    name: str
    wrong: Written
    shown_by: str
    value_right: str
    value_wrong: str
    caught_by: str


def mistakes() -> list[Mistake]:
    """The entries whose change lies within one function.

    Example:
        >>> "The KL forgotten" in [mistake.title for mistake in mistakes()]
        True
    """
    found = []
    files = (ROOT / "tests/MISTAKES.md", OWN)
    entries = "\n".join(file.read_text(encoding="utf-8") for file in files)
    for entry in ENTRY.finditer(entries):
        parts = entry.groupdict()
        file, lines = parts.pop("file"), parts.pop("lines").splitlines()
        right, wrong = (
            "\n".join(line[1:] for line in lines if line.startswith(sign)) for sign in "-+"
        )
        text = (PACKAGE / file).read_text(encoding="utf-8")
        module = "probnn." + file.removesuffix(".py").replace("/", ".")
        first = text[: text.index(right)].count("\n") + 1
        name = enclosing(ast.parse(text), first, first + right.count("\n"))
        if name:
            whole = f"{module}.{name}"
            changed = inside(text.replace(right, wrong), module, whole)
            parts["text"] = " ".join(parts["text"].split())
            found.append(Mistake(name=whole, wrong=changed, **parts))
    return found


def enclosing(tree: ast.AST, first: int, last: int) -> str:
    """The function, as `name` or `Class.name`, that holds these lines; "" if none does."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            if node.lineno <= first and last <= (node.end_lineno or 0):
                if isinstance(node, ast.FunctionDef):
                    return node.name
                inner = enclosing(node, first, last)
                return f"{node.name}.{inner}" if inner else ""
    return ""


def of_course(course: Course) -> list[tuple[Task, Mistake]]:
    """The mistakes that can be made in what a course asks for, each with its task."""
    tasks = {task.name: task for task in course.tasks}
    return [(tasks[m.name], m) for m in mistakes() if m.name in tasks]
