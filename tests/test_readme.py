"""What the README and the texts in docs/ say is what the code does."""

import base64
import re
from pathlib import Path

import nbformat
import pytest
import torch

import probnn

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
FILES = (ROOT / "docs/files.md").read_text()
FAQ = (ROOT / "docs/faq.md").read_text()
PAGES = sorted((ROOT / "notebooks").glob("*/*.ipynb"))
NUMBER = re.compile(r"(?<![\w.,])[-+]?\d+(?:,\d{3})*(?:\.\d+)?")

COUNTED = re.compile(
    r"\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|"
    r"(?:twen|thir|for|fif|six|seven|eigh|nine)ty)\b",
    re.IGNORECASE,
)


def code_of(text):
    return re.findall(r"```python\n(.*?)```", text, re.S)


def words_of(page):
    """The text of a page, each result in which is guarded by its check."""
    cells = nbformat.read(page, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def test_its_example_runs_and_the_estimate_lies_above_the_bound(monkeypatch):
    monkeypatch.chdir(ROOT)
    example = next(block for block in code_of(README) if "log_marginal" in block)
    names = {}
    exec(example, names)
    assert names["bound"].shape == names["estimate"].shape == (100,)
    assert names["estimate"].mean() > names["bound"].mean()


@pytest.mark.parametrize("page", ["README.md", "docs/training.md"])
def test_the_two_training_cells_run_as_written(page):
    first, second = (
        block
        for block in code_of((ROOT / page).read_text())
        if "iter_mnist" in block and "resume(" not in block
    )
    names = {}
    exec(first, names)
    names["iter_mnist"].epochs = 0  # the loop itself is tested elsewhere
    exec(second, names)
    assert names["iter_mnist"].finished and isinstance(names["optimizer"], torch.optim.Adam)


def rows():
    return re.findall(r"^\| ([^|]*) \| \[\w+\]\((notebooks/[^)]*)\) \| ([^|]*) \|$", README, re.M)


def test_every_page_has_a_row():
    assert sorted(ROOT / page for _, page, _ in rows()) == PAGES


@pytest.mark.parametrize("question, page, answer", rows())
def test_an_answer_has_fifteen_words_and_at_most_one_number_which_stands_on_its_page(
    question, page, answer
):
    assert len(re.findall(r"[^\W\d]+(?:['-]\w+)*", answer)) <= 15
    assert len(NUMBER.findall(answer)) + len(COUNTED.findall(answer)) <= 1
    for number in NUMBER.findall(answer):
        assert re.search(rf"(?<![\d.]){re.escape(number)}", words_of(ROOT / page))


def test_newcomers_find_the_two_commands_on_the_first_screen_and_the_end_on_the_third():
    lines = README.splitlines()
    assert lines.index("## Two commands") < 15 and len(lines) <= 120


def questions():
    return re.findall(r"^## (.*?)\n\n(.*?)(?=^## |\Z)", FAQ, re.M | re.S)


def test_what_people_ask_is_answered_in_few_lines_with_a_link():
    assert len(questions()) >= 12
    for question, answer in questions():
        assert question.endswith("?") and len(answer.split()) <= 62, question
        assert "](" in answer, question


def linked(answer):
    return [ROOT / "docs" / link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", answer)]


def results_of(page):
    """What a page says of its runs: its guarded phrases; all of it, where nothing is run."""
    if page.suffix != ".ipynb":
        return page.read_text()
    cells = nbformat.read(page, as_version=4).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    return "\n".join(re.findall(r'\bsays\(\s*"([^"]*)"', code))


def test_the_numbers_of_an_answer_stand_where_it_links_to():
    for question, answer in questions():
        pages = linked(answer)
        there = "\n".join(words_of(p) if p.suffix == ".ipynb" else p.read_text() for p in pages)
        plain = re.sub(r"`[^`]*`|\]\([^)]*\)|\$[^$]*\$", "", answer)
        for number in NUMBER.findall(plain):
            assert number in there, f"{number} in {question}"


def test_every_answer_has_a_number_of_ours():
    for question, answer in questions():
        plain = re.sub(r"`[^`]*`|\[[^]]*\]\([^)]*\)|\$[^$]*\$", "", answer)
        ours = {n for page in linked(answer) for n in NUMBER.findall(results_of(page))}
        assert ours & set(NUMBER.findall(plain)), question  # the number of pixels is not ours


def test_every_folder_is_in_the_map():
    for path in (ROOT / "src/probnn").glob("[a-z]*"):
        if path.suffix == ".py" or (path / "__init__.py").exists():
            assert f"| `{path.name}{'/' * path.is_dir()}` |" in FILES


def test_the_number_of_names_that_the_star_gives_is_right():
    assert f"gives the {len(probnn.__all__)} names" in FILES


def test_every_checkpoint_loads_and_is_in_the_list_of_checkpoints():
    listed = (ROOT / "checkpoints/README.md").read_text()
    for path in (ROOT / "checkpoints").glob("*/*.pt"):
        parts = probnn.load(path)
        assert "optimizer" not in parts and path.name in listed
        assert all(
            t.isfinite().all()
            for t in parts.get("model", {}).values()
            if isinstance(t, torch.Tensor)
        )


def test_its_figure_is_the_notebooks():
    cells = nbformat.read(ROOT / "notebooks/toronto/3_exploring.ipynb", as_version=4).cells
    figure = next(
        output.data["image/png"]
        for cell in cells
        if "key" in cell.metadata.get("tags", [])
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    )
    assert base64.b64decode(figure) == (ROOT / "notebooks/toronto/3_exploring.png").read_bytes()
    assert "](notebooks/toronto/3_exploring.png)" in README


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CONTRIBUTING.md",
        "checkpoints/README.md",
        "benchmarks/README.md",
        "data/README.md",
        "tests/MISTAKES.md",
        *(str(page.relative_to(ROOT)) for page in sorted((ROOT / "docs").rglob("*.md"))),
    ],
)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / page).read_text()):
        assert "{" in target or ((ROOT / page).parent / target).exists(), target


def test_the_number_of_mistakes_is_that_of_the_gallery():
    mistakes = (ROOT / "tests/MISTAKES.md").read_text().count("```diff")
    assert f"[{mistakes} mistakes](tests/MISTAKES.md)" in README


def test_every_command_of_the_makefile_is_explained():
    targets = re.search(r"\.PHONY: (.*)", (ROOT / "Makefile").read_text()).group(1).split()
    assert all(f"make {target}" in README + FILES for target in targets)
