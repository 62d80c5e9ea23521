"""Writes the editions of a course: the students', the instructors', and nbgrader's.

    python -m tools.course            all courses, into course/

What is there already is replaced, but for what was submitted and marked.
"""

from __future__ import annotations

import inspect
import json
import shutil
from pathlib import Path

import nbformat

from probnn.runtime import write_whole
from tools.course import exercise, scheme
from tools.course.copying import names_in, unused_names, without_answers, without_examples
from tools.course.source import PACKAGE
from tools.course.tables import CHECKS, Course
from tools.pages import NOTEBOOKS, ROOT

__all__ = ["instructor", "nbgrader", "package", "student"]

KEPT = "runtime", "training", "display", "data"  # nothing in them answers a question

CONFIGURATION = '''"""Settings of nbgrader for this course; written by `make course`."""

import os
import sys

sys.path.insert(0, {root!r})  # the checks run in processes of their own: tools/course/
# where nbgrader looks for a program of its own
os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]

c = get_config()  # noqa: F821 (nbgrader defines it)
c.CourseDirectory.course_id = {name!r}
c.ClearSolutions.code_stub = {{"python": {stub!r}}}
c.ClearSolutions.text_stub = {text!r}
c.Autograde.sanitize_preprocessors = [
    "tools.course.grading.Restore",
    "nbgrader.preprocessors.DeduplicateIds",
    "nbgrader.preprocessors.OverwriteKernelspec",
    "nbgrader.preprocessors.OverwriteCells",
    "nbgrader.preprocessors.CheckCellMetadata",
]
c.Autograde.autograde_preprocessors = [
    "tools.course.grading.MarkApart",
    "nbgrader.preprocessors.LimitOutput",
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]
'''


def student(course: Course, folder: Path) -> None:
    """The students' edition: notebooks, the package without what they write, data, no answers."""
    emptied(folder)
    package(course, folder / "src/probnn")
    for page in course.pages:
        write(folder / f"notebooks/{page}.ipynb", exercise.cleared(exercise.exercise(course, page)))
    shutil.copy(NOTEBOOKS / "matplotlibrc", folder / "notebooks")
    for path in (NOTEBOOKS / course.name).glob("*.npy"):
        shutil.copy(path, folder / "notebooks" / course.name)
    for name in ("LICENSE", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    write_whole(folder / "requirements.txt", "-e .[notebooks]\n")
    project, _, _ = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("[tool.pytest")
    write_whole(folder / "pyproject.toml", project)
    ignored = shutil.ignore_patterns("*-ubyte", "FashionMNIST", "KMNIST")
    shutil.copytree(ROOT / "data", folder / "data", ignore=ignored)
    for name in studied(course):
        (folder / "checkpoints" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "checkpoints" / name, folder / "checkpoints" / name)
    write_whole(folder / "README.md", scheme.for_students(course))


def package(course: Course, folder: Path) -> None:
    """The copy of the package that goes with a course, without what students write.

    Functions that no page needs are missing, too: among them might be another form of an answer.
    """
    asked = {t.name: inspect.cleandoc(CHECKS[t.name].__doc__ or "") for t in course.tasks}
    files = [path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "__main__.py"]
    texts = {module_of(path): path.read_text(encoding="utf-8") for path in files}
    unused = unused_names(texts, needed(course), tuple(f"probnn.{part}" for part in KEPT))
    unused |= set(course.withheld)
    for path in files:
        module, target = module_of(path), folder / path.relative_to(PACKAGE)
        here = {name: doc for name, doc in asked.items() if name.startswith(module + ".")}
        bodies, guarded = (
            {name: code for name, code in table.items() if name.startswith(module + ".")}
            for table in (course.rewritten, course.guarded)
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        changed = without_answers(texts[module], module, here, bodies, unused, guarded)
        for old, new in course.reworded.items():
            changed = changed.replace(old, new)
        write_whole(target, changed)
    (folder / "py.typed").touch()
    own = Path(__file__).with_name("handed_in.py").read_text(encoding="utf-8")
    write_whole(folder / "handed_in.py", without_examples(own))
    tasks = {t.name: {"page": t.page, "asked": t.asked} for t in course.tasks}
    write_whole(folder / "tasks.json", json.dumps(tasks, indent=1))


def module_of(path: Path) -> str:
    """The module's name of a file of the package."""
    parts = path.relative_to(ROOT / "src").with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def needed(course: Course) -> set[str]:
    """The names that pages, checks and solutions mention."""
    found: set[str] = set()
    for page in course.pages:
        for cell in exercise.exercise(course, page).cells:
            if cell.cell_type == "code":
                found |= names_in(cell.source)
    ours = (*course.rewritten.values(), *course.guarded.values())
    return found | set().union(*map(names_in, ours))


def studied(course: Course) -> list[str]:
    """Checkpoints that pages of a course read by their path: studies make them, no page does."""
    cells = [cell for page in course.pages for cell in exercise.exercise(course, page).cells]
    text = "\n".join(cell.source for cell in cells)
    names = [
        path.relative_to(ROOT / "checkpoints").as_posix()
        for path in (ROOT / "checkpoints").glob("*/*.pt")
    ]
    return sorted(name for name in names if f"checkpoints/{name}" in text)


def instructor(course: Course, folder: Path) -> None:
    """The instructors' edition: the pages with their answers, and the marking scheme."""
    emptied(folder)
    for page in course.pages:
        target = folder / f"notebooks/{page}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(NOTEBOOKS / f"{page}.ipynb", target)
        write(folder / f"solutions/{page}.ipynb", exercise.exercise(course, page))
    write_whole(folder / "SCHEME.md", scheme.for_instructors(course))


def nbgrader(course: Course, folder: Path) -> None:
    """A course directory of nbgrader, with one assignment: the course."""
    source = folder / "source" / course.name
    emptied(source)
    emptied(folder / "package")
    for page in course.pages:
        write(source / f"{Path(page).name}.ipynb", exercise.exercise(course, page))
    package(course, folder / "package/probnn")
    names = {"root": str(ROOT), "name": course.name}
    stubs = {"stub": exercise.STUB, "text": exercise.TEXT_STUB}
    write_whole(folder / "nbgrader_config.py", CONFIGURATION.format(**names, **stubs))


def write(path: Path, notebook: nbformat.NotebookNode) -> None:
    """Writes a notebook, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.validate(notebook)
    write_whole(path, nbformat.writes(notebook) + "\n")


def emptied(folder: Path) -> None:
    """The folder, without what an earlier run wrote."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
