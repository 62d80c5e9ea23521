"""Writes every page as an exercise: questions, set-up and checks stay, answers are taken out.

    python -m tools.exercises              into exercises/; pages that are there already are kept
    python -m tools.exercises FOLDER       into FOLDER
    python -m tools.exercises --replace    also replaces those that are there, and what is in them

What is taken out is told by the cells' tags: `setup`, `scaffold` and `check` stay, of `train` the
frame of the loop stays, everything else in code is the student's turn. A Markdown cell tagged
`answer` leaves its heading and its questions. Each gap says which names the cells that stay need
from it, so the checks are the same asserts as in the original. Training starts from nothing, with
checkpoints of its own.
"""

from __future__ import annotations

import argparse
import ast
import builtins
import re
import shutil
import symtable
import sys
from pathlib import Path

import nbformat

from probnn.runtime import write_whole
from tools.pages import NOTEBOOKS, code_cells, displays_text, tags

STAYS = {"setup", "scaffold", "check"}
ANSWER = (
    'answer.update(Markdown("**Answer.** Your turn: two sentences, '
    'with the number, its standard error, and the reason."))'
)
PASSED = (
    "*What needs trained weights is skipped as long as training has "
    "not ended, or its history has gaps (a step that failed): only "
    'otherwise does "no error" mean "passed".*'
)
INTERPRETATION = (
    "*Your interpretation: what do the values and the figure mean, why "
    "are they as they are, and which other explanation is excluded?*"
)


def stays(cell: nbformat.NotebookNode) -> bool:
    """Whether a code cell is left as it is."""
    return bool(tags(cell) & STAYS)


class _Generators(ast.NodeTransformer):
    """Comprehensions as generators: since Python 3.12 only these have a table of their own."""

    def visit_ListComp(self, node: ast.ListComp) -> ast.AST:
        self.generic_visit(node)
        return ast.GeneratorExp(node.elt, node.generators)

    def visit_SetComp(self, node: ast.SetComp) -> ast.AST:
        self.generic_visit(node)
        return ast.GeneratorExp(node.elt, node.generators)

    def visit_DictComp(self, node: ast.DictComp) -> ast.AST:
        self.generic_visit(node)
        return ast.GeneratorExp(ast.Tuple([node.key, node.value], ast.Load()), node.generators)


def symbols(source: str) -> symtable.SymbolTable:
    """The symbol table of a cell."""
    tree = ast.fix_missing_locations(_Generators().visit(ast.parse(source)))
    return symtable.symtable(ast.unparse(tree), "cell", "exec")


def defined(source: str) -> set[str]:
    """Names that a cell binds for other cells."""
    return {
        symbol.get_name()
        for symbol in symbols(source).get_symbols()
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
    }


def imported(notebook: nbformat.NotebookNode) -> set[str]:
    """Names that a page imports from probnn."""
    trees = [ast.parse(cell.source) for cell in code_cells(notebook)]
    imports = [n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    ours = [node for node in imports if (node.module or "").startswith("probnn")]
    return {name.name for node in ours for name in node.names} - {"plots"}


def used(source: str) -> set[str]:
    """Names that a cell reads and does not bind itself."""

    def read(table: symtable.SymbolTable) -> set[str]:
        whole = table.get_type() == "module"
        own = {
            symbol.get_name()
            for symbol in table.get_symbols()
            if symbol.is_referenced() and (symbol.is_global() or whole)
        }
        return own.union(*(read(child) for child in table.get_children()))

    return read(symbols(source)) - defined(source)


def frame(source: str) -> str:
    """A training cell up to the check for interrupts; the step itself is the student's.

    Its checkpoint is one of its own. It does nothing before its first line is deleted: an empty
    loop would count as finished training.
    """
    lists = ", ".join(dict.fromkeys(re.findall(r"(\w+)\.append\(", source)))
    indent = None
    kept = [
        "raise NotImplementedError("
        '"Your turn: write the step of training below, then delete this line")',
        "# To train again from nothing: run the cell that makes the model again, "
        "and pass fresh=True to resume.",
    ]
    for line in source.splitlines():
        depth = len(line) - len(line.lstrip())
        if indent is None or (line.strip() and depth < indent):
            kept.append(line)
        if line.strip() == "check_interrupted()":
            indent = depth
            kept.append(
                " " * depth
                + "...  # Your turn: one step of training"
                + (f"; it fills {lists}" if lists else "")
            )
    return re.sub(r'resume\((\s*f?)"', r'resume(\1"exercises/', "\n".join(kept))


def gap(source: str, needed: set[str], hints: list[str], library: set[str]) -> str:
    """What stands in the place of central commands; `library`: the names imported from probnn."""
    lines = ["# Your turn.", *(f"# {hint}" for hint in hints)]
    helpful = sorted((used(source) & library) | set(re.findall(r"\bplots\.\w+", source)))
    if helpful:
        lines.append(f"# Of probnn the answer uses: {', '.join(helpful)}")
    if needed:
        lines.append(f"# Cells further down need: {', '.join(sorted(needed))}")
    return "\n".join(lines)


def questions(source: str) -> str:
    """The heading and the questions of a Markdown cell that holds the answers, too."""
    headings = [line for line in source.splitlines() if line.startswith("#")]
    asked = [
        f"**{question.strip('*')}**" for question in re.findall(r"\*\*(\(\w\)[^?]*\?)", source)
    ]
    asked += re.findall(r"\*\*Question\.\*\*[^\n]*\?", source)
    return "\n\n".join([*headings, *asked, "*Your answer, with its reason:*"])


def told(source: str) -> str:
    """A Markdown cell that stays, without what is untrue of an exercise: what is shipped."""
    source = re.sub(r"[^.\n]*(shipped|falls straight through)[^.\n]*\.[ \n]?", "", source)
    return re.sub(r"\[(\w+\.gif)\]\(\1\)", r"`\1`", source)


def exercise(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook as an exercise; the one given is left as it was. Neighbouring gaps are one."""
    # missing: code taken out since the last cell that stays; known: bound by cells that stay
    cells, missing, hints = [], "", []
    known: set[str] = set()
    markdown, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    library = imported(notebook)
    for number, cell in enumerate(notebook.cells):
        interpretation = cell.cell_type == "code" and displays_text(cell.source)
        if cell.cell_type == "code" and not stays(cell) and not tags(cell) & {"train", "answer"}:
            missing += cell.source + "\n"
            hints += cell.metadata.get("hints", [])
            if not interpretation:
                continue
        if missing:
            later = [
                c.source if stays(c) else frame(c.source)
                for c in notebook.cells[number:]
                if c.cell_type == "code" and (stays(c) or "train" in tags(c))
            ]
            needed = (defined(missing) & set().union(*map(used, later))) - known
            cells.append(code(gap(missing, needed, hints, library), id=f"gap{number}"))
            missing, hints = "", []
        if cell.cell_type == "markdown":
            new = markdown(
                questions(cell.source)
                if "answer" in tags(cell) or cell.source.startswith("## What this does not show")
                else told(cell.source)
            )
        elif interpretation and not stays(cell):
            new = markdown(INTERPRETATION)
        elif "answer" in tags(cell):
            new = code(ANSWER)
        else:
            new = code(cell.source if stays(cell) else frame(cell.source))
            if stays(cell):
                known |= defined(cell.source)
        new.id, new.metadata = cell.id, {"tags": sorted(tags(cell))} if tags(cell) else {}
        cells.append(new)
        if "check" in tags(cell):
            cells.append(markdown(PASSED, id=f"passed{number}"))
    return nbformat.v4.new_notebook(
        cells=cells,
        metadata={"kernelspec": notebook.metadata.kernelspec, "language_info": {"name": "python"}},
    )


def announced(notebook: nbformat.NotebookNode) -> set[str]:
    """Names that the gaps of an exercise ask for."""
    return {
        name
        for cell in notebook.cells
        for line in re.findall(r"# Cells further down need: (.*)", cell.source)
        for name in line.split(", ")
    }


def given() -> set[str]:
    """Names that need no definition."""
    return set(vars(builtins))


def write(folder: Path, replace: bool = False) -> list[Path]:
    """Writes the exercises that are not in the folder yet; returns which.

    What the pages read beside them is copied, too.
    """
    written = []
    for path in sorted(NOTEBOOKS.glob("*/*.ipynb")):
        target = folder / path.relative_to(NOTEBOOKS)
        if target.exists() and not replace:
            print(f"kept: {target}", file=sys.stderr)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, nbformat.writes(exercise(nbformat.read(path, as_version=4))))
        written.append(target)
    for path in [NOTEBOOKS / "matplotlibrc", *NOTEBOOKS.glob("*/*.npy")]:
        shutil.copy(path, folder / path.relative_to(NOTEBOOKS))
    return written


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, default=NOTEBOOKS.parent / "exercises")
    parser.add_argument(
        "--replace", action="store_true", help="replace exercises that are there already"
    )
    arguments = parser.parse_args()
    print(
        f"{len(write(arguments.folder, arguments.replace))} exercises "
        f"written to {arguments.folder}",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
