"""The real nbgrader accepts the course, and marks what students hand in, whatever it is."""

import hashlib
import os
import sys
from pathlib import Path

import nbformat
import pytest

pytest.importorskip("nbgrader")

from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from traitlets.config import PyFileConfigLoader

from tools.course import cells, editions, exercise, gallery, marking
from tools.course.tables import course
from tools.pages import code_cells

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Object of type"),  # nbgrader's own sessions
]

TORONTO, PAGE = course("toronto"), "3_exploring"
AUTO = sum(task.points for task in TORONTO.tasks)
RIGHT = "def interpolate(z_a, z_b, alpha):\n    return alpha * z_a + (1 - alpha) * z_b"
WRONG = "def interpolate(z_a, z_b, alpha):\n    return z_a"


class Grading:
    """A course directory in use."""

    def __init__(self, folder):
        self.folder = folder
        editions.nbgrader(TORONTO, folder)
        config = PyFileConfigLoader("nbgrader_config.py", str(folder)).load_config()
        config.CourseDirectory.root = str(folder)
        config.MarkApart.limit = 8.0
        self.api = NbGraderAPI(config=config)

    def done(self, result):
        assert result["success"], result.get("error") or result.get("log")
        return result

    def submit(self, student, notebook, page=PAGE):
        target = self.folder / "submitted" / student / "toronto" / f"{page}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, target)

    def autograde(self, student):
        return self.done(self.api.autograde("toronto", student))

    def points(self, student):
        """What each function got, by its name."""
        with Gradebook(f"sqlite:///{self.folder}/gradebook.db") as book:
            submission = book.find_submission("toronto", student)
            grades = [grade for nb in submission.notebooks for grade in nb.grades]
            return {g.name.removeprefix("check-"): g.auto_score for g in grades}

    def said(self, student, name):
        """The output of a check's cell."""
        path = self.folder / "autograded" / student / "toronto" / f"{PAGE}.ipynb"
        cells = nbformat.read(path, as_version=4).cells
        (cell,) = [c for c in cells if marking.grade_id(c) == f"check-{name}"]
        return "".join(o.get("text", "") or o.get("evalue", "") for o in cell.outputs)


@pytest.fixture(scope="module")
def grading(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.environ["PATH"])
        patch.setattr(sys, "path", list(sys.path))
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        made = Grading(tmp_path_factory.mktemp("course"))
        made.done(made.api.generate_assignment("toronto"))
        yield made


def page(name=PAGE):
    return exercise.exercise(TORONTO, f"toronto/{name}")


def hand_in(grading, student, interpolate=None, change=None):
    """Hands in Toronto 3 with this interpolation, has it marked, and returns its two scores."""
    notebook = page()
    for cell in notebook.cells:
        if marking.grade_id(cell) == "interpolate" and interpolate:
            cell.source = interpolate
    if change:
        change(notebook)
    grading.submit(student, notebook)
    grading.autograde(student)
    points = grading.points(student)
    return points["sample_bernoulli"], points["interpolate"]


def test_what_nbgrader_releases_is_the_students_edition(grading):
    for path in (grading.folder / "release/toronto").glob("*.ipynb"):
        released = nbformat.read(path, as_version=4)
        ours = exercise.cleared(page(path.stem))
        assert [c.source for c in released.cells] == [c.source for c in ours.cells]


def test_the_solutions_get_every_point_that_checks_give(grading):
    for name in map(os.path.basename, TORONTO.pages):
        grading.submit("solution", page(name), name)
    grading.autograde("solution")
    points = grading.points("solution")
    by_hand = {name for name, score in points.items() if score is None}
    assert by_hand == {"training-1", "question-1", "question-2", "question-3"}
    assert sum(score or 0 for score in points.values()) == AUTO


def test_the_empty_edition_gets_no_point_and_breaks_nothing(grading):
    for name in map(os.path.basename, TORONTO.pages):
        grading.submit("empty", exercise.cleared(page(name)), name)
    grading.autograde("empty")
    assert set(grading.points("empty").values()) == {0}
    assert "NotImplementedError" in grading.said("empty", "interpolate")


# three of the gallery; all of them by the same code, without nbgrader, in test_course_marking.py
THROUGH_NBGRADER = (
    "log q without its -log sigma",
    "The KL forgotten",
    "Zero padding for the unseen half",
)


@pytest.mark.parametrize("title", THROUGH_NBGRADER)
def test_a_mistake_of_the_gallery_loses_its_functions_points_and_no_others(title, grading):
    ((task, mistake),) = [m for m in gallery.of_course(TORONTO) if m[1].title == title]
    name, student = os.path.basename(task.page), task.id
    notebook = page(name)
    for cell in notebook.cells:
        if marking.grade_id(cell) == task.id:
            cell.source = cells.function(task, mistake.wrong).source
    grading.submit(student, notebook, name)
    grading.autograde(student)
    points = grading.points(student)
    for other in TORONTO.tasks:
        if other.page == task.page:
            assert points[other.id] == (0 if other == task else other.points)


def test_a_mistake_is_named_to_the_student(grading):
    wrong = "def interpolate(z_a, z_b, alpha):\n    return alpha * z_b + (1 - alpha) * z_a"
    assert hand_in(grading, "reversed", wrong) == (2, 0)
    assert "the line the other way round got" in grading.said("reversed", "interpolate")


def test_a_deleted_check_is_put_back(grading):
    def delete(notebook):
        notebook.cells = [c for c in notebook.cells if "check-" not in marking.grade_id(c)]

    assert hand_in(grading, "deleted", RIGHT, delete) == (2, 2)
    assert hand_in(grading, "deleted_wrong", WRONG, delete) == (2, 0)
    assert "was missing, and was put back" in grading.said("deleted", "interpolate")


def test_a_renamed_check_is_put_back(grading):
    def rename(notebook):
        for cell in notebook.cells:
            if marking.grade_id(cell) == "check-interpolate":
                cell.metadata["nbgrader"]["grade_id"] = "mine"

    assert hand_in(grading, "renamed", WRONG, rename) == (2, 0)
    assert "was missing, and was put back" in grading.said("renamed", "interpolate")


def test_a_check_that_was_overwritten_counts_as_it_was(grading):
    def overwrite(notebook):
        for cell in notebook.cells:
            if marking.grade_id(cell) == "check-interpolate":
                cell.source = "pass"
                cell.metadata["nbgrader"]["points"] = 40

    assert hand_in(grading, "overwritten", WRONG, overwrite) == (2, 0)
    assert "was changed, and was put back" in grading.said("overwritten", "interpolate")
    hand_in(grading, "left_alone", WRONG)
    assert "put back" not in grading.said("left_alone", "interpolate")


def test_an_endless_loop_loses_its_function_alone(grading):
    loop = "def interpolate(z_a, z_b, alpha):\n    while True:\n        pass"
    assert hand_in(grading, "endless", loop) == (2, 0)
    assert "no answer within 8 seconds" in grading.said("endless", "interpolate")


def test_a_crash_loses_its_function_alone(grading):
    crash = "def interpolate(z_a, z_b, alpha):\n    import os\n    os.kill(os.getpid(), 9)"
    assert hand_in(grading, "crash", crash) == (2, 0)
    assert "its process ended" in grading.said("crash", "interpolate")


def test_a_million_lines_are_cut(grading):
    def print_them(notebook):
        text = "a line\n" * 1_000_000
        code_cells(notebook)[1].outputs = [nbformat.v4.new_output("stream", text=text)]

    loud = f"for _ in range(1_000_000): print('a line')\n{RIGHT}"
    assert hand_in(grading, "loud", loud, print_them) == (2, 2)
    kept = grading.folder / f"autograded/loud/toronto/{PAGE}.ipynb"
    assert kept.stat().st_size < 200_000 and "Output truncated" in kept.read_text()


def test_reaching_for_the_hidden_checks_is_told(grading):
    source = grading.folder / f"source/toronto/{PAGE}.ipynb"
    reach = f"hidden = open({str(source)!r}).read()\n{RIGHT}"
    assert hand_in(grading, "reaching", reach) == (2, 0)
    assert "which belongs to the course: it is not marked" in grading.said(
        "reaching", "interpolate"
    )


def test_the_next_student_is_not_touched_by_what_another_handed_in(grading):
    grading.submit("next", page())
    before = {path: digest(path) for path in (grading.folder / "submitted").rglob("*.ipynb")}
    vandal = "import shutil\nshutil.rmtree({!r}, ignore_errors=True)\n" + RIGHT
    folder = grading.folder / "submitted/next"
    assert hand_in(grading, "a_vandal", vandal.format(str(folder))) == (2, 0)
    assert {path: digest(path) for path in before} == before
    grading.autograde("next")
    assert grading.points("next")["interpolate"] == 2


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_figures_and_answers_stay_for_whoever_marks_by_hand(grading):
    picture = {"image/png": "iVBORw0KGgo=", "text/html": "<script>alert(1)</script>"}

    def draw(notebook):
        code_cells(notebook)[1].outputs = [nbformat.v4.new_output("display_data", picture)]

    hand_in(grading, "drawn", RIGHT, draw)
    text = (grading.folder / f"autograded/drawn/toronto/{PAGE}.ipynb").read_text()
    assert "iVBORw0KGgo=" in text and "<script>" not in text


def test_feedback_tells_what_was_said_and_no_hidden_check(grading):
    hand_in(grading, "told", WRONG)
    grading.done(grading.api.generate_feedback("toronto", "told"))
    html = (grading.folder / f"feedback/told/toronto/{PAGE}.html").read_text()
    assert "a point for each alpha, z_a at 1, expected" in html
    assert "HIDDEN TESTS" not in html and "seed=11" not in html
