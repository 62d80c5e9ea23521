"""Pages keep the rules of how they are written, and the rules notice when they do not."""

import ast
from pathlib import Path

import nbformat
import pytest

from tools.rules import breaches, loose_numbers, stale_guards

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
PAGES = [str(path.relative_to(NOTEBOOKS)) for path in sorted(NOTEBOOKS.glob("*/*.ipynb"))]

markdown, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell


def read(name):
    return nbformat.read(NOTEBOOKS / name, as_version=4)


@pytest.mark.parametrize("name", PAGES)
def test_the_page_keeps_the_rules(name):
    assert breaches(read(name)) == []


@pytest.mark.parametrize("name", PAGES)
def test_every_result_in_the_text_is_guarded_and_no_guard_is_left_over(name):
    page = read(name)
    assert loose_numbers(page) == [] and stale_guards(page) == []


@pytest.mark.parametrize("name", PAGES)
def test_as_shipped_the_text_says_what_the_run_gave(name):
    printed = [
        line
        for cell in read(name).cells
        for output in cell.get("outputs", [])
        for line in output.get("text", "").splitlines()
    ]
    assert [line for line in printed if line.startswith("The text says:")] == []


@pytest.mark.parametrize("name", PAGES)
def test_another_digit_anywhere_in_a_guarded_sentence_is_noticed(name):
    page = read(name)
    for number, cell in enumerate(page.cells):
        if cell.cell_type != "markdown" or number == 0:
            continue
        for place, character in enumerate(cell.source):
            if not character.isdigit() or not _is_guarded(page, number, place):
                continue
            other = str((int(character) + 1) % 10)
            text = cell.source
            cell.source = text[:place] + other + text[place + 1 :]
            assert stale_guards(page) or loose_numbers(page), text[place - 30 : place + 30]
            cell.source = text


def _is_guarded(page, number, place):
    """Whether a `says` of the page covers this character."""
    source = page.cells[number].source
    for cell in page.cells:
        if cell.cell_type != "code":
            continue
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "says":
                fragment = node.args[0].value
                at = source.find(fragment)
                if at >= 0 and at <= place < at + len(fragment):
                    return True
    return False


def page_of(*cells):
    first = markdown("# A title\n\n**Question.** What is it?")
    return nbformat.v4.new_notebook(cells=[first, *cells])


ANSWER = markdown("**Answer.** It is seven nats.")


@pytest.mark.parametrize(
    "cells, said",
    [
        ([code("x = 1")], "no **Answer.** in the first two cells"),
        ([markdown("**Answer.** " + "word " * 61)], "an answer of 61 words"),
        ([markdown("**Answer.** 1.5, 2.5, 3.5 and 4.5.")], "an answer with 4 numbers"),
        ([ANSWER, markdown("word " * 111)], "[2] a paragraph of 111 words"),
        ([ANSWER, markdown("## Going deeper")], "[2] ## Going deeper is not collapsed"),
        ([ANSWER, code("x = 1\n" * 13)], "[2] 13 lines in one cell"),
        ([ANSWER, code("x = " + "1" * 100)], "[2] a line of 104 characters"),
        (
            [ANSWER, code('says("seven nats", 7)')],
            "[2] says(...) of a number that is typed, not computed",
        ),
        ([ANSWER, code("f = lambda x: x")], "[2] a lambda with a name"),
        ([ANSWER, code("class A:\n    x = 1")], "[2] a class"),
        ([ANSWER, code("x = 1\n" * 6)], "cells of 6 lines, by the median"),
        (
            [ANSWER, code('display(Markdown("text"))')],
            "[2] prose made by code, or names from everywhere",
        ),
        (
            [ANSWER, markdown("It is 1.5 of 2.5 in 3.5.")],
            "1 of 3 sentences hold more than two numbers",
        ),
    ],
)
def test_each_breach_is_noticed(cells, said):
    assert said in breaches(page_of(*cells))


def test_a_page_that_keeps_them_has_none():
    assert breaches(page_of(ANSWER, code("x = 1"), markdown("## So it is\n\nIt is 2.5."))) == []


def test_a_number_is_guarded_by_a_fragment_or_is_a_setting():
    text = markdown("It costs 15 nats of 54,000 images in 2016, and a 4 is a 9 for 30 % of them.")
    assert len(loose_numbers(page_of(ANSWER, text))) == 1
    settings, guards = (
        code("n = 54000"),
        code('says("costs 15 nats", cost)\nsays("for 30 %", share)'),
    )
    assert loose_numbers(page_of(ANSWER, text, settings, guards)) == []
    assert loose_numbers(page_of(ANSWER, text, settings, code('says("costs 15 nats", cost)'))) == [
        f"30 % in: {text.source}"
    ]


def test_a_guard_that_no_sentence_says_is_left_over():
    page = page_of(ANSWER, code('says("costs 15 nats", cost)'))
    assert stale_guards(page) == ["costs 15 nats"]
