"""The web pages: whole, self-contained, with the mathematics rendered."""

import re
from pathlib import Path

import nbformat
import pytest

from tools import report

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    report.write(folder)
    return folder


def test_every_notebook_has_a_page_and_an_entry_with_question_answer_and_figure(folder):
    index = (folder / "index.html").read_text()
    names = sorted(f"{path.parent.name}_{path.stem}.html" for path in NOTEBOOKS.glob("*/*.ipynb"))
    assert sorted(path.name for path in folder.glob("*.html")) == sorted([*names, "index.html"])
    for entry in re.findall("<article>.*?</article>", index, re.DOTALL):
        assert (
            "Question." in entry and "Answer." in entry and 'src="data:image/png;base64,' in entry
        )
    assert all(index.count(f'href="{name}"') == 2 for name in names)


def test_pages_load_nothing_from_elsewhere(folder):
    for page in folder.glob("*.html"):
        text = page.read_text()
        assert "<script" not in text and "<link" not in text and "@import" not in text
        assert not re.search(r'<img[^>]* src="(?!data:)', text), page.name
        local = re.findall(r'<a[^>]* href="(?!https?:|#)([^"#]+)', text)
        assert all((folder / name).exists() for name in local), (
            page.name,
            [name for name in local if not (folder / name).exists()],
        )


def test_no_formula_is_left_as_it_was_written(folder):
    for page in folder.glob("*.html"):
        text = re.sub(
            r'<div class="[^"]*highlight.*?</pre></div>', "", page.read_text(), flags=re.DOTALL
        )  # dollars in code are code
        text = re.sub(r"data:image/[^\"]*", "", text)
        assert not re.search(r"\$[^$<>]{1,80}\$", text), (
            page.name,
            re.search(r"\$[^$<>]{1,80}\$", text).group(),
        )
        assert "\\frac" not in text and "\\mathcal" not in text, page.name


def test_formulas_become_mathml():
    assert "<mfrac>" in report.to_html("the value $\\frac{1}{2}$ is")
    assert 'display="block"' in report.to_html("$$\\operatorname{E}_q \\log p(x \\mid z)$$")


def test_a_notebook_without_outputs_is_a_clear_error():
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell("# Title\n\n**Question.** Why?"),
            nbformat.v4.new_code_cell("1"),
        ]
    )
    with pytest.raises(
        ValueError, match="expected a notebook with its outputs, got '# Title' without: run"
    ):
        report.summary(notebook)


def test_what_goes_deeper_is_closed_at_first_and_the_answer_is_the_texts(tmp_path):
    markdown, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    picture = nbformat.v4.new_output("display_data", {"image/png": "iVBORw0KGgo="})
    cells = [
        markdown("# A title\n\n**Question.** What?\n\n**Answer.** Seven nats."),
        code("f()", outputs=[picture], execution_count=1),
        markdown("## Going deeper\n\nMore."),
        markdown("### Still more"),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    assert report.summary(notebook).answer == "**Answer.** Seven nats."
    body, _ = report.PageExporter().from_notebook_node(notebook)
    deeper = re.search(r"<details class=\"deeper\">.*</details>", body, re.DOTALL).group()
    assert body.count("<details") == 1 and "Still more" in deeper and "Seven" not in deeper
    notebook.cells = notebook.cells[:2]
    assert "<details" not in report.PageExporter().from_notebook_node(notebook)[0]
