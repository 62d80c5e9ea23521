"""The site: whole, without a word from elsewhere, with the mathematics rendered."""

import doctest
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

pytest.importorskip("myst_nb", reason="needs pip install -e '.[site]'")
from tools import explorers, site

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "notebooks").glob("*/*.ipynb"))

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    # ends with an error if Sphinx warns: of a link to nowhere, say
    subprocess.run([sys.executable, "-m", "tools.site", folder], cwd=ROOT, check=True)
    return folder


def html(folder):
    written = (path for path in folder.rglob("*.html") if "_static" not in path.parts)
    return {path: path.read_text() for path in written}


def test_every_page_stands_in_it_and_on_the_first_with_question_answer_and_figure(folder):
    first = (folder / "docs/index.html").read_text()
    for path in PAGES:
        page = path.relative_to(ROOT).with_suffix(".html")
        assert (folder / page).exists() and (folder / f"figures/{path.stem}.png").exists()
        assert f'class="entry" href="../{page}"' in first
    assert first.count("<strong>Question.</strong>") == len(PAGES)
    assert first.count("<strong>Answer.</strong>") == len(PAGES)


def test_nothing_is_loaded_from_elsewhere_and_every_link_within_leads_somewhere(folder):
    for path, text in html(folder).items():
        loaded = re.findall(r'<(?:script|img|iframe)\b[^>]* src="([^"]+)"', text)
        loaded += re.findall(r'<link\b[^>]* href="([^"]+)"', text)
        assert not [url for url in loaded if url.startswith(("http", "//"))], path
        links = [url for url in loaded + re.findall(r'<a\b[^>]* href="([^"]+)"', text)]
        local = [re.split("[?#]", url)[0] for url in links if not re.match(r"\w+:|#", url)]
        assert not [url for url in local if url and not (path.parent / url).exists()], path


def test_no_formula_is_left_as_it_was_written(folder):
    for path, text in html(folder).items():
        words = re.sub(r"<pre>.*?</pre>|<script>.*?</script>", "", text, flags=re.DOTALL)
        assert not re.search(r"\$[^$<>]{1,80}\$|\\frac|\\mathcal", words), path
    assert "<mfrac>" in (folder / "notebooks/cambridge/a_regression.html").read_text()


def test_what_goes_deeper_is_closed_and_set_up_and_checks_are_folded(folder):
    for path in PAGES:
        text = (folder / path.relative_to(ROOT).with_suffix(".html")).read_text()
        cells = nbformat.read(path, as_version=4).cells
        checks = {"setup", "check"}
        folded = sum(bool(site.tags(c) & checks) or "\nsays(" in "\n" + c.source for c in cells)
        assert text.count('<details class="admonition hide') == folded, path
        assert text.count('<details class="deeper">') == text.count('id="going-deeper"'), path


def test_public_functions_are_described_with_what_they_take_and_give(folder):
    text = (folder / "docs/reference/inference.html").read_text()
    assert 'id="probnn.inference.log_marginal"' in text and "Parameters" in text
    assert "(K, B, d)" in text and "Returns" in text
    reference = "".join(map(Path.read_text, (folder / "docs/reference").glob("*.html")))
    for name in ("display.plots.image_grid", "models.networks.convolutional_encoder"):
        assert f'id="probnn.{name}"' in reference
    assert 'id="probnn.models.pixels.pixel_logits"' in reference


def test_with_an_address_pages_open_in_colab_and_binder_from_the_branch_main(tmp_path):
    (tmp_path / "conf.py").write_text(
        "extensions, html_theme, nb_execution_mode = ['myst_nb'], 'sphinx_book_theme', 'off'\n"
        f"html_theme_options = {site.links_to('https://github.com/someone/probnn')}\n"
    )
    cells = [nbformat.v4.new_markdown_cell("# Title")]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(
        nbformat.v4.new_notebook(cells=cells, metadata=metadata), tmp_path / "index.ipynb"
    )
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", tmp_path, tmp_path / "built"]
    subprocess.run(command, check=True)
    text = (tmp_path / "built/index.html").read_text()
    opened = re.findall(r'href="(https://(?:colab|mybinder)[^"?]*)', text)
    assert set(opened) == {
        "https://colab.research.google.com/github/someone/probnn/blob/main/index.ipynb",
        "https://mybinder.org/v2/gh/someone/probnn/main",
    }


def test_its_examples_give_what_they_say():
    tried = doctest.testmod(site)
    assert tried.attempted and not tried.failed


def test_the_plane_is_that_of_the_model_and_the_steps_are_those_of_the_run():
    plane = explorers.plane(side=3)
    assert len(plane["codes"]) == 2 * len(plane["labels"]) and plane["extent"] == 4.0
    steps = explorers.steps()
    assert len(steps["frames"]) == 700 // steps["every"] + 1
    assert all(len(frame) == 2 * len(steps["labels"]) for frame in steps["frames"])


def test_an_unexecuted_page_is_refused():
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell("# Title\n\n**Question.** What?\n\n**Answer.** That.")]
    )
    with pytest.raises(ValueError, match="make notebooks"):
        site.summary(notebook)
