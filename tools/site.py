"""Builds the site: every page, its answer, the reference and the mistakes, with Sphinx and MyST-NB.

    python -m tools.site            into site/: open site/index.html
    python -m tools.site FOLDER     into FOLDER

It opens from the file system without a network, its search and mathematics included, and executes
no page: it shows the outputs that they hold. `docs/conf.py` says how Sphinx is set up.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import re
import shutil
import sys
import tempfile
from importlib.metadata import metadata
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
from docutils import nodes
from latex2mathml.converter import convert
from PIL import Image

from probnn.runtime import write_whole
from tools.pages import NOTEBOOKS, ROOT, tags

__all__ = ["Summary", "build", "links_to", "repository", "summary"]

FOLDED = {"setup": "hide-cell", "check": "hide-input"}


class Summary(NamedTuple):
    """What the first page says of a page: question and answer are Markdown, the figure a PNG."""

    title: str
    question: str
    answer: str
    figure: bytes


def summary(notebook: nbformat.NotebookNode) -> Summary:
    """Title, question, answer, and the figure tagged `key` or the first one.

    Raises:
        ValueError: if it has not been executed.
    """
    title, *rest = notebook.cells[0].source.splitlines()
    question = next(line for line in rest if line.startswith("**Question.**"))
    paragraphs = [
        paragraph
        for cell in notebook.cells[:2]
        if cell.cell_type == "markdown"
        for paragraph in cell.source.split("\n\n")
    ]
    answer = next(text for text in paragraphs if text.startswith("**Answer.**"))
    figures = [
        ("key" not in tags(cell), output.data["image/png"])
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    if not figures:
        raise ValueError(
            f"expected a notebook with its outputs, got {title!r} without: run "
            "'make notebooks' first"
        )
    _, figure = min(figures, key=lambda pair: pair[0])  # of equals the first
    return Summary(title.removeprefix("# "), question, answer, base64.b64decode(figure))


def repository() -> str | None:
    """The repository's address, where `[project.urls]` in `pyproject.toml` names one."""
    for link in metadata("probnn").get_all("Project-URL") or []:
        name, _, address = link.partition(", ")
        if name == "Repository":
            return address
    return None


def links_to(address: str | None) -> dict[str, Any]:
    """The theme's settings for "open in Colab", "open in Binder": none without an address.

    Example:
        >>> links_to(None)
        {}
        >>> links = links_to("https://github.com/someone/probnn")
        >>> links["repository_branch"], sorted(links["launch_buttons"])
        ('main', ['binderhub_url', 'colab_url'])
    """
    if address is None:
        return {}
    return {
        "repository_url": address,
        "repository_branch": "main",
        "use_repository_button": True,
        "launch_buttons": {
            "binderhub_url": "https://mybinder.org",
            "colab_url": "https://colab.research.google.com",
        },
    }


def build(folder: Path) -> None:
    """Writes the site into the folder.

    Raises:
        RuntimeError: if Sphinx warns of anything: a link to nowhere, a formula it cannot read.
    """
    from sphinx.cmd.build import build_main

    with tempfile.TemporaryDirectory() as temporary:
        built = Path(temporary) / "site"
        _draw_thumbnails(built / "figures")
        options = ["-b", "html", "-E", "-q", "-W", "--keep-going", "-c", str(ROOT / "docs")]
        if build_main([*options, "-d", str(Path(temporary) / "doctrees"), str(ROOT), str(built)]):
            raise RuntimeError("expected no warnings from Sphinx, got those above")
        write_whole(built / "index.html", REDIRECT)
        shutil.copytree(built, folder, dirs_exist_ok=True)


def _draw_thumbnails(folder: Path) -> None:
    folder.mkdir(parents=True)
    for path in sorted(NOTEBOOKS.glob("*/*.ipynb")):
        figure = Image.open(io.BytesIO(summary(nbformat.read(path, as_version=4)).figure))
        figure.thumbnail((640, 640))
        figure.convert("RGB").save(folder / f"{path.stem}.png")


REDIRECT = '<!DOCTYPE html><meta http-equiv="refresh" content="0; url=docs/index.html">\n'


def add_entries(app: Any, docname: str, source: list[str]) -> None:
    """Puts a course's questions, answers and figures in the place of `<!-- entries: COURSE -->`."""

    def entries(found: re.Match[str]) -> str:
        return "\n".join(map(_entry, sorted((NOTEBOOKS / found[1]).glob("*.ipynb"))))

    source[0] = re.sub(r"<!-- entries: ([\w-]+) -->", entries, source[0])


def _entry(path: Path) -> str:
    said, page = summary(nbformat.read(path, as_version=4)), path.relative_to(ROOT)
    figure = f"../figures/{path.stem}.png"
    alt = said.title.replace('"', "'")
    return (
        f"### [{said.title}](../{page})\n\n"
        f'<a class="entry" href="../{page.with_suffix(".html")}">'
        f'<img src="{figure}" alt="{alt}"></a>\n\n{said.question}\n\n{said.answer}\n'
    )


def fold_code(app: Any, docname: str, source: list[str]) -> None:
    """Folds the cells that set up, and the code of those that check the page or its text."""
    if not docname.startswith("notebooks/"):
        return
    notebook = nbformat.reads(source[0], as_version=4)
    for cell in notebook.cells:
        folds = [FOLDED[tag] for tag in tags(cell) if tag in FOLDED]
        if cell.cell_type == "code" and re.search(r"^says\(", cell.source, re.M):
            folds.append("hide-input")
        if folds:
            cell.metadata["tags"] = [*tags(cell), folds[0]]
    source[0] = json.dumps(notebook)


def close_appendix(app: Any, doctree: nodes.document, docname: str) -> None:
    """Closes what stands below *Going deeper*, until a reader opens it."""
    for section in list(doctree.findall(nodes.section)):
        if section[0].astext() == "Going deeper":
            opened = '<details class="deeper"><summary>Open</summary>'
            section.insert(1, nodes.raw("", opened, format="html"))
            section.append(nodes.raw("", "</details>", format="html"))


def inline_math(translator: Any, node: nodes.Element) -> None:
    """A formula in a line, as MathML, which browsers render by themselves."""
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def display_math(translator: Any, node: nodes.Element) -> None:
    """A formula of its own, as MathML."""
    formula = convert(node.astext(), display="block")
    translator.body.append(f'<div class="formula">{formula}</div>')  # scrolls where it is too wide
    raise nodes.SkipNode


def skip_fields(
    app: Any, what: str, name: str, thing: Any, skip: bool, options: Any
) -> bool | None:
    """Leaves out the fields of named tuples, of which the docstring of the tuple tells."""
    return True if type(thing).__name__ == "_tuplegetter" else None


def as_rst(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """A docstring as reStructuredText, in which | and * would mean something else."""
    lines[:] = [_escaped(line) for line in lines]


def _escaped(line: str) -> str:
    if line.lstrip().startswith((">>>", "...")):
        return line
    parts = re.split(r"(`[^`]*`)", line)
    return "".join(
        part if part.startswith("`") else re.sub(r"([|*\\])|_(?=\W|$)", r"\\\g<0>", part)
        for part in parts
    )


def main() -> None:
    """What the command does."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "site")
    folder = parser.parse_args().folder
    build(folder)
    print(f"Open {folder / 'index.html'}", file=sys.stderr)


if __name__ == "__main__":
    main()
