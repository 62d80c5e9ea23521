"""The cells of an exercise, with what nbgrader wants to know of each."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

import nbformat

from probnn.display.pages import source_of
from tools.course.source import Written, find, imports_for, inside
from tools.course.tables import CHECKS, SHOWN, Question, Task, Training

__all__ = ["answer", "check", "function", "marked", "reference", "setup", "training"]

Cell = nbformat.NotebookNode
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
HIDDEN = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"
STEP = "# Yours: one step, by the gradient of this batch's loss{}"
PUBLIC, MARKING = ((0, 3),), ((11, 7), (12, 1))  # seeds and numbers of data


def marked(cell: Cell, name: str, points: float | None, solution: bool) -> Cell:
    """The cell with nbgrader's metadata: graded if it has points, read-only if no solution."""
    graded = points is not None
    cell.id = name.replace("_", "-")
    cell.metadata["nbgrader"] = {
        "grade": graded,
        "grade_id": name,
        "locked": not solution,
        "schema_version": 3,
        "solution": solution,
        "task": False,
        **({"points": points} if graded else {}),
    }
    return cell


def reference(task: Task, cell_source: str = "") -> Written:
    """The function as the package has it, or, of a page's own, as its cell has it."""
    if task.name.startswith("probnn."):
        return find(task.name)
    return inside(cell_source, "", task.name)


def function(task: Task, written: Written, body: str | None = None) -> Cell:
    """The cell in which a function is written, with its solution, or with another body."""
    lines = []
    defaults = imports_for(f"def f({written.signature}): pass", written.text, written.module)
    if written.module:
        lines = [*defaults, "", ""] if defaults else []
        lines.append(f'@hand_in("{task.name}")')
    lines.append(f"def {written.cell_name}({written.signature}):")
    doc = inspect.cleandoc(CHECKS[task.name].__doc__ or "")
    inner = [f'"""{doc}"""' if "\n" not in doc else f'"""{doc}\n"""']
    needs = []
    if written.module:
        whole = f"def f({written.signature}):\n{textwrap.indent(written.body, '    ')}"
        needs = [line for line in imports_for(whole, written.text, written.module)]
        needs = [line for line in needs if line not in defaults]
    if body is not None:
        inner.append(body)
    elif task.step:
        inner += [*needs, "", step_of(written)]
    else:
        inner += [BEGIN, *needs, written.body, END]
    lines.append(textwrap.indent("\n".join(inner), "    "))
    return marked(nbformat.v4.new_code_cell("\n".join(lines)), task.id, None, True)


def step_of(written: Written) -> str:
    """A function's body, its first loop's step, all but the loop's last line, a solution."""
    loops = [n for s in written.statements for n in ast.walk(s) if isinstance(n, ast.For)]
    first, last = loops[0].body[0].lineno, loops[0].body[-2].end_lineno or 0
    return with_markers(written.text, [(first, last)], written.statements)


def with_markers(
    text: str,
    regions: list[tuple[int, int]],
    statements: list[ast.stmt],
    said: list[str] | None = None,
) -> str:
    """The lines of some statements with regions of them marked as solutions, and said what of."""
    lines = text.splitlines()[: statements[-1].end_lineno]
    said = said or [""] * len(regions)
    for (first, last), what in sorted(zip(regions, said, strict=True), reverse=True):
        margin = indent(text, first)
        lines.insert(last, margin + END)
        lines.insert(first - 1, margin + BEGIN)
        lines[first - 1 : first - 1] = [margin + what] if what else []
    return textwrap.dedent("\n".join(lines[statements[0].lineno - 1 :]))


def indent(text: str, number: int) -> str:
    """The margin of a line."""
    line = text.splitlines()[number - 1]
    return line[: len(line) - len(line.lstrip())]


def check(task: Task, written: Written) -> Cell:
    """The cell that checks a function: publicly, and hidden from students with other numbers."""
    found, name = CHECKS[task.name], written.cell_name
    seen = SHOWN.get(task.name, found)
    public, marking = (
        [f"{found.__name__}({name}, seed={seed}, n={n})" for seed, n in numbers]
        for numbers in (PUBLIC, MARKING)
    )
    lines = [standing_alone(seen), "", ""]
    lines += public if seen is found else [f"{seen.__name__}({name})"]
    lines += [f'print("{name}: the public check is passed")', HIDDEN[0]]
    lines += [] if seen is found else [standing_alone(found)]
    lines += [*marking, HIDDEN[1]]
    return marked(
        nbformat.v4.new_code_cell("\n".join(lines)), f"check-{task.id}", task.points, False
    )


def standing_alone(function: Callable[..., Any]) -> str:
    """A check's source with the imports that it needs within."""
    module = inspect.getmodule(function)
    assert module is not None
    source = source_of(function).split("\n", 1)[1]  # without the decorator
    head, _, body = source.partition("\n")
    needs = imports_for(source, inspect.getsource(module), module.__name__)
    needs = [line for line in needs if not line.startswith("from tools.course")]
    return "\n".join([head, *(f"    {line}" for line in needs), body])


def setup(source: str, kept: str, withheld: set[str]) -> Cell:
    """The set-up cell, for students: with `hand_in`, without what only our pages use."""
    gone = {"says", *withheld} | (set() if "show_source" in kept else {"show_source"})
    lines = source.splitlines()
    imports = [n for n in ast.parse(source).body if isinstance(n, ast.ImportFrom)]
    for node in reversed(imports):
        names = [alias for alias in node.names if alias.name not in gone]
        if len(names) < len(node.names):
            line = ast.unparse(ast.ImportFrom(node.module, names, 0)) if names else ""
            lines[node.lineno - 1 : node.end_lineno] = [line] if line else []
    packages = [n for n in imports if (n.module or "").startswith("probnn")]
    before = next(n for n in packages if (n.module or "") > "probnn.handed_in")
    lines.insert(before.lineno - 1, "from probnn.handed_in import expect, expect_shape, hand_in")
    return marked(nbformat.v4.new_code_cell("\n".join(lines)), "setup", None, False)


def training(source: str, name: str, task: Training | None) -> Cell:
    """A training cell: the loop's frame stays, the step is a solution."""
    tree, regions, steps = ast.parse(source), [], []
    for loop in (n for n in ast.walk(tree) if isinstance(n, ast.For)):
        calls = [i for i, s in enumerate(loop.body) if ast.unparse(s) == "check_interrupted()"]
        if calls:
            after = loop.body[calls[0] + 1 :]
            while isinstance(after[0], ast.If):
                after = after[1:]
            while len(after) > 1 and not is_step(after[-1], after[:-1]):
                after = after[:-1]
            regions.append((after[0].lineno, after[-1].end_lineno or 0))
            kept = {k for s in after for n in ast.walk(s) if (k := appended_to(n))}
            steps.append(STEP.format("".join(f"; append a number to `{k}`" for k in sorted(kept))))
    text = with_markers(source, regions, tree.body, steps)
    cell = nbformat.v4.new_code_cell(text)
    return marked(cell, name, task.points if task else None, True)


def appended_to(node: ast.AST) -> str:
    """The list that some code appends to; "" if it does not."""
    call = node.func if isinstance(node, ast.Call) else None
    appends = isinstance(call, ast.Attribute) and call.attr == "append"
    return ast.unparse(call.value) if isinstance(call, ast.Attribute) and appends else ""


def is_step(statement: ast.stmt, before: list[ast.stmt]) -> bool:
    """Whether a statement belongs to the step: it uses what the step made, or steps."""
    nodes = [n for s in before for n in ast.walk(s)]
    made = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    used = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name)}
    return bool(made & used) or ".step()" in ast.unparse(statement)


def answer(question: Question, name: str, model: str) -> Cell:
    """The cell in which a question is answered, with a model answer as its solution."""
    text = (
        f"**{question.asked}, {question.points:g} points.** {question.text}\n\n"
        f"*A full answer, of a paragraph or two, addresses: {question.full}.*\n\n"
        f"{BEGIN}\n{model}\n{END}"
    )
    return marked(nbformat.v4.new_markdown_cell(text), name, question.points, True)
