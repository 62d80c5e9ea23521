"""Writes every notebook as an exercise: questions, set-up and checks stay, answers and central commands are taken out.

    python notebooks/exercises.py              into exercises/; notebooks that are there already are kept
    python notebooks/exercises.py FOLDER       into FOLDER
    python notebooks/exercises.py --replace    also replaces those that are there, and what was filled into them

What is taken out is told by the cells' tags: `setup`, `scaffold` and `check` stay, of `train` the frame of the loop stays, everything else
in code is the student's turn. A Markdown cell tagged `answer` leaves its heading and its questions. Each gap says which names the cells that
stay need from it, so the checks are the same asserts as in the original. Training starts from nothing, with checkpoints of its own.
"""

from __future__ import annotations

import argparse
import builtins
import re
import shutil
import symtable
import sys
from pathlib import Path

import nbformat

import probnn

HERE = Path(__file__).resolve().parent
STAYS = {"setup", "scaffold", "check"}
ANSWER = 'answer.update(Markdown("**Answer.** Your turn: two sentences, with the number, its standard error, and the reason."))'
PASSED = "*What needs trained weights is skipped as long as training has not ended, or its history has gaps (a step that failed): only otherwise does \"no error\" mean \"passed\".*"
INTERPRETATION = "*Your interpretation: what do the values and the figure mean, why are they as they are, and which other explanation is excluded?*"


def tags(cell: nbformat.NotebookNode) -> set[str]:
    """The tags of a cell."""
    return set(cell.metadata.get("tags", []))


def stays(cell: nbformat.NotebookNode) -> bool:
    """Whether a code cell is left as it is."""
    return bool(tags(cell) & STAYS)


def defined(source: str) -> set[str]:
    """Names that a cell binds for other cells."""
    table = symtable.symtable(source, "cell", "exec")
    return {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()}


def used(source: str) -> set[str]:
    """Names that a cell reads and does not bind itself."""

    def read(table: symtable.SymbolTable) -> set[str]:
        own = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced() and (symbol.is_global() or table.get_type() == "module")}
        return own.union(*(read(child) for child in table.get_children()))

    return read(symtable.symtable(source, "cell", "exec")) - defined(source)


def frame(source: str) -> str:
    """A training cell up to the check for interrupts; the step itself is the student's. Its checkpoint is one of its own.

    It does nothing before its first line is deleted: an empty loop would count as finished training.
    """
    lists = ", ".join(dict.fromkeys(re.findall(r"(\w+)\.append\(", source)))
    kept, indent = [
        'raise NotImplementedError("Your turn: write the step of training below, then delete this line")',
        "# To train again from nothing: run the cell that makes the model again, and pass fresh=True to resume.",
    ], None
    for line in source.splitlines():
        depth = len(line) - len(line.lstrip())
        if indent is None or (line.strip() and depth < indent):
            kept.append(line)
        if line.strip() == "check_interrupted()":
            indent = depth
            kept.append(" " * depth + "...  # Your turn: one step of training" + (f"; it fills {lists}" if lists else ""))
    return re.sub(r'resume\((f?)"', r'resume(\1"exercises/', "\n".join(kept))


def gap(source: str, needed: set[str], hints: list[str]) -> str:
    """What stands in the place of central commands."""
    lines = ["# Your turn.", *(f"# {hint}" for hint in hints)]
    helpful = sorted(name for name in used(source) if hasattr(probnn, name) and not isinstance(getattr(probnn, name), type(probnn)))
    helpful += sorted(set(re.findall(r"\bplots\.\w+", source)))
    if helpful:
        lines.append(f"# Of probnn the answer uses: {', '.join(helpful)}")
    if needed:
        lines.append(f"# Cells further down need: {', '.join(sorted(needed))}")
    return "\n".join(lines)


def questions(source: str) -> str:
    """The heading and the questions of a Markdown cell that holds the answers, too."""
    headings = [line for line in source.splitlines() if line.startswith("#")]
    asked = [f"**{question.strip('*')}**" for question in re.findall(r"\*\*(\(\w\)[^?]*\?)", source)]
    asked += re.findall(r"\*\*Question\.\*\*[^\n]*\?", source)
    return "\n\n".join([*headings, *asked, "*Your answer, with its reason:*"])


def told(source: str) -> str:
    """A Markdown cell that stays, without what is untrue of an exercise: nothing is shipped for it."""
    source = re.sub(r"[^.\n]*(shipped|falls straight through)[^.\n]*\.[ \n]?", "", source)
    return re.sub(r"\[(\w+\.gif)\]\(\1\)", r"`\1`", source)


def exercise(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook as an exercise; the one given is left as it was. Neighbouring gaps are one."""
    cells, missing, hints, known = [], "", [], set()  # missing: code taken out since the last cell that stays; known: bound by cells that stay
    markdown, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    for number, cell in enumerate(notebook.cells):
        interpretation = cell.cell_type == "code" and "display(Markdown(" in cell.source
        if cell.cell_type == "code" and not stays(cell) and not tags(cell) & {"train", "answer"}:
            missing += cell.source + "\n"
            hints += cell.metadata.get("hints", [])
            if not interpretation:
                continue
        if missing:
            later = [c.source if stays(c) else frame(c.source) for c in notebook.cells[number:] if c.cell_type == "code" and (stays(c) or "train" in tags(c))]
            needed = (defined(missing) & set().union(*map(used, later))) - known
            cells.append(code(gap(missing, needed, hints), id=f"gap{number}"))
            missing, hints = "", []
        if cell.cell_type == "markdown":
            new = markdown(questions(cell.source) if "answer" in tags(cell) or cell.source.startswith("## What this does not show") else told(cell.source))
        elif interpretation and not stays(cell):
            new = markdown(INTERPRETATION)
        elif "answer" in tags(cell):
            new = code(ANSWER)
        else:
            new = code(cell.source if stays(cell) else frame(cell.source))
            known |= defined(cell.source) if stays(cell) else set()
        new.id, new.metadata = cell.id, {"tags": sorted(tags(cell))} if tags(cell) else {}
        cells.append(new)
        if "check" in tags(cell):
            cells.append(markdown(PASSED, id=f"passed{number}"))
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": notebook.metadata.kernelspec, "language_info": {"name": "python"}})


def announced(notebook: nbformat.NotebookNode) -> set[str]:
    """Names that the gaps of an exercise ask for."""
    return {name for cell in notebook.cells for line in re.findall(r"# Cells further down need: (.*)", cell.source) for name in line.split(", ")}


def given() -> set[str]:
    """Names that need no definition."""
    return set(vars(builtins)) | set(vars(probnn))


def write(folder: Path, replace: bool = False) -> list[Path]:
    """Writes the exercises that are not in the folder yet, with what the notebooks read beside them; returns what was written."""
    written = []
    for path in sorted(HERE.glob("*/*.ipynb")):
        target = folder / path.relative_to(HERE)
        if target.exists() and not replace:
            print(f"kept: {target}", file=sys.stderr)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(exercise(nbformat.read(path, as_version=4)), target)
        written.append(target)
    for path in [HERE / "matplotlibrc", *HERE.glob("*/*.npy")]:
        shutil.copy(path, folder / path.relative_to(HERE))
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=HERE.parent / "exercises")
    parser.add_argument("--replace", action="store_true", help="replace exercises that are there already")
    arguments = parser.parse_args()
    print(f"{len(write(arguments.folder, arguments.replace))} exercises written to {arguments.folder}", file=sys.stderr)


if __name__ == "__main__":
    main()
