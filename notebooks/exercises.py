"""Writes every notebook as an exercise: questions, set-up and checks stay, answers and central commands are taken out.

    python notebooks/exercises.py            into exercises/
    python notebooks/exercises.py FOLDER     into FOLDER

What is taken out is told by the cells' tags: `setup`, `scaffold` and `check` stay, of `train` the frame of the loop stays, everything else
in code is the student's turn. A Markdown cell tagged `answer` leaves its heading and its questions. Each gap says which names the cells that
stay need from it, so the checks are the same asserts as in the original. Training starts from nothing, with checkpoints of its own.
"""

from __future__ import annotations

import argparse
import ast
import builtins
import re
import shutil
import sys
from pathlib import Path

import nbformat

import probnn

HERE = Path(__file__).resolve().parent
STAYS = {"setup", "scaffold", "check"}
ANSWER = 'answer.update(Markdown("**Answer.** Your turn: two sentences, with the number, its standard error, and the reason."))'
INTERPRETATION = "*Your interpretation: what do the values and the figure mean, why are they as they are, and which other explanation is excluded?*"


def tags(cell: nbformat.NotebookNode) -> set[str]:
    """The tags of a cell."""
    return set(cell.metadata.get("tags", []))


def stays(cell: nbformat.NotebookNode) -> bool:
    """Whether a code cell is left as it is."""
    return bool(tags(cell) & STAYS)


def defined(source: str) -> set[str]:
    """Names that a cell binds."""
    tree = ast.parse(source)
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    bound |= {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    return bound | {(alias.asname or alias.name).split(".")[0] for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom)) for alias in node.names}


def used(source: str) -> set[str]:
    """Names that a cell reads, but for the arguments of its own functions."""
    nodes = list(ast.walk(ast.parse(source)))
    read = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return read - {node.arg for node in nodes if isinstance(node, ast.arg)}


def frame(source: str) -> str:
    """A training cell up to the check for interrupts; the step itself is the student's. Its checkpoint is one of its own."""
    kept, indent = [], None
    for line in source.splitlines():
        depth = len(line) - len(line.lstrip())
        if indent is None or (line.strip() and depth < indent):
            kept.append(line)
        if line.strip() == "check_interrupted()":
            indent = depth
            kept.append(" " * depth + "...  # Your turn: one step of training, and what it adds to the history")
    return re.sub(r'resume\((f?)"', r'resume(\1"exercises/', "\n".join(kept))


def gap(source: str, needed: set[str]) -> str:
    """What stands in the place of a central command."""
    lines = ["# Your turn."]
    helpful = sorted(name for name in used(source) if hasattr(probnn, name) and not isinstance(getattr(probnn, name), type(probnn)))
    if helpful:
        lines.append(f"# Of probnn the answer uses: {', '.join(helpful)}")
    if needed:
        lines.append(f"# Cells further down need: {', '.join(sorted(needed))}")
    return "\n".join(lines)


def questions(source: str) -> str:
    """The heading and the questions of a Markdown cell that holds the answers, too."""
    headings = [line for line in source.splitlines() if line.startswith("#")]
    asked = [f"**{question.strip('*')}**" for question in re.findall(r"\*\*(\(\w\)[^?]*\?)", source)]
    return "\n\n".join([*headings, *asked, "*Your answer, with its reason:*"])


def exercise(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook as an exercise; the one given is left as it was. Neighbouring gaps are one."""
    cells, missing = [], ""  # missing: code taken out since the last cell that stays
    markdown, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    for number, cell in enumerate(notebook.cells):
        interpretation = cell.cell_type == "code" and "display(Markdown(" in cell.source
        if cell.cell_type == "code" and not stays(cell) and not tags(cell) & {"train", "answer"}:
            missing += cell.source + "\n"
            if not interpretation:
                continue
        if missing:
            later = [c for c in notebook.cells[number:] if c.cell_type == "code" and (stays(c) or "train" in tags(c))]
            cells.append(code(gap(missing, defined(missing) & set().union(*(used(c.source) for c in later))), id=f"gap{number}"))
            missing = ""
        if cell.cell_type == "markdown":
            new = markdown(questions(cell.source) if "answer" in tags(cell) or cell.source.startswith("## What this does not show") else cell.source)
        elif interpretation and not stays(cell):
            new = markdown(INTERPRETATION)
        elif "answer" in tags(cell):
            new = code(ANSWER)
        else:
            new = code(cell.source if stays(cell) else frame(cell.source))
        new.id, new.metadata = cell.id, {"tags": sorted(tags(cell))} if tags(cell) else {}
        cells.append(new)
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": notebook.metadata.kernelspec, "language_info": {"name": "python"}})


def announced(notebook: nbformat.NotebookNode) -> set[str]:
    """Names that the gaps of an exercise ask for."""
    return {name for cell in notebook.cells for line in re.findall(r"# Cells further down need: (.*)", cell.source) for name in line.split(", ")}


def given() -> set[str]:
    """Names that need no definition."""
    return set(vars(builtins)) | set(vars(probnn))


def write(folder: Path) -> list[Path]:
    """Writes all exercises into the folder, with what the notebooks read beside them; returns the notebooks."""
    written = []
    for path in sorted(HERE.glob("*/*.ipynb")):
        target = folder / path.relative_to(HERE)
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(exercise(nbformat.read(path, as_version=4)), target)
        written.append(target)
    for path in [HERE / "matplotlibrc", *HERE.glob("*/*.npy")]:
        shutil.copy(path, folder / path.relative_to(HERE))
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=HERE.parent / "exercises")
    folder = parser.parse_args().folder
    print(f"{len(write(folder))} exercises written to {folder}", file=sys.stderr)


if __name__ == "__main__":
    main()
