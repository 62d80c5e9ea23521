"""Training everything from scratch: in what order, from which seeds, kept and compared."""

import ast
import json
import re
import subprocess
import sys

import nbformat
import pytest

from tools import comparison, train
from tools.anew import Anew
from tools.pages import NOTEBOOKS, ROOT, code_cells

PAGES = {str(p.relative_to(NOTEBOOKS).with_suffix("")): p for p in NOTEBOOKS.glob("*/*.ipynb")}


def files(name, *functions):
    """Checkpoints that a page names in calls of these functions, as they stand in its code."""
    code = "\n".join(c.source for c in code_cells(nbformat.read(PAGES[name], as_version=4)))
    return re.findall(rf"\b(?:{'|'.join(functions)})\(\s*\"([\w-]+/[^\"]+\.pt)\"", code)


def test_a_page_that_reads_what_another_made_waits_for_it():
    made = {path: name for name in PAGES for path in files(name, "resume", "stored")}
    reads = {(name, path) for name in PAGES for path in files(name, "load")}
    waits = {name: made[path] for name, path in reads if made.get(path, name) != name}
    # (b) reads files that (a) names by a table
    assert waits | {"cambridge/b_dips": "cambridge/a_regression"} == train.READS


def test_every_page_named_here_is_a_page_and_its_result_is_among_its_guarded_numbers():
    for prefix in (*train.FIRST, *train.IN_BFLOAT16):
        assert any(name.startswith(prefix) for name in PAGES), prefix
    assert set(comparison.RESULTS) == set(PAGES)
    for name, (words, _) in comparison.RESULTS.items():
        cells = code_cells(nbformat.read(PAGES[name], as_version=4))
        assert any(f'says("{words}", ' in cell.source for cell in cells), (name, words)


def test_trainings_run_several_at_once_and_each_after_what_it_reads(tmp_path, monkeypatch, capsys):
    begun = []

    def instead(name, folder, how, cut_short):
        begun.append((name, how.bfloat16))
        assert train.READS.get(name) in {None, *done}, "it did not wait"
        done.add(name)
        return {"numbers": {}, "seconds": 1.0, "peak": None, "failed_checks": []}

    done = set()
    monkeypatch.setattr(train, "train", instead)
    records = train.train_all(list(PAGES.values()), tmp_path, 3, 0, True, 0)
    assert list(records) == sorted(PAGES) and len(begun) == len(PAGES)
    assert {name for name, reduced in begun if reduced} == {
        name for name in PAGES if name.startswith(train.IN_BFLOAT16)
    }
    assert f"[{len(PAGES)}/{len(PAGES)}]" in capsys.readouterr().err


@pytest.mark.slow
def test_a_page_is_trained_once_recorded_and_trained_again_if_its_code_changes(
    tmp_path, monkeypatch
):
    source = tmp_path / "notebooks/course/page.ipynb"
    source.parent.mkdir(parents=True)
    cell = nbformat.v4.new_code_cell

    def write(number):
        cells = [
            cell("import torch\nfrom probnn.display import says\ntorch.manual_seed(0)"),
            cell(f"drawn = torch.rand(()).item()\nsays('about {number}', drawn)"),
            cell("assert drawn > 2, 'no number above two'"),
            cell("drawn"),
            cell("from probnn.display import animate"),
            cell("animate([torch.rand(3, 2)] * 2, torch.arange(3), 'moved.gif');"),
        ]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), source)

    monkeypatch.setattr(train, "NOTEBOOKS", tmp_path / "notebooks")
    folder, found = tmp_path / "run", {}
    for number, seed, expected in ((0.5, 0, False), (0.5, 0, True), (0.5, 1, False), (7, 1, False)):
        write(number)
        record = train.train("course/page", folder, Anew(seed), 0)
        assert bool(record.get("before")) is expected
        assert len(record["failed_checks"]) == 1 and "above two" in record["failed_checks"][0]
        assert "\x1b" not in record["failed_checks"][0]
        found[number, seed] = record["numbers"]
    import torch

    torch.manual_seed(0)
    assert found[0.5, 0] == {"about 0.5": torch.rand(()).item()}
    torch.manual_seed(1000)
    assert found[7, 1] == {"about 7": torch.rand(()).item()} and found[0.5, 1]["about 0.5"] != 0
    executed = code_cells(nbformat.read(folder / "course/page.ipynb", as_version=4))
    assert [c.execution_count for c in executed] == [1, 2, 3, 4, 5, 6]
    assert executed[3].outputs[0].execution_count == 4 and "tags" not in executed[2].metadata
    assert not list(folder.glob("course/*.numbers"))
    # beside what was trained, not beside the page: that has the shipped training's
    assert (folder / "course/moved.gif").exists() and not list(source.parent.glob("*.gif"))
    nbformat.write(nbformat.v4.new_notebook(cells=[cell("1 / 0")]), source)
    assert "ZeroDivisionError" in train.train("course/page", folder, Anew(), 0)["error"]


CODE = """
import torch
from probnn.models import BernoulliImageGenerator, GaussianEncoder
from probnn.training import enumerate_cycle, resume, stored
import tools.anew as anew
import probnn.training, probnn.runtime.precision as precision

precision.has_bfloat16 = lambda device: True
anew.apply(anew.Anew(bfloat16=True, stored_in_bfloat16=True))
from probnn.training import resume, stored

model = GaussianEncoder(BernoulliImageGenerator(d=4))
kinds = lambda: {type(m).__name__ for m in (model.f.f, model.g, model.g[0], model.f.f[0])}
print(sorted(kinds()))
batches = enumerate_cycle([1, 2], epochs=1)
resume("PATH.pt", model=model, batches=batches)
for _ in batches:
    print(sorted(kinds()))
    break
print(sorted(kinds()))
print(sorted(stored("PATH_2.pt", lambda: print(sorted(kinds())) or {}, models=[model])))
print(sorted(kinds()))
"""


def test_bfloat16_is_for_training_loops_and_stored_results_and_ends_with_them(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", CODE.replace("PATH", str(tmp_path / "x"))],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert not run.stderr, run.stderr
    whole, reduced = ["Conv2d", "Linear", "Sequential"], ["Conv2d", "_InBfloat16", "_InFloat32"]
    lines = [ast.literal_eval(line) for line in run.stdout.splitlines()]
    assert lines == [whole, reduced, whole, reduced, [], whole]


def test_a_number_is_compared_with_those_of_other_seeds(monkeypatch, tmp_path):
    kept = tmp_path / "seeds.json"
    monkeypatch.setattr(comparison, "SEEDS", kept)
    monkeypatch.setattr(comparison, "RESULTS", {"a/b": ("is 1.0", "nats")})
    record = {"numbers": {"is 1.0": 1.1, "is 2": 9.0, "new": 3.0}, "seconds": 60.0, "peak": 1.0}
    record["failed_checks"] = []
    for n, value in enumerate((1.0, 1.2, 0.9, 1.1)):
        (tmp_path / f"{n}/a").mkdir(parents=True)
        numbers = json.dumps({"numbers": {"is 1.0": value, "is 2": 2.0 + value}})
        (tmp_path / f"{n}/a/b.json").write_text(numbers)
    monkeypatch.setattr(sys, "argv", ["comparison", *(str(tmp_path / str(n)) for n in range(4))])
    comparison.main()
    assert json.loads(kept.read_text())["a/b"]["is 1.0"] == [1.0, 1.2, 0.9, 1.1]
    compared = comparison.compare("a/b", record)
    assert compared["outside"] == ["is 2"] and "2 of 3 numbers" in compared["told"]
    told = comparison.table({"a/b": compared}, 90.0)
    assert "1.1 nats (1, 0.9 to 1.2)" in told and "1.5 minutes" in told
    assert comparison.compare("a/b", {"error": "x", "seconds": 1.0})["told"] == "FAILED"


def test_the_interval_holds_as_often_as_it_says():
    import numpy as np

    drawn = np.random.default_rng(0).normal(size=(4000, 5))
    held = [comparison.fits(row[0], row[1:].tolist()) for row in drawn]
    assert 0.997 < np.mean(held) < 1  # 0.999


# what pages say of trainings from other seeds: page, its words, what is known, and what that is
OF_OTHER_SEEDS = [
    (
        "cambridge/e_latent_dimension",
        "in one of three other pairs of starts they gained",
        "even lose, by 1.6 nats",
        lambda found: sum(lost < 0 for lost in found) == 1 and len(found) == 3,
    ),
    (
        "docs/faq.md",
        "five others ended lower, by up to nine nats",
        "reaches -129.7 nats",
        lambda found: len(found) == 5 and max(found) < -129.8 and 8.5 < -129.7 - min(found) < 9.05,
    ),
    (
        "autoencoder-2d/autoencoder_2d",
        "three more trainings drew nine digits from $N(0, 1)$",
        "where five digits live",
        lambda found: found[:3] == [9, 9, 9],
    ),
    (
        "oslo/2_vae",
        "four were better with $\\beta = 1$ and one worse",
        "is 1.87 nats lower | 1.76 nats worse",
        lambda kl, loglik: (
            [gained > lost for gained, lost in zip(kl, loglik, strict=True)].count(True) == 4
            and len(kl) == 5
        ),
    ),
]


@pytest.mark.parametrize("name, said, words, holds", OF_OTHER_SEEDS)
def test_what_a_page_says_of_other_seeds_is_what_they_gave(name, said, words, holds):
    if name in PAGES:
        cells = nbformat.read(PAGES[name], as_version=4).cells
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    else:
        text = (ROOT / name).read_text(encoding="utf-8")
    assert said in text
    pages = comparison.known_numbers().values()
    known = [next(page[w] for page in pages if w in page)[1:] for w in words.split(" | ")]
    assert holds(*known), known
