"""Writes the executed notebooks as web pages that open from the file system, without a network.

    python -m tools.report            into report/: index.html, and a page for each notebook
    python -m tools.report FOLDER     into FOLDER

Pictures are inside the pages, and mathematics is MathML, which browsers render by themselves. Cells
that only write text show the text, without its source. Nothing is executed.
"""

from __future__ import annotations

import argparse
import html
import re
import shutil
import sys
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
from jinja2 import pass_context
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from probnn.runtime import write_whole
from tools.pages import NOTEBOOKS, displays_text

COURSES = {
    "cambridge": "Cambridge: probabilistic neural networks",
    "toronto": "Toronto: a variational autoencoder",
    "oslo": "Oslo: unsupervised learning",
    "autoencoder-2d": "A 2-D autoencoder",
}

PAGE = """{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block extra_css -%}<style>
main { max-width: 1100px; margin: 0 auto; }
.deeper > summary {
  cursor: pointer; font: bold 1.3em sans-serif; margin: 1em 70px; }
.back { display: block; padding: 12px 70px; font-family: sans-serif; }
</style>{%- endblock -%}
{%- block input_group -%}{%- if not only_writes(cell.source) -%}
{{ super() }}
{%- endif -%}{%- endblock -%}
{%- block any_cell -%}
{%- if is_appendix(cell) -%}<details class="deeper"><summary>Going deeper</summary>{%- endif -%}
{{ super() }}
{%- endblock -%}
{%- block body_footer -%}
{%- if nb.cells | select("appendix") | list -%}</details>{%- endif -%}
{{ super() }}
{%- endblock -%}
{%- block body_header -%}
{{ super() }}<a class="back" href="index.html">All questions</a>
{%- endblock -%}
"""

INDEX = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>probnn</title>
<style>
body {{ font: 16px/1.5 sans-serif; max-width: 1000px; margin: 2em auto; padding: 0 1em; }}
body {{ color: #222; }}
article {{ display: grid; grid-template-columns: 1fr 320px; gap: 1.5em; padding: 1.2em 0; }}
article {{ border-top: 1px solid #ddd; }}
article img {{ width: 100%; }}
h2 {{ margin-top: 2em; }} h3 {{ margin: 0; }} p {{ margin: .4em 0; }}
@media (max-width: 700px) {{ article {{ grid-template-columns: 1fr; }} }}
</style></head><body>
<h1>probnn</h1>
<p>Worked, runnable coursework on probabilistic neural networks.
Every page is a notebook, with the outputs of its last execution.</p>
{entries}
</body></html>
"""

ENTRY = """<article><div><h3><a href="{page}">{title}</a></h3>{question}{answer}</div>
<a href="{page}"><img src="data:image/png;base64,{figure}" alt="A figure of {title}"></a></article>
"""


class MathMLRenderer(IPythonRenderer):
    """Renders the mathematics of a Markdown cell as MathML."""

    def inline_math(self, body: str) -> str:
        return convert(body)

    def block_math(self, body: str) -> str:
        return convert(body, display="block")


def to_html(markdown: str) -> str:
    """Markdown with mathematics, as HTML with MathML."""
    return MarkdownWithMath(
        renderer=MathMLRenderer(escape=False, exclude_anchor_links=True)
    ).render(markdown)


class PageExporter(HTMLExporter):
    """Pages that load nothing: no scripts, MathML instead of MathJax."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(raw_template=PAGE, **settings)
        self.environment.globals["only_writes"] = only_writes
        self.environment.globals["is_appendix"] = is_appendix
        self.environment.tests["appendix"] = is_appendix

    @pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        renderer = MathMLRenderer(escape=False, anchor_link_text="¶")
        return MarkdownWithMath(renderer=renderer).render(source)


def only_writes(source: str) -> bool:
    """Whether a cell only writes text, so that its source would say the same twice."""
    return displays_text(source) or "answer.update(" in source


def is_appendix(cell: nbformat.NotebookNode) -> bool:
    """Whether a cell begins the part that is closed at first, to the end of the page."""
    return cell.cell_type == "markdown" and cell.source.startswith("## Going deeper")


class Summary(NamedTuple):
    """What the index says of a page: question and answer are Markdown, the figure a base64 PNG."""

    title: str
    question: str
    answer: str
    figure: str


def summary(notebook: nbformat.NotebookNode) -> Summary:
    """What the index says, from where every page has it.

    That is the first cell, the display of the answer, and the cell tagged `key` or the first
    figure.

    Raises:
        ValueError: if it has not been executed.
    """
    title, *rest = notebook.cells[0].source.splitlines()
    question = next(line for line in rest if line.startswith("**Question.**"))
    shown = [
        (cell, output.get("data", {}))
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    ]
    paragraphs = [
        paragraph
        for cell in notebook.cells[:2]
        if cell.cell_type == "markdown"
        for paragraph in cell.source.split("\n\n")
    ]
    written = [text for text in paragraphs if text.startswith("**Answer.**")]
    answers = written + [
        data["text/markdown"]
        for _, data in shown
        if data.get("text/markdown", "").strip().startswith("**Answer.**")
    ]
    figures = [(cell, data["image/png"]) for cell, data in shown if "image/png" in data]
    if not (answers and figures):
        raise ValueError(
            f"expected a notebook with its outputs, got {title!r} without: run "
            "'make notebooks' first"
        )
    key = next(
        (figure for cell, figure in figures if "key" in cell.metadata.get("tags", [])),
        figures[0][1],
    )
    return Summary(title.removeprefix("# "), question, answers[0].strip(), key.replace("\n", ""))


def page_of(notebook: Path) -> str:
    """The name of a notebook's page."""
    return f"{notebook.resolve().parent.name}_{notebook.stem}.html"


def with_links(body: str, folder: Path) -> str:
    """The page with its links to notebooks, relative to its folder, as links to their pages."""

    def link(found: re.Match[str]) -> str:
        return f'href="{page_of(folder / found[1])}'

    return re.sub(r'href="([\w./-]+\.ipynb)(?=["#])', link, body)


def write(folder: Path) -> list[Path]:
    """Writes all pages and the index into the folder; returns the pages."""
    folder.mkdir(parents=True, exist_ok=True)
    exporter, pages, entries = PageExporter(), [], []
    for course, heading in COURSES.items():
        entries.append(f"<h2>{html.escape(heading)}</h2>")
        for path in sorted((NOTEBOOKS / course).glob("*.ipynb")):
            notebook = nbformat.read(path, as_version=4)
            page = folder / page_of(path)
            body, _ = exporter.from_notebook_node(
                notebook, {"metadata": {"name": path.stem, "path": str(path.parent)}}
            )
            write_whole(page, with_links(body, path.parent))
            for animation in path.parent.glob("*.gif"):
                shutil.copy(animation, folder)
            said = summary(notebook)
            entries.append(
                ENTRY.format(
                    page=page.name,
                    title=html.escape(said.title),
                    question=to_html(said.question),
                    answer=to_html(said.answer),
                    figure=said.figure,
                )
            )
            pages.append(page)
    write_whole(folder / "index.html", INDEX.format(entries="\n".join(entries)))
    return pages


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, default=NOTEBOOKS.parent / "report")
    folder = parser.parse_args().folder
    pages = write(folder)
    print(f"{len(pages)} pages written. Open {folder / 'index.html'}", file=sys.stderr)


if __name__ == "__main__":
    main()
