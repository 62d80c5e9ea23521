"""python -m tools.course [FOLDER]: the three editions of every course; course/ by default."""

from __future__ import annotations

import sys
from pathlib import Path

from tools.course import editions
from tools.course.tables import COURSES, course
from tools.pages import ROOT


def main() -> None:
    """What the command does."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "course"
    for name in COURSES:
        found = course(name)
        editions.student(found, folder / "student" / name)
        editions.instructor(found, folder / "instructor" / name)
        editions.nbgrader(found, folder / "nbgrader" / name)
        print(f"{name}: {found.points:g} points, {len(found.pages)} pages, in {folder}")


if __name__ == "__main__":
    main()
