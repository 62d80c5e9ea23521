"""Marks the functions of a submitted notebook, each in a process of its own."""

from __future__ import annotations

import compileall
import multiprocessing
import multiprocessing.spawn
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import nbformat

from probnn.data.files import unpack_mnist
from probnn.runtime.settings import data_folder
from tools.course import apart, cells, exercise
from tools.course.tables import Course, Task
from tools.pages import ROOT

__all__ = ["job_of", "mark", "outcome"]

LIMIT = 60.0  # seconds for one function


def mark(
    course: Course, page: str, notebook: nbformat.NotebookNode, package: Path, limit: float = LIMIT
) -> dict[str, str]:
    """What is said of each function of a page, by its task's id; nothing if it is right.

    Args:
        course, page: what is marked.
        notebook: the submission.
        package: the folder with the student edition's package.
        limit: seconds for one function.
    """
    return {
        task.id: outcome(job_of(course, task, notebook, package), check_of(course, task), limit)
        for task in course.tasks
        if task.page == page
    }


def job_of(course: Course, task: Task, notebook: nbformat.NotebookNode, package: Path) -> apart.Job:
    """What a process needs to check one function of a submission."""
    ready(package)
    own = [c.source for c in notebook.cells if grade_id(c) == task.id]
    sources = sources_of(course)
    return apart.Job(
        name=task.name,
        called=called(course, task),
        package=str(package.resolve()),
        data=str(data_folder().resolve()),
        closed=[str(ROOT), str(package.resolve().parent)],
        setup=sources[task.page, "setup"],
        references=[sources[t.page, t.id] for t in course.tasks if t != task and usable(t, task)],
        cells=[{"cell_type": c.cell_type, "source": c.source} for c in notebook.cells],
        own=own[0] if own else "",
    )


@lru_cache
def ready(package: Path) -> None:
    """Compiles a package and unpacks the data once, for processes that may write neither."""
    compileall.compile_dir(str(package), quiet=2)
    unpack_mnist()


def check_of(course: Course, task: Task) -> str:
    """The check of a function, the hidden part too."""
    return sources_of(course)[task.page, f"check-{task.id}"]


def called(course: Course, task: Task) -> str:
    """What a task's function is called in its notebook."""
    if not task.name.startswith("probnn."):
        return task.name
    return cells.reference(task).cell_name


def usable(other: Task, task: Task) -> bool:
    """Whether another task's function is of use: it is the package's, or of the same page."""
    return other.name.startswith("probnn.") or other.page == task.page


@lru_cache
def sources_of(course_: Course) -> dict[tuple[str, str], str]:
    """The sources of a course's cells that nbgrader knows, with solutions and hidden checks."""
    return {
        (page, grade_id(cell)): cell.source
        for page in course_.pages
        for cell in exercise.exercise(course_, page).cells
        if grade_id(cell)
    }


def grade_id(cell: nbformat.NotebookNode) -> str:
    """A cell's name in nbgrader; "" if it has none."""
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))


def outcome(job: apart.Job, check: str, limit: float = LIMIT) -> str:
    """What is said of a function: nothing if it passes its check."""
    ours, theirs = context().Pipe()
    with no_main():
        process = context().Process(target=apart.run, args=(theirs, job), daemon=True)
        process.start()
    theirs.close()
    try:
        for _ in range(2):
            if not ours.poll(limit):
                process.kill()
                return f"no answer within {limit:g} seconds: is there an endless loop?"
            answer = ours.recv()
            if answer != "ready":
                passed, said = answer
                return "" if passed else said or "the check is not passed"
            ours.send(check)
        return "the check is not passed"
    except (EOFError, OSError):
        process.join()
        return f"its process ended before the check was over (exit code {process.exitcode})"
    finally:
        process.kill()
        process.join()
        ours.close()


@lru_cache
def context() -> Any:
    """New processes that need not import torch again, where that can be had."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(list(apart.PRELOADED))
    return found


@contextmanager
def no_main() -> Iterator[None]:
    """New processes do not import this one's main module: it has nothing that they need."""
    prepare = multiprocessing.spawn.get_preparation_data

    def without_main(name: str) -> dict[str, Any]:
        return {k: v for k, v in prepare(name).items() if not k.startswith("init_main")}

    with patch.object(multiprocessing.spawn, "get_preparation_data", without_main):
        yield
