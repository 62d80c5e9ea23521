"""What makes a page short to execute is put in from outside, whatever a page imports from where."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tools import execute
from tools.anew import Anew, preamble

CODE = """
from probnn import load_mnist
from tools.cut_short import cut_short

cut_short(steps=3, data=50)
import probnn
from probnn.data import load_surnames
from probnn.data.mnist import load_mnist as from_its_module
from probnn.training import enumerate_cycle, resume

cycle = enumerate_cycle([1, 2], epochs=5)
print(resume("x.pt", batches=cycle))
print(len(list(cycle)), cycle.finished, len(list(cycle)))
print(len(load_mnist("test").images), len(probnn.load_mnist("fit").labels))
print(len(from_its_module("test").images), len(load_surnames("fit").names))
"""


def test_loops_end_early_unfinished_and_data_are_few(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", CODE.replace("x.pt", str(tmp_path / "x.pt"))],
        cwd=Path(execute.__file__).parents[1],
        capture_output=True,
        text=True,
    )
    # the name that was imported before is the one that it was
    assert run.stdout.splitlines() == ["starts at epoch 0", "3 False 0", "10000 50", "50 50"]
    assert (tmp_path / "in-progress/x.pt").exists()


def page(*cells):
    """A page of cells with their tags."""
    made = [nbformat.v4.new_code_cell(s, metadata={"tags": tags}) for s, tags in cells]
    return nbformat.v4.new_notebook(cells=made)


TRAINING = """
from probnn.training import enumerate_cycle
steps = len(list(enumerate_cycle([1] * 9, epochs=1)))
"""


@pytest.mark.slow
def test_a_page_cut_short_may_fail_in_what_its_check_asserts_but_in_nothing_else(tmp_path):
    source, target = tmp_path / "page.ipynb", tmp_path / "executed.ipynb"
    cells = [(TRAINING, []), ("assert steps == 9", ["check"]), ("print(steps)", [])]
    nbformat.write(page(*cells), source)
    for cut_short, steps in ((None, "9\n"), (3, "3\n")):
        first = preamble(Anew(), cut_short) if cut_short else ""
        execute.execute(source, target, first, lenient=bool(first))
        executed = nbformat.read(target, as_version=4).cells
        assert [cell.source for cell in executed] == [cell for cell, _ in cells]
        errors = [output.ename for output in executed[1].outputs]
        assert errors == ["AssertionError"] * bool(cut_short)
        assert executed[2].outputs[0].text == steps and executed[1].metadata.tags == ["check"]
    nbformat.write(page(("1 / 0", ["check"])), source)
    with pytest.raises(execute.CellExecutionError, match="ZeroDivisionError"):
        execute.execute(source, target, preamble(Anew(), 3), lenient=True)
    assert nbformat.read(target, as_version=4).cells == executed  # left as it was


def test_a_page_trained_anew_is_kept_if_its_check_fails_and_what_failed_is_told(tmp_path):
    source, target = tmp_path / "page.ipynb", tmp_path / "executed.ipynb"
    cells = [("steps = 9", []), ("assert steps == 8, 'not eight'", ["check"]), ("steps", [])]
    nbformat.write(page(*cells), source)
    result = execute.execute(source, target, lenient=True)
    assert len(result.failed_checks) == 1 and "not eight" in result.failed_checks[0]
    executed = nbformat.read(target, as_version=4).cells
    assert executed[2].outputs[0].data["text/plain"] == "9"
    with pytest.raises(execute.CellExecutionError, match="not eight"):
        execute.execute(source, target)  # as shipped, a check that fails is an error
    nbformat.write(page(("1 / 0", ["check"])), source)
    with pytest.raises(execute.CellExecutionError, match="ZeroDivisionError"):
        execute.execute(source, target, lenient=True)
