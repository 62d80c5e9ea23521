"""A page as an exercise: with its solutions for nbgrader, and cleared of them for students."""

from __future__ import annotations

import ast
import re
from copy import deepcopy

import nbformat

from tools.course import cells
from tools.course.source import free_names, lines_without
from tools.course.tables import Course, Task
from tools.course.wording import asked_only, neutral, reworded, says_lines, untitled
from tools.pages import NOTEBOOKS, tags
from tools.rules import GOING_DEEPER, guards

__all__ = ["clear", "cleared", "exercise", "read"]

STUB, TEXT_STUB = "raise NotImplementedError", "*Your answer:*"
INTRODUCTION = (
    "*Exercise.* Write the functions that raise `NotImplementedError`, and the steps of training; "
    "answer the questions at the end. Beneath each function stands a public check. It is marked "
    "with other numbers, too, each function by itself, whatever the others do. What a function "
    "needs beyond the set-up cell stands in its cell, or as an import or a function elsewhere."
)


def read(page: str) -> nbformat.NotebookNode:
    """The page of this name, as "toronto/1_model"."""
    return nbformat.read(NOTEBOOKS / f"{page}.ipynb", as_version=4)


def exercise(course: Course, page: str) -> nbformat.NotebookNode:
    """A page's exercise, with solutions, hidden checks and model answers."""
    notebook = reworded(read(page), course.reworded)
    new = [deepcopy(notebook.cells[0])]
    new.append(nbformat.v4.new_markdown_cell(INTRODUCTION, id="introduction"))
    if page not in course.questions_only:
        new += main_part(course, page, notebook)
    model = "\n\n".join(c.source for c in notebook.cells if "answer" in tags(c))
    asked = [question for question in course.questions if question.page == page]
    if asked:
        new.append(nbformat.v4.new_markdown_cell("## Questions", id="questions"))
    for number, question in enumerate(asked, 1):
        new.append(cells.answer(question, f"question-{number}", model if number == 1 else "Above."))
    for cell in new:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        cell.metadata.pop("execution", None)
    about = {"kernelspec": notebook.metadata.kernelspec, "language_info": {"name": "python"}}
    return nbformat.v4.new_notebook(cells=new, metadata=about)


def main_part(
    course: Course, page: str, notebook: nbformat.NotebookNode
) -> list[nbformat.NotebookNode]:
    """What comes between a page's question and Going deeper, with tasks for what it shows."""
    here = [task for task in course.tasks if task.page == page]
    open_tasks, new, trained = list(here), [], 0
    waiting: list[nbformat.NotebookNode] = []
    bound: set[str] = set()  # by cells that wait
    results = guards(notebook)
    places, without = course.places.get(page, {}), course.without.get(page, ())
    if lost := {*places, *without} - {cell.id for cell in notebook.cells}:
        raise ValueError(f"{page} has no cell {', '.join(sorted(lost))}")
    withheld = {name.split(".")[-1] for name in course.withheld}
    for cell in notebook.cells[1:]:
        if cell.cell_type == "markdown" and cell.source.startswith(GOING_DEEPER):
            break
        if cell.id in places:
            new += [c for t in due(open_tasks, set(places[cell.id])) for c in task_cells(t, "")]
        elif cell.id in without or uses(cell, withheld):
            continue
        elif cell.cell_type == "markdown":
            text = asked_only(cell.source) if "answer" in tags(cell) else neutral(cell, results)
            new += [nbformat.v4.new_markdown_cell(text, id=cell.id)] if text else []
        elif "train" in tags(cell):
            number, trained = trained, trained + 1
            parts = [part for part in course.trainings if part.page == page]
            marked = parts[0] if parts and number == 0 else None
            new.append(cells.training(cell.source, f"training-{number + 1}", marked))
        else:
            for part in code(course, cell, open_tasks):
                early = free_names(part.source) & (bound | {task_name(t) for t in open_tasks})
                if early and "nbgrader" not in part.metadata:  # it uses what comes further down
                    waiting.append(part)
                    bound |= stored_names(part.source)
                else:
                    new.append(part)
            if waiting and not any(
                free_names(part.source) & {task_name(t) for t in open_tasks} for part in waiting
            ):
                new, waiting, bound = new + waiting, [], set()
    if open_tasks:
        raise ValueError(f"{page} shows no cell for {', '.join(t.name for t in open_tasks)}")
    new = without_idle(new)
    kept = "\n".join(c.source for c in new if c.cell_type == "code" and "setup" not in tags(c))
    made = [cells.setup(c.source, kept, withheld) if "setup" in tags(c) else c for c in new]
    return with_later_pages(course, page, made)


def with_later_pages(
    course: Course, page: str, made: list[nbformat.NotebookNode]
) -> list[nbformat.NotebookNode]:
    """The cells, and a word before the first that uses what a later page asks for."""
    imported = probnn_imports(made)
    later = {task_name(t): t.page for t in course.tasks if t.page > page}
    later = {name: where for name, where in later.items() if name in imported}
    for number, cell in enumerate(made):
        known = cell.cell_type != "code" or cell.metadata.get("nbgrader", {}).get("locked")
        needs = set() if known else free_names(cell.source) & set(later)
        if needs:
            name = later[min(needs)].split("/")[-1]
            text = f"*From here on the page uses what [{name}]({name}.ipynb) asks for.*"
            return [
                *made[:number],
                nbformat.v4.new_markdown_cell(text, id="later-page"),
                *made[number:],
            ]
    return made


def code(
    course: Course, cell: nbformat.NotebookNode, open_tasks: list[Task]
) -> list[nbformat.NotebookNode]:
    """A code cell: tasks in place of the functions that it shows or defines, and its other lines.

    A function shown that an earlier page asks for is the student's own by now, and not shown.
    """
    if "setup" in tags(cell):
        return [deepcopy(cell)]
    source, tree = cell.source, ast.parse(cell.source)
    wanted: set[str] = set()
    dropped, given = set(), []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in {t.name for t in open_tasks}:
            wanted.add(node.name)
            source = blank(source, node)
        elif ast.unparse(node).startswith("show_source("):
            dropped.add(node.lineno)
            assert isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
            for each in map(ast.unparse, node.value.args):
                names = {task.name for task in course.tasks if matches(task, each)}
                wanted |= names
                given += [] if names else [each]
    wanted &= {task.name for task in open_tasks}
    new = [c for task in due(open_tasks, wanted) for c in task_cells(task, cell.source)]
    if given:
        shown = f"show_source({', '.join(given)})"
        new.append(nbformat.v4.new_code_cell(shown, id=f"{cell.id}-given"))
    said = says_lines(source)
    left = lines_without(untitled(source), dropped | said)
    if left:
        about: dict[str, object] = {"tags": sorted(tags(cell))} if tags(cell) else {}
        about |= {"prepares": True} if said and "assert" not in left else {}
        new.append(nbformat.v4.new_code_cell(left, id=cell.id, metadata=about))
    return new


def due(open_tasks: list[Task], wanted: set[str]) -> list[Task]:
    """The tasks that a cell calls for, with those before them in the table; then open no more."""
    last = max((i for i, task in enumerate(open_tasks) if task.name in wanted), default=-1)
    found, open_tasks[:] = open_tasks[: last + 1], open_tasks[last + 1 :]
    return found


def task_cells(task: Task, cell_source: str) -> list[nbformat.NotebookNode]:
    """A function's cell and its check's."""
    written = cells.reference(task, cell_source)
    return [cells.function(task, written), cells.check(task, written)]


def uses(cell: nbformat.NotebookNode, names: set[str]) -> bool:
    """Whether a code cell, not the set-up, uses one of some names."""
    if cell.cell_type != "code" or "setup" in tags(cell):
        return False
    return bool(free_names(cell.source) & names)


def without_idle(made: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """The cells but those that only prepared comparisons of the page's text with its results."""
    kept: list[nbformat.NotebookNode] = []
    used: set[str] = set()
    for cell in reversed(made):
        if not cell.metadata.pop("prepares", False) or stored_names(cell.source) & used:
            kept.insert(0, cell)
            used |= free_names(cell.source) if cell.cell_type == "code" else set()
    return kept


def probnn_imports(made: list[nbformat.NotebookNode]) -> set[str]:
    """The names that the set-up cell imports from the package."""
    (source,) = [
        c.source for c in made if c.metadata.get("nbgrader", {}).get("grade_id") == "setup"
    ]
    nodes = [n for n in ast.parse(source).body if isinstance(n, ast.ImportFrom)]
    return {a.name for n in nodes if str(n.module).startswith("probnn") for a in n.names}


def task_name(task: Task) -> str:
    """What a task's function is called on its page."""
    return task.name.split(".")[-1]


def stored_names(source: str) -> set[str]:
    """The names that a cell binds."""
    nodes = ast.walk(ast.parse(source))
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def matches(task: Task, shown: str) -> bool:
    """Whether a task is the function shown, or a method of the class shown.

    Example:
        >>> matches(Task("probnn.densities.DiagonalGaussian.sample", "", "", 1), "DiagonalGaussian")
        True
    """
    if not task.name.startswith("probnn."):
        return False
    return shown == task.shown or f".{shown}." in f".{task.name}."


def blank(source: str, node: ast.FunctionDef) -> str:
    """The source with empty lines for a function."""
    lines = source.splitlines()
    for number in range(node.lineno - 1, node.end_lineno or 0):
        lines[number] = ""
    return "\n".join(lines)


def cleared(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The exercise without solutions and hidden checks, as nbgrader clears it."""
    new = deepcopy(notebook)
    for cell in new.cells:
        cell.source = clear(cell.source, STUB if cell.cell_type == "code" else TEXT_STUB)
    return new


def clear(source: str, stub: str = STUB) -> str:
    """A cell's source without solution and hidden check.

    Example:
        >>> clear("def f():\\n    ### BEGIN SOLUTION\\n    return 1\\n    ### END SOLUTION")
        'def f():\\n    raise NotImplementedError'
    """
    for begin, end, put in ((cells.BEGIN, cells.END, stub), (*cells.HIDDEN, None)):
        pattern = rf"(?ms)^([ ]*){re.escape(begin)}$.*?^[ ]*{re.escape(end)}(\n|\Z)"
        source = re.sub(pattern, rf"\1{put}\2" if put else "", source)
    return source.rstrip("\n")
