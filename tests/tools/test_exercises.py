"""Exercises: questions, set-up and checks stay, answers do not, and names needed are asked for."""

from pathlib import Path

import nbformat
import pytest

from tools import exercises

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAMES = sorted(str(path.relative_to(NOTEBOOKS)) for path in NOTEBOOKS.glob("*/*.ipynb"))


@pytest.fixture(params=NAMES)
def pair(request):
    notebook = nbformat.read(NOTEBOOKS / request.param, as_version=4)
    return notebook, exercises.exercise(notebook)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_question_set_up_and_checks_stay_as_they_are(pair):
    notebook, exercise = pair
    kept = [cell.source for cell in code(notebook) if exercises.stays(cell)]
    assert [cell.source for cell in code(exercise) if exercises.stays(cell)] == kept
    assert sum("check" in exercises.tags(cell) for cell in code(exercise)) == 1
    assert (
        exercise.cells[0].source == notebook.cells[0].source
        and "**Question.**" in exercise.cells[0].source
    )


def test_answers_and_central_commands_are_gone(pair):
    notebook, exercise = pair
    text = "\n".join(cell.source for cell in exercise.cells)
    for cell in code(notebook):
        if not exercises.stays(cell) and "train" not in exercises.tags(cell):
            assert cell.source not in text
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in exercise.cells)
    assert not any(
        ".backward()" in cell.source for cell in code(exercise) if "train" in exercises.tags(cell)
    )
    assert "# Your turn" in text


def test_where_a_page_interprets_the_student_is_asked_to(pair):
    notebook, exercise = pair
    shown = [
        exercises.displays_text(cell.source)
        for cell in code(notebook)
        if not exercises.stays(cell) and "answer" not in exercises.tags(cell)
    ]
    asked = [cell.source == exercises.INTERPRETATION for cell in exercise.cells]
    assert sum(asked) == sum(shown)
    written = [c for c in notebook.cells if c.cell_type == "markdown" and exercises.tags(c)]
    assert sum(shown) or written  # an older page makes its text; a newer one has it, tagged
    assert all("*Your answer" in exercises.questions(cell.source) for cell in written)


def test_every_name_that_stays_in_use_is_defined_or_asked_for(pair):
    _, exercise = pair
    known = exercises.given()
    for cell in code(exercise):
        known |= exercises.announced(nbformat.v4.new_notebook(cells=[cell]))
        if exercises.stays(cell):
            missing = exercises.used(cell.source) - known
            assert not missing, missing
        known |= exercises.defined(cell.source)


def test_training_has_checkpoints_of_its_own(pair):
    _, exercise = pair
    for cell in code(exercise):
        if "train" in exercises.tags(cell):
            assert "check_interrupted()" in cell.source and cell.source.count(
                "resume("
            ) == cell.source.count('"exercises/')
            compile(cell.source, "cell", "exec")


def test_gaps_ask_for_nothing_that_is_there_or_that_nobody_needs(pair):
    _, exercise = pair
    cells, there = code(exercise), set()
    for number, cell in enumerate(cells):
        asked = exercises.announced(nbformat.v4.new_notebook(cells=[cell]))
        needed = set().union(
            *(exercises.used(later.source) for later in cells[number + 1 :]), set()
        )
        assert not asked & there and asked <= needed
        if exercises.stays(cell):
            there |= exercises.defined(cell.source)


def test_an_untouched_training_cell_trains_nothing(pair):
    for cell in code(pair[1]):
        if "train" in exercises.tags(cell):
            assert cell.source.startswith("raise NotImplementedError(")


def test_names_are_those_of_the_cell_not_of_its_functions():
    source = "import a\nb = [c + d for c in e]\nf = lambda g: g + h\nfor i in b: pass"
    assert exercises.defined(source) == {"a", "b", "f", "i"} and exercises.used(source) == {
        "d",
        "e",
        "h",
    }


def test_what_was_filled_in_is_kept(tmp_path, capsys):
    first = exercises.write(tmp_path)
    first[0].write_text("filled in")
    assert exercises.write(tmp_path) == [] and first[0].read_text() == "filled in"
    assert f"kept: {first[0]}" in capsys.readouterr().err
    assert (
        len(exercises.write(tmp_path, replace=True)) == len(first)
        and first[0].read_text() != "filled in"
    )


def test_questions_inside_answers_stay():
    kept = exercises.questions(
        "## True or false?\n\n**(a) Is it? True**, because. **(b) Is $x$ not? False.**"
    )
    assert (
        kept.startswith("## True or false?\n\n**(a) Is it?**\n\n**(b) Is $x$ not?**")
        and "because" not in kept
    )


def test_the_files_are_written_with_what_they_read(tmp_path):
    written = exercises.write(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in written] == NAMES
    assert (tmp_path / "matplotlibrc").exists() and (tmp_path / "oslo/all_70000.npy").exists()
    for path in written:
        nbformat.validate(nbformat.read(path, as_version=4))
