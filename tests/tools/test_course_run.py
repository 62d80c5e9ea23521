"""A page of the students' edition, filled in and run to its end as a student would run it."""

import os
import shutil

import nbformat
import pytest
from nbclient import NotebookClient

from tools.course import editions, exercise
from tools.course.tables import course
from tools.pages import NOTEBOOKS, ROOT

pytestmark = pytest.mark.slow


def test_toronto_1_with_its_solutions_runs_to_its_end_on_the_students_package(tmp_path):
    toronto, folder = course("toronto"), tmp_path / "notebooks/toronto"
    editions.package(toronto, tmp_path / "src/probnn")
    folder.mkdir(parents=True)
    shutil.copy(NOTEBOOKS / "matplotlibrc", folder.parent)
    shutil.copytree(ROOT / "checkpoints/toronto", tmp_path / "checkpoints/toronto")
    for page in ("toronto/1_model", "toronto/2_training"):  # the first uses what the second asks
        filled = exercise.exercise(toronto, page)
        for cell in filled.cells:
            cell.source = exercise.clear(cell.source) if "check-" in cell.id else cell.source
        editions.write(tmp_path / f"notebooks/{page}.ipynb", filled)
    first = nbformat.read(folder / "1_model.ipynb", as_version=4)
    where = "import probnn\nprint(probnn.__file__)"
    first.cells.insert(0, nbformat.v4.new_code_cell(where))
    environment = os.environ | {
        "PYTHONPATH": str(tmp_path / "src"),
        "PROBNN_DATA": str(ROOT / "data"),
        "PROBNN_CHECKPOINTS": str(tmp_path / "checkpoints"),
        "PROBNN_HEADLESS": "1",
    }
    client = NotebookClient(first, timeout=300, resources={"metadata": {"path": str(folder)}})
    client.execute(env=environment)
    assert first.cells[0].outputs[0].text.startswith(str(tmp_path))
    passed = [o.get("text", "") for c in first.cells for o in c.get("outputs", [])]
    tasks = [task for task in toronto.tasks if task.page == "toronto/1_model"]
    assert "".join(passed).count("the public check is passed") == len(tasks)
