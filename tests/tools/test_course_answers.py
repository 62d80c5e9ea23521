"""Nothing that students see answers a question: checks hold no formula, text no answer, whole."""

import ast
import importlib
import textwrap
from pathlib import Path

import pytest
import torch
from torch import nn

from tools.course import exercise, gallery
from tools.course.marking import grade_id
from tools.course.source import PACKAGE, find
from tools.course.tables import COURSES, course
from tools.course.wording import ABSENT
from tools.pages import code_cells

ALL = [course(name) for name in COURSES]
TASKS = [(found, task) for found in ALL for task in found.tasks]
PAGES = [(found, page) for found in ALL for page in found.pages]
STEPS = ast.BinOp, ast.Call, ast.Compare, ast.Subscript


def formulas(code):
    """The expressions of two steps or more in some code, whatever their variables are called."""
    found = {}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.expr) and sum(isinstance(n, STEPS) for n in ast.walk(node)) >= 2:
            blank = ast.parse(ast.unparse(node))
            for name in ast.walk(blank):
                if isinstance(name, ast.Name):
                    name.id = "_"
            found[ast.unparse(blank)] = ast.unparse(node)
    return found


def test_formulas_are_the_same_by_other_names():
    assert (
        formulas("t * a + (1 - t) * b").keys() == formulas("return_ = s * u + (1 - s) * v").keys()
    )
    assert not formulas("f(x), y[0], a + b") & formulas("f(x) + 1").keys()


@pytest.mark.parametrize("pair", TASKS, ids=lambda pair: f"{pair[0].name}: {pair[1].id}")
def test_no_public_check_holds_a_formula_of_the_solution(pair):
    found, task = pair
    sources = {grade_id(c): c.source for c in exercise.exercise(found, task.page).cells}
    public = exercise.clear(sources[f"check-{task.id}"])
    solution = sources[task.id]
    given = formulas(exercise.clear(solution))  # the frame of a step
    kept = formulas(public).keys() & formulas(solution).keys() - given.keys()
    assert not {formulas(public)[formula] for formula in kept}
    for library in ("torch.distributions", "torch.optim", "functional"):
        assert library not in public
    assert "HIDDEN" not in public and "seed=11" not in public


# cells that answer a question, and words that do
ANSWERED = {
    "toronto/4_inpainting": ("no two pixels", "corrcoef", "narrow", "largest[", "factorise over"),
    "cambridge/b_dips": ("curvature", "small σ(x) pays"),
    "cambridge/e_latent_dimension": ("encoder loses", "encoder gets wrong", "image by image"),
    "cambridge/f_style": ("drawn from the posterior", "KL(q || posterior)"),
    "oslo/2_vae": ("factor of 1", "KL is cheaper"),
}


@pytest.mark.parametrize("page", ANSWERED)
def test_no_cell_that_stays_answers_a_question(page):
    found = course(Path(page).parent.name)
    asked = {f"question-{n}" for n in range(1, 9)}
    cells = exercise.cleared(exercise.exercise(found, page)).cells
    text = "\n".join(cell.source for cell in cells if grade_id(cell) not in asked)
    assert [words for words in ANSWERED[page] if words in text] == []


@pytest.mark.parametrize("pair", PAGES, ids=lambda pair: pair[1])
def test_the_text_that_stays_is_whole_and_of_what_is_there(pair):
    cells = exercise.cleared(exercise.exercise(*pair)).cells
    for cell in cells:
        assert cell.source.strip("* \n"), cell.id
        if cell.cell_type == "markdown":
            first, *rest = cell.source.splitlines()
            assert not first.startswith("#") or (len(first) <= 90 and not "".join(rest[:1]))
    text = "\n".join(cell.source for cell in cells)
    for absent in ("`says`", "shipped checkpoint", "finished run", "typed numbers", "`_Flatten`"):
        assert absent not in text
    assert not any("says(" in cell.source for cell in code_cells(exercise.exercise(*pair)))


def test_every_word_that_is_replaced_is_still_somewhere():
    inside = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    pages = {page: exercise.read(page) for _, page in PAGES}
    everywhere = "\n".join(c.source for page in pages.values() for c in page.cells)
    assert [old for old in ABSENT if old not in everywhere] == []
    for old, new in ABSENT.items():
        everywhere = everywhere.replace(old, new)
    for found in ALL:
        assert [old for old in found.reworded if old not in inside + everywhere] == []


def least_pixel(names):
    torch.manual_seed(0)
    model = nn.Module()
    names["__init__"](model, 2)
    return model.decoder(torch.randn(100, 2)).min().item()


def ink_of_ones(names):
    torch.manual_seed(0)
    images, labels = names["sample_train"](2000, return_labels=True)
    return images[labels == 1].mean().item()


SHOWN_BY = {"least_pixel()": least_pixel, "ink_of_ones()": ink_of_ones}


def test_the_courses_own_mistakes_give_the_numbers_that_they_say():
    own = [m for m in gallery.mistakes() if f"### {m.title}\n" in gallery.OWN.read_text()]
    assert {m.shown_by for m in own} == set(SHOWN_BY)
    for mistake in own:
        for written, said in (
            (find(mistake.name), mistake.value_right),
            (mistake.wrong, mistake.value_wrong),
        ):
            names = dict(vars(importlib.import_module(written.module)))
            signature = f"def {written.node.name}({written.signature}):\n"
            exec(signature + textwrap.indent(written.body, "    "), names)
            assert f"{SHOWN_BY[mistake.shown_by](names):.2g}" == said
