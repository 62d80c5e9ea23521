"""Every page runs from a fresh kernel, twice.

Once from the shipped checkpoints, and once with everything trained, cut short, on another device.
"""

import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from jupyter_core.utils import ensure_event_loop

from tools import execute
from tools.anew import Anew, preamble

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
# one thread, and the instructions of older processors: sums are made in another order
OTHER_ROUNDING = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "AVX2",
}
NAMES = sorted(str(path.relative_to(NOTEBOOKS)) for path in NOTEBOOKS.glob("*/*.ipynb"))


def outputs(path):
    notebook = nbformat.read(path, as_version=4)
    return [
        output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs
    ]


def few_steps(name):
    """Steps after which the trainings of a page are cut short: more where a step costs nothing."""
    return 300 if name.startswith(("cambridge/a", "oslo/3")) else 30


def side_by_side(folder, settings, steps=lambda name: None):
    """Executes all pages into the folder, two at a time with one thread each.

    In their order where later questions use what earlier ones trained. Returns what each raised.
    """
    raised = {}

    def in_order(names):
        for name in names:
            try:
                first = preamble(Anew(), steps(name)) if steps(name) else ""
                execute.execute(NOTEBOOKS / name, folder / name, first, lenient=bool(first))
            except BaseException as error:
                raised[name] = error
        ensure_event_loop().close()

    # the longest first
    starts = ("toronto", "cambridge", "oslo/1", "oslo/2", "oslo/3", "autoencoder-2d")
    chains = [[name for name in NAMES if name.startswith(start)] for start in starts]
    assert sorted(sum(chains, [])) == NAMES
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        for setting, value in {"OMP_NUM_THREADS": "1", **settings}.items():
            patch.setenv(setting, value)
        patch.delenv("MPLBACKEND", raising=False)  # figures are drawn, as in JupyterLab
        list(pool.map(in_order, chains))
    return raised


@pytest.fixture(scope="module")
def from_shipped(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shipped")
    shutil.copytree(
        NOTEBOOKS.parent / "checkpoints",
        folder / "checkpoints",
        ignore=shutil.ignore_patterns("in-progress"),
    )
    for name in NAMES:  # the pages that an execution in place finds
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(NOTEBOOKS / name, folder / name)
    settings = {"PROBNN_CHECKPOINTS": str(folder / "checkpoints"), **OTHER_ROUNDING}
    return folder, side_by_side(folder, settings)


@pytest.mark.notebook
@pytest.mark.parametrize("name", NAMES)
def test_it_runs_from_the_shipped_checkpoints_without_training(name, from_shipped):
    folder, raised = from_shipped
    if name in raised:
        raise raised[name]
    said = "".join(o.text for o in outputs(folder / name) if o.output_type == "stream")
    assert "starts at epoch" not in said and "goes on at epoch" not in said
    assert "The text says:" not in said, said


@pytest.mark.notebook
@pytest.mark.parametrize("name", NAMES)
def test_a_processor_that_rounds_differently_leaves_the_page_as_it_is(name, from_shipped):
    executed, committed = (outputs(folder / name) for folder in (from_shipped[0], NOTEBOOKS))
    assert len(executed) == len(committed)
    different = [
        i for i, pair in enumerate(zip(executed, committed, strict=True)) if pair[0] != pair[1]
    ]
    assert not different, [executed[i].get("data", {}).get("text/plain") for i in different]


@pytest.mark.notebook
def test_nothing_is_computed_that_should_have_been_shipped(from_shipped):
    assert not list((from_shipped[0] / "checkpoints").rglob("in-progress/*"))


@pytest.fixture(scope="module")
def cut_short(tmp_path_factory, pretended):
    folder = tmp_path_factory.mktemp("empty")
    settings = {"PROBNN_CHECKPOINTS": str(folder / "checkpoints"), **pretended}
    return side_by_side(folder, settings, few_steps)


@pytest.mark.notebook
@pytest.mark.parametrize("name", NAMES)
def test_it_runs_with_every_training_cell_executed_and_on_the_device_that_is_set(name, cut_short):
    if name in cut_short:
        raise cut_short[name]


@pytest.mark.parametrize("name", NAMES)
def test_its_committed_outputs_are_whole(name):
    notebook = json.loads((NOTEBOOKS / name).read_text())
    cells = [c for c in notebook["cells"] if c["cell_type"] == "code"]
    assert [c["execution_count"] for c in cells] == list(range(1, len(cells) + 1))
    shown = [o for c in cells for o in c["outputs"]]
    assert any("image/png" in o.get("data", {}) for o in shown)
    assert not any(o["output_type"] == "error" or o.get("name") == "stderr" for o in shown)
    assert (NOTEBOOKS / name).stat().st_size < 1_000_000


def test_the_command_names_what_it_cannot_find(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["execute.py", "cambridge/nothing*"])
    with pytest.raises(SystemExit):
        execute.main()
    assert "which match none" in capsys.readouterr().err


def test_a_notebook_that_fails_is_left_unchanged(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")])
    nbformat.write(notebook, tmp_path / "x.ipynb")
    before = (tmp_path / "x.ipynb").read_bytes()
    with pytest.raises(execute.CellExecutionError, match="ZeroDivisionError"):
        execute.execute(tmp_path / "x.ipynb", tmp_path / "x.ipynb")
    assert (tmp_path / "x.ipynb").read_bytes() == before


def test_files_that_notebooks_link_to_are_there_and_animations_are_small():
    for path in NOTEBOOKS.glob("*/*.ipynb"):
        for name in re.findall(
            r"\]\(([\w.-]+\.(?:gif|png|ipynb|md))\)",
            "".join(str(c["source"]) for c in nbformat.read(path, as_version=4).cells),
        ):
            assert (path.parent / name).exists(), f"{path.name} links to {name}"
    animations = list(NOTEBOOKS.glob("*/*.gif"))
    assert {a.name for a in animations} == {
        "tsne_sgd.gif",
        "tsne_adam.gif",
        "tsne_perplexity30.gif",
    }
    assert all(a.stat().st_size < 1_500_000 for a in animations)
