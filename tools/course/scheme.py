"""What goes with the notebooks as text: the students' README and the marking scheme."""

from __future__ import annotations

from pathlib import Path

from tools.course import exercise, gallery, wording
from tools.course.tables import Course
from tools.pages import tags
from tools.rules import GOING_DEEPER

__all__ = ["for_instructors", "for_students"]

STUDENTS = """# {title}

{count} notebooks, {points:g} points{whose}.

## Set up

    python -m venv .venv
    source .venv/bin/activate         (Windows: .venv\\Scripts\\activate)
    pip install -r requirements.txt
    jupyter lab notebooks

It needs Python 3.10 or newer. `requirements.txt` installs this folder's `src/probnn` too. What the
notebooks ask you to write is missing from it: the package calls what you hand in.

## Work

- Go through the notebooks in their order. A cell that ends in `raise NotImplementedError` is yours.
  The line `@hand_in(...)` above a function gives it to the package; leave it there, and the name.
- The cell beneath it checks your function. It is marked by a check with other numbers, too, each
  function by itself: a mistake in one costs no points of another.
- What a function needs beyond the set-up cell stands in its own cell, or as a function or an
  import anywhere on the page. Functions of other pages are read from their notebooks: save them,
  and restart the kernel after changing one.
- In a training cell the loop is given, and the step is yours. *Kernel > Interrupt* stops a
  training, and running its cell again goes on exactly there. To train anew, pass `fresh=True` to
  `resume`, after running the cell that makes the model again.
- Nothing is trained yet, so the first run of a page takes longer than later ones: minutes, for
  most.
- A figure titled "{figure}" wants your answer to that, and so do the questions at the end.
- Hand in the notebooks with their outputs: figures are looked at as they are.

## Points

| notebook | to do | points |
|---|---|---|
"""

INSTRUCTORS = """# {title}: marking scheme

{points:g} points{whose}: {auto:g} by checks, {hand:g} by hand. `notebooks/` has the pages with
their answers, `solutions/` the exercises with solutions, checks and model answers.

A function has all of its points if its check passes, else none; whoever marks can overrule that.
Each function is checked with correct versions of all others. Questions: full points if every part
of "addresses" is there with a reason or a number of the student's own run; half if the answer is
right but bare; another right answer than the model's counts as much. Figures count as part of the
answers that use them.
"""


def whose(course: Course) -> str:
    """Where the points are from."""
    return " (the source has none: they are ours)" if course.own_points else " (the source's)"


def for_students(course: Course) -> str:
    """The README of the students' edition."""
    text = STUDENTS.format(
        title=course.title,
        count=len(course.pages),
        points=course.points,
        whose=whose(course),
        figure=wording.TITLE,
    )
    parts = [(t.page, f"`{t.name.removeprefix('probnn.')}`", t.points) for t in course.tasks]
    parts += [(t.page, "the training", t.points) for t in course.trainings]
    parts += [(q.page, f"question {q.asked}", q.points) for q in course.questions]
    rows = [
        f"| {Path(page).name} | {what} | {points:g} |" for page, what, points in in_order(parts)
    ]
    return text + "\n".join(rows) + "\n"


def in_order(parts: list[tuple[str, str, float]]) -> list[tuple[str, str, float]]:
    """By page, and within a page as they were."""
    return sorted(parts, key=lambda part: part[0])


def for_instructors(course: Course) -> str:
    """The marking scheme: points, full answers, usual mistakes with a number each."""
    auto = sum(task.points for task in course.tasks)
    lines = [
        INSTRUCTORS.format(
            title=course.title,
            points=course.points,
            whose=whose(course),
            auto=auto,
            hand=course.points - auto,
        )
    ]
    made = gallery.of_course(course)
    for page in course.pages:
        lines += [f"## {Path(page).name}", ""]
        tasks = [task for task in course.tasks if task.page == page]
        if tasks:
            lines += ["| function | question | points |", "|---|---|---|"]
            lines += [f"| `{t.name}` | {t.asked} | {t.points:g} |" for t in tasks] + [""]
        usual = [mistake for task, mistake in made if task in tasks]
        if usual:
            lines += ["Usual mistakes; each loses its function's points:", ""]
        for m in usual:
            lines += [
                f"- **{m.title}** (`{m.name.split('.')[-1]}`). {m.text} `{m.shown_by}` gives "
                f"**{m.value_right}**, with the mistake **{m.value_wrong}**.",
            ]
        lines += [""] if usual else []
        for training in (t for t in course.trainings if t.page == page):
            lines += [
                f"**Training, {training.asked}, {training.points:g} points.** {training.full}",
                "",
            ]
        for question in (q for q in course.questions if q.page == page):
            lines += [f"**{question.asked}, {question.points:g} points.** {question.text}", ""]
            lines += [f"A full answer addresses: {question.full}.", ""]
        lines += ["What our page says:", "", *quoted(page), ""]
    return "\n".join(lines)


def quoted(page: str) -> list[str]:
    """The answers of a page's main part, as a quotation."""
    lines: list[str] = []
    for cell in exercise.read(page).cells:
        if cell.cell_type == "markdown" and cell.source.startswith(GOING_DEEPER):
            break
        if "answer" in tags(cell):
            text = cell.source.lstrip("#").strip()
            lines += [*(f"> {line}".rstrip() for line in text.splitlines()), ">"]
    return lines[:-1]
