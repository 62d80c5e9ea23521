"""What pages say, without what would answer for the student: claims, results, figures' titles."""

from __future__ import annotations

import ast
import re

import nbformat

__all__ = ["TITLE", "asked_only", "neutral", "says_lines", "untitled"]

TITLE = "What does it show?"  # in place of a figure's title that says it


def says_lines(source: str) -> set[int]:
    """The lines on which statements begin that tell results.

    They compare the page's text with them, or check what holds of our trained weights.
    """
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.If) and "finished" in ast.unparse(node.test):
            found.add(node.lineno)
        if isinstance(node, ast.Expr):
            parts = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
            if all(ast.unparse(part).startswith("says(") for part in parts):
                found.add(node.lineno)
    return found


def untitled(source: str) -> str:
    """The source with figures' titles that are sentences replaced: they tell what is to be seen."""
    lines = source.splitlines()
    titles = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
            ("set_title", "suptitle")
        ):
            titles += node.args[:1]
        elif isinstance(node, ast.keyword) and node.arg == "title":
            titles.append(node.value)
    for node in sorted(titles, key=lambda title: -title.lineno):
        words = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)]
        said = " ".join(word for word in words if isinstance(word, str))
        if len(re.findall(r"[A-Za-z]{2,}", said)) >= 4 and node.lineno == node.end_lineno:
            line = lines[node.lineno - 1].encode()
            line = line[: node.col_offset] + f'"{TITLE}"'.encode() + line[node.end_col_offset :]
            lines[node.lineno - 1] = line.decode()
    return "\n".join(lines)


def asked_only(text: str) -> str:
    """Of a cell that answers, the heading, if it asks."""
    first = text.splitlines()[0]
    return first.partition("?")[0] + "?" if first.startswith("#") and "?" in first else ""


def neutral(cell: nbformat.NotebookNode, results: list[str]) -> str:
    """A cell's text without the claim in its heading and the sentences that hold results."""
    lines = cell.source.splitlines()
    if lines and lines[0].startswith("#") and lines[0] != "## Check":
        lines[0] = asked_only(lines[0]) or "***"
    text = "\n".join(lines)
    for result in results:
        sentences = re.split(r"(?<=[.?!])(?=\s)", text)
        text = "".join(s for s in sentences if result not in " ".join(s.split()))
    return text.strip()
