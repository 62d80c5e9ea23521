"""How a page is written, as far as a program can tell; `tests/tools/test_rules.py` holds it.

    python -m tools.rules notebooks/cambridge/h_many_samples.ipynb ...      what breaks a rule

Prose is Markdown, the answer comes first, cells and paragraphs are short, and every number that is
a result stands in a `says(...)` of the page's check, so that none can go stale.
"""

from __future__ import annotations

import ast
import re
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat

from probnn.display.pages import NUMBER
from tools.pages import code_cells, tags

__all__ = ["breaches", "guards", "loose_numbers", "stale_guards"]

GOING_DEEPER = "## Going deeper"
MAIN_WORDS, PARAGRAPH_WORDS, ANSWER_WORDS, ANSWER_NUMBERS = 900, 110, 60, 3
LINE_LENGTH, CELL_LINES, MEDIAN_LINES, DENSE_SENTENCES = 100, 12, 5, 0.05
LOOPS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
# no results: years, digits that are named ("a 4", "the 9s"), a digit as what is drawn
NO_RESULT = re.compile(r"\b(?:19|20)\d\d\b|\b(?:an?|the|every|no) \d\b(?![.,]?\d| ?%)|\b\d+s\b")


def breaches(notebook: nbformat.NotebookNode) -> list[str]:
    """What breaks a rule, one line each; nothing of a page that keeps them."""
    return [*_of_prose(notebook), *_of_code(notebook), *_of_the_answer(notebook)]


def loose_numbers(notebook: nbformat.NotebookNode) -> list[str]:
    """Sentences with a number that nothing guards: no `says`, no setting of the page's code.

    The question, which is quoted, needs no guard.
    """
    settings = {f"{sign * value:g}" for value in _literals(notebook) for sign in (1, -1)}
    fragments, loose = [_plain(fragment) for fragment in guards(notebook)], []
    for cell in notebook.cells[1:]:
        if cell.cell_type != "markdown":
            continue
        for sentence in _sentences(prose(cell.source, tables=True)):
            free = NO_RESULT.sub(" ", sentence)
            for fragment in fragments:
                free = free.replace(fragment, " ")
            numbers = [n for n in NUMBER.findall(free) if _value(n) not in settings]
            if numbers:
                loose.append(f"{', '.join(n.strip() for n in numbers)} in: {sentence}")
    return loose


def stale_guards(notebook: nbformat.NotebookNode) -> list[str]:
    """Fragments of `says` that stand in no sentence of the page."""
    text = _plain(" ".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown"))
    return [fragment for fragment in guards(notebook) if _plain(fragment) not in text]


def prose(text: str, tables: bool = False) -> str:
    """What is read as text: no code, formulas, headings; tables only if asked for."""
    text = re.sub(r"```.*?```", "", text, flags=re.S)
    text = re.sub(r"\$\$.*?\$\$|\$[^$\n]*\$|`[^`]*`", " X ", text, flags=re.S)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    skipped = ("<",) if tables else ("|", "#", "<")
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith(skipped))


def _of_prose(notebook: nbformat.NotebookNode) -> Iterator[str]:
    deeper, words, sentences, dense = False, 0, 0, 0
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type != "markdown":
            continue
        if cell.source.startswith(GOING_DEEPER):
            deeper = True
            if not cell.metadata.get("jp-MarkdownHeadingCollapsed"):
                yield f"[{number}] {GOING_DEEPER} is not collapsed"
        text = prose(cell.source)
        words += 0 if deeper else len(text.split())
        for paragraph in re.split(r"\n\s*\n", text):
            if len(paragraph.split()) > PARAGRAPH_WORDS:
                yield f"[{number}] a paragraph of {len(paragraph.split())} words"
        for sentence in _sentences(text):
            sentences += 1
            dense += len(NUMBER.findall(sentence)) > 2
    if words > MAIN_WORDS:
        yield f"{words} words before {GOING_DEEPER}, expected at most {MAIN_WORDS}"
    if sentences and dense / sentences > DENSE_SENTENCES:
        yield f"{dense} of {sentences} sentences hold more than two numbers"


def _of_code(notebook: nbformat.NotebookNode) -> Iterator[str]:
    lengths = []
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        lines = cell.source.splitlines()
        if "setup" not in tags(cell):
            filled = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
            lengths.append(len(filled))
            if len(filled) > CELL_LINES:
                yield f"[{number}] {len(filled)} lines in one cell"
        if any(len(line) > LINE_LENGTH for line in lines):
            yield f"[{number}] a line of {max(map(len, lines))} characters"
        if any(isinstance(call.args[1], ast.Constant) for call in _calls(_only(cell))):
            yield f"[{number}] says(...) of a number that is typed, not computed"
        if re.search(r"\bMarkdown\s*\(|\bimport \*", cell.source):
            yield f"[{number}] prose made by code, or names from everywhere"
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Lambda):
                yield f"[{number}] a lambda with a name"
            if isinstance(node, ast.ClassDef):
                yield f"[{number}] a class"
            if isinstance(node, LOOPS) and any(isinstance(n, LOOPS) for n in _inside(node)):
                yield f"[{number}] a comprehension in a comprehension"
    if statistics.median(lengths or [0]) > MEDIAN_LINES:
        yield f"cells of {statistics.median(lengths):g} lines, by the median"


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    return (inner for child in ast.iter_child_nodes(node) for inner in ast.walk(child))


def _of_the_answer(notebook: nbformat.NotebookNode) -> Iterator[str]:
    text = "\n\n".join(c.source for c in notebook.cells[:2] if c.cell_type == "markdown")
    answer = re.search(r"\*\*Answer\.\*\*(.*?)(?:\n\s*\n|\Z)", text, flags=re.S)
    if not answer:
        yield "no **Answer.** in the first two cells"
        return
    said = prose(answer[1])
    if len(said.split()) > ANSWER_WORDS:
        yield f"an answer of {len(said.split())} words"
    if len(NUMBER.findall(said)) > ANSWER_NUMBERS:
        yield f"an answer with {len(NUMBER.findall(said))} numbers"


def _sentences(text: str) -> list[str]:
    """Sentences, paragraph by paragraph; captions, wholly in italics, count as one."""
    found = []
    for paragraph in re.split(r"\n\s*\n", text):
        line = _plain(paragraph)
        found += [s for s in re.split(r"(?<=[.?!:;])\s+(?=[A-Z*(\"'])", line) if s]
    return found


def _calls(notebook: nbformat.NotebookNode) -> list[ast.Call]:
    """Every `says(fragment, value)` of the page."""
    return [
        node
        for cell in code_cells(notebook)
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "says"
    ]


def guards(notebook: nbformat.NotebookNode) -> list[str]:
    """The fragments of text whose numbers the page's `says` compares with results."""
    fragments = [call.args[0] for call in _calls(notebook)]
    return [f.value for f in fragments if isinstance(f, ast.Constant) and isinstance(f.value, str)]


def _literals(notebook: nbformat.NotebookNode) -> Iterator[float]:
    for cell in code_cells(notebook):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
                yield float(node.value)


def _only(cell: nbformat.NotebookNode) -> nbformat.NotebookNode:
    return nbformat.v4.new_notebook(cells=[cell])


def _value(number: str) -> str:
    text = number.replace(",", "").replace("−", "-").strip()
    return text if text.endswith("%") else f"{float(text):g}"


def _plain(text: str) -> str:
    return " ".join(text.split())


def main() -> None:
    """What the command does."""
    for path in sys.argv[1:]:
        notebook = nbformat.read(Path(path), as_version=4)
        for said in (*breaches(notebook), *loose_numbers(notebook), *stale_guards(notebook)):
            print(f"{path}: {said}")


if __name__ == "__main__":
    main()
