"""The editions of the courses: what is asked, what students get, and that it answers nothing."""

import ast
import builtins
import doctest
import importlib
import json
import pkgutil
import re
import subprocess
import sys
from collections import Counter

import pytest

import tools.course
from tools.course import copying, editions, exercise, gallery, scheme
from tools.course.source import find, free_names
from tools.course.tables import CHECKS, COURSES, course
from tools.pages import code_cells, tags
from tools.rules import GOING_DEEPER

ALL = [course(name) for name in COURSES]
PAGES = [(found, page) for found in ALL for page in found.pages]


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    folder = tmp_path_factory.mktemp("student")
    for found in ALL:
        editions.student(found, folder / found.name)
    return folder


def by_page(value):
    return value[1] if isinstance(value, tuple) else value.name


def texts(folder):
    """All text of an edition; of notebooks, their cells'."""
    found = {}
    for path in folder.rglob("*"):
        if path.suffix == ".ipynb":
            cells = json.loads(path.read_text())["cells"]
            found[path] = "\n".join("".join(cell["source"]) for cell in cells)
        elif path.suffix in (".py", ".md", ".json", ".toml", ".txt"):
            found[path] = path.read_text()
    return found


def test_torontos_points_are_the_sources():
    asked = Counter()
    for part in course("toronto").parts:
        asked[part.asked] += part.points
    assert asked == {
        **{"1 (a)": 1, "1 (b)": 2, "1 (c)": 1, "1 (d)": 1},
        **{"2 (a)": 2, "2 (b)": 1, "2 (c)": 5, "2 (d)": 2, "2 (e)": 3},
        **{"3 (a)": 5, "3 (b)": 5, "3 (c)": 5, "4 (a)": 5, "4 (b)": 5, "4 (c)": 5},
    }


@pytest.mark.parametrize("found", ALL, ids=by_page)
def test_every_function_asked_for_has_a_check_and_a_name_of_its_own(found):
    assert {task.name for task in found.tasks} <= set(CHECKS)
    assert len({task.id for task in found.tasks}) == len(found.tasks)


# shown by the pages, and left to read: they join what students write
GIVEN = {
    "BernoulliImageGenerator.logits",
    "BernoulliImageGenerator.forward",
    "pixel_logits",
    "mass_levels",
}


@pytest.mark.parametrize("pair", PAGES, ids=by_page)
def test_what_a_page_shows_as_its_method_is_asked_for(pair):
    found, page = pair
    for cell in exercise.read(page).cells:
        if cell.source.startswith(GOING_DEEPER):
            break
        for call in re.findall(r"^show_source\((.*?)\)$", cell.source, flags=re.M | re.S):
            for shown in re.split(r",\s*", call.strip(", \n")):
                there = any(exercise.matches(task, shown) for task in found.tasks)
                assert there or shown in GIVEN or page in found.questions_only, shown


@pytest.mark.parametrize("pair", PAGES, ids=by_page)
def test_students_get_the_question_and_neither_answers_nor_outputs(pair):
    found, page = pair
    before, after = exercise.read(page), exercise.cleared(exercise.exercise(found, page))
    text = "\n".join(cell.source for cell in after.cells)
    assert after.cells[0].source == before.cells[0].source and "**Question.**" in text
    for cell in before.cells:
        if "answer" in tags(cell):
            assert cell.source not in text
    for said in ("**Answer.**", "says(", "BEGIN", "HIDDEN", GOING_DEEPER):
        assert said not in text
    assert not any(cell.outputs or cell.execution_count for cell in code_cells(after))


@pytest.mark.parametrize("pair", PAGES, ids=by_page)
def test_every_name_that_a_students_page_uses_is_there(pair):
    known = set(vars(builtins))
    cells = code_cells(exercise.cleared(exercise.exercise(*pair)))
    everywhere = set().union(*(bound(cell.source) for cell in cells), set())
    for cell in cells:
        inside = [n for n in ast.parse(cell.source).body if not isinstance(n, ast.FunctionDef)]
        known |= bound(cell.source)
        assert not free_names(cell.source) - everywhere - known
        assert not free_names(ast.unparse(ast.Module(inside, []))) - known


def bound(source):
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(a.asname or a.name).split(".")[0] for a in node.names}
    return names


@pytest.mark.parametrize("found", ALL, ids=by_page)
def test_no_line_of_an_answer_is_anywhere_in_the_students_edition(found, student):
    everything = texts(student / found.name)
    for task in found.tasks:
        if task.step or not task.name.startswith("probnn."):
            continue
        for line in find(task.name).body.splitlines():
            line = line.partition("  #")[0].strip()
            if len(line) >= 24 and not line.startswith(("raise", '"', 'f"', "if ", "#")):
                where = [path.name for path, text in everything.items() if line in text]
                assert not where, f"{task.id}: {line}"


OTHER_FORMS = {
    "toronto": ("logsumexp(0) - math.log(samples)", "images[..., TOP", "images[..., BOTTOM"),
    "cambridge": ("logsumexp(0) - math.log(samples)", "log-mean-exp", "- q.log_density(z)"),
}


@pytest.mark.parametrize("found", ALL, ids=by_page)
def test_no_other_form_of_an_answer_goes_with_the_package(found, student):
    inside = "\n".join(texts(student / found.name / "src").values())
    assert "Example:" not in inside  # what functions give
    for form in OTHER_FORMS.get(found.name, ()):
        assert form not in inside
    assert not [p for p in (student / found.name).rglob("*") if p.name in ("tests", ".git")]
    assert "MISTAKES" not in "\n".join(texts(student / found.name).values())


def test_the_elbo_cannot_be_had_from_other_functions_of_torontos_package(student):
    text = (student / "toronto/src/probnn/inference/likelihood.py").read_text()
    for name in ("log_weights", "log_marginal"):
        assert f"probnn.inference.likelihood.{name} is not in this edition" in text


@pytest.mark.slow
def test_the_package_names_the_page_of_what_is_missing(student):
    code = "import torch, probnn; probnn.log_normal(torch.zeros(1))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(student / "toronto/src"), "PATH": ""},
        cwd=student,
        capture_output=True,
        text=True,
    )
    last = done.stderr.strip().splitlines()[-1]
    assert last == (
        "NotImplementedError: probnn.densities.log_normal is not written yet: "
        "toronto/1_model.ipynb asks for it, 1 (a)"
    )


def test_training_cells_keep_the_frame_of_the_loop():
    page = exercise.cleared(exercise.exercise(course("cambridge"), "cambridge/c_autoencoder"))
    (cell,) = [c for c in page.cells if c.id == "training-1"]
    *frame, said, stub = cell.source.splitlines()
    assert "resume(" in cell.source and frame[-1] == "        check_interrupted()"
    assert "`history`" in said and stub == "        raise NotImplementedError"


def test_a_gradient_step_within_a_function_keeps_the_functions_frame():
    page = exercise.cleared(exercise.exercise(course("toronto"), "toronto/4_inpainting"))
    (cell,) = [c for c in page.cells if c.id == "fit-posterior"]
    assert "raise NotImplementedError\n            schedule.step()" in cell.source
    assert "autograd.grad" not in cell.source


def test_functions_that_no_page_needs_are_found_by_what_code_mentions():
    modules = {"a": "def f(): g()\n\ndef g(): pass\n\ndef h(): pass", "b": "def k(): pass"}
    assert copying.unused_names(modules, {"f"}, ("b",)) == {"a.h"}


@pytest.mark.parametrize("found", ALL, ids=by_page)
def test_the_marking_scheme_has_every_part_and_a_number_for_each_usual_mistake(found):
    text = scheme.for_instructors(found)
    assert f"{found.points:g} points" in text
    assert all(f"`{task.name}`" in text for task in found.tasks)
    assert all(question.full in text for question in found.questions)
    for _, mistake in gallery.of_course(found):
        assert f"**{mistake.title}**" in text and f"**{mistake.value_wrong}**" in text


def test_the_examples_of_the_course_tools_give_what_they_say():
    for module in pkgutil.walk_packages(tools.course.__path__, "tools.course."):
        if not module.name.endswith(("__main__", "grading")):
            assert doctest.testmod(importlib.import_module(module.name)).failed == 0, module.name
