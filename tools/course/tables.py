"""What a course asks for: the functions to write and the questions to answer, with their points."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    *("CHECKS", "COURSES", "SHOWN", "Course", "Question", "Task", "Training"),
    *("asks", "course", "shows"),
]

COURSES = ("toronto", "cambridge", "oslo", "autoencoder-2d")
CHECKED = ("autoencoders", "densities", "inference", "models", "networks", "regression", "tsne")
TYPED = ("densities", "inference", "models", "others", "tsne")
CHECKS: dict[str, Callable[..., Any]] = {}
SHOWN: dict[str, Callable[..., Any]] = {}


def asks(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator: the function checks the one of this name, and its docstring says what that is.

    A check gets the function, a seed and a number of data: others when marked than publicly, if it
    is public at all.
    """
    return into(CHECKS, name)


def shows(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator: students see this check, of typed numbers, where that of `asks` is an answer."""
    return into(SHOWN, name)


def into(
    table: dict[str, Callable[..., Any]], name: str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that puts a check into a table."""

    def register(check: Callable[..., Any]) -> Callable[..., Any]:
        table[name] = check
        return check

    return register


@dataclass(frozen=True)
class Task:
    """A function to write.

    Attributes:
        name: where it stands in the package, or, of a page's own function, its name alone.
        page: the page that asks for it, as "toronto/1_model".
        asked: where the source asks for it.
        points: what it is worth.
        step: whether only a step of its first loop is to be written, all but the loop's last line.
        shown: what the page calls it, if it is another class's method.
    """

    name: str
    page: str
    asked: str
    points: float
    step: bool = False
    shown: str = ""

    @property
    def id(self) -> str:
        """Its name in nbgrader.

        Example:
            >>> Task("probnn.densities.DiagonalGaussian.log_density", "", "", 1).id
            'DiagonalGaussian-log_density'
        """
        *_, owner, name = ("", *self.name.split("."))
        return f"{owner}-{name}" if owner[:1].isupper() else name


@dataclass(frozen=True)
class Training:
    """The training cells of a page, of which the steps are to be written; marked by hand."""

    page: str
    asked: str
    points: float
    full: str


@dataclass(frozen=True)
class Question:
    """A question to answer in a paragraph or two; marked by hand.

    Attributes:
        page, asked, points: as of a task.
        text: the question.
        full: what a full answer addresses, for students, too.
    """

    page: str
    asked: str
    points: float
    text: str
    full: str


@dataclass(frozen=True, eq=False)
class Course:
    """A course: its pages, what they ask for, and what else must not go with the package.

    Attributes:
        name: the folder of its pages.
        title: for people.
        own_points: whether the points are ours; the source has them otherwise.
        withheld: functions that do what is asked in another form: they are missing, too, and so
            are the pages' cells that call them.
        rewritten: functions that do so, but that pages need: their bodies in terms of what is
            handed in.
        guarded: functions that are such a form, but that pages need as they are: what they do
            first, which calls what is handed in, so that it cannot call them.
        reworded: words of the package and of pages that give an answer away, or speak of what is
            not there, and others for them.
        places: cells that tasks replace, by page and the cell's id.
        without: cells that are left out, by page.
        questions_only: pages of which only the questions stay.
    """

    name: str
    title: str
    own_points: bool
    tasks: tuple[Task, ...]
    trainings: tuple[Training, ...]
    questions: tuple[Question, ...]
    withheld: tuple[str, ...] = ()
    rewritten: dict[str, str] = field(default_factory=dict)
    guarded: dict[str, str] = field(default_factory=dict)
    reworded: dict[str, str] = field(default_factory=dict)
    places: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    without: dict[str, tuple[str, ...]] = field(default_factory=dict)
    questions_only: tuple[str, ...] = ()

    @property
    def pages(self) -> list[str]:
        """Its pages, in their order."""
        return sorted({part.page for part in self.parts})

    @property
    def points(self) -> float:
        """All points."""
        return sum(part.points for part in self.parts)

    @property
    def parts(self) -> list[Task | Training | Question]:
        """All that is worth points."""
        return [*self.tasks, *self.trainings, *self.questions]


def course(name: str) -> Course:
    """The course of this name, with its checks loaded.

    Example:
        >>> course("toronto").points
        48.0
    """
    for checks in CHECKED:
        importlib.import_module(f"tools.course.checks.{checks}")
    for shown in TYPED:
        importlib.import_module(f"tools.course.checks.shown.{shown}")
    module = importlib.import_module("tools.course." + name.replace("-", "_"))
    found: Course = module.COURSE
    return found
