"""What pages say, without what would answer for the student: claims, results, figures' titles."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

import nbformat

from tools.pages import tags

__all__ = ["ABSENT", "TITLE", "asked_only", "neutral", "reworded", "says_lines", "untitled"]

TITLE = "What does it show?"  # in place of a figure's title that says it
SHIPPED = "With the shipped checkpoint"
ANEW = "`fresh=True` in `resume` trains anew"

# what pages say of what is not in an exercise: results typed in, trained weights, sources shown
ABSENT = {
    f"{SHIPPED} the training cell ends at once; {ANEW}.": "",
    f"{SHIPPED}s the training cell ends at once; {ANEW}.": "",
    f" {SHIPPED}s the training cell only loads them; {ANEW}.": "",
    f" {SHIPPED} it falls straight through; {ANEW}.": "",
    f" {SHIPPED} it ends at once; {ANEW}, in about four minutes.": "",
    " Here a finished run is loaded, so the loop has no step left to do.": "",
    "\n# the only checks that need trained weights": "",
    " `says` compares a number in the text with this run's.": "",
    " Then `says` compares each number in the text with this run's.": "",
    ", and the typed numbers against this run": "",
    "; the typed numbers against this run": "",
    "; then the typed numbers": "",
    "; then the numbers of the text": "",
    ", then the numbers of the text": "",
    " (*Going deeper*)": "",
    ": look for `LABELS` and `rows` below": "",
    " (`_Flatten` is `nn.Flatten` with a faster gradient.)": "",
    " (`draw` samples $q$ and checks shapes.)": "",
    "`_train_files` opens the files of MNIST. ": "",
    ", hence `.logit()`": "",
}


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
    """A cell's text without the claim in its heading and the paragraphs that hold results."""
    lines = cell.source.splitlines()
    if lines and lines[0].startswith("#") and lines[0] != "## Check":
        lines[0] = asked_only(lines[0]) or "***"
    paragraphs = re.split(r"\n{2,}", "\n".join(lines).strip())
    kept = [p for p in paragraphs if not any(result in " ".join(p.split()) for result in results)]
    return "" if kept in ([], ["***"]) else "\n\n".join(kept)


def reworded(notebook: nbformat.NotebookNode, table: Mapping[str, str]) -> nbformat.NotebookNode:
    """The page with other words for those of a table, and of `ABSENT`, but in its answers."""
    for cell in notebook.cells:
        if "answer" not in tags(cell):
            for old, new in {**ABSENT, **table}.items():
                cell.source = cell.source.replace(old, new)
    return notebook
