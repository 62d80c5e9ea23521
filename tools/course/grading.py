"""What nbgrader does differently for these courses: it marks each function in its own process.

Notebooks are not run again: a training takes minutes, and what one cell does cannot touch what
another is worth. Figures and answers stay as they were handed in, for whoever marks by hand.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Float

from tools.course import exercise, marking
from tools.course.tables import course

__all__ = ["MarkApart", "Restore"]

LONGEST = 20_000  # characters of an output that are kept
Notebook = nbformat.NotebookNode


class Restore(NbGraderPreprocessor):
    """Puts back cells that were deleted or renamed, notes changed ones; keeps harmless outputs."""

    def preprocess(self, nb: Notebook, resources: Any) -> tuple[Notebook, Any]:
        """The submission, with all cells that nbgrader knows."""
        about = resources["nbgrader"]
        with Gradebook(about["db_url"]) as gradebook:
            source = gradebook.find_notebook(about["notebook"], about["assignment"])
            graded = {cell.name: cell for cell in source.grade_cells}
            solutions = {cell.name for cell in source.solution_cells}
            known = [cell.name for cell in source.source_cells]
            for cell in nb.cells:
                if marking.grade_id(cell) not in known:
                    cell.metadata.pop("nbgrader", None)
            place = 0
            for cell in source.source_cells:
                places = [i for i, c in enumerate(nb.cells) if marking.grade_id(c) == cell.name]
                if not places:
                    make = getattr(nbformat.v4, f"new_{cell.cell_type}_cell")
                    nb.cells.insert(place, make(cell.source, metadata={"put_back": "missing"}))
                    places = [place]
                here = nb.cells[places[0]]
                if cell.locked and trimmed(here.source) not in versions(cell.source):
                    here.metadata["put_back"] = "changed"  # nbgrader's OverwriteCells does it
                here.metadata["nbgrader"] = {
                    "cell_type": cell.cell_type,
                    "checksum": cell.checksum,
                    "grade": cell.name in graded,
                    "grade_id": cell.name,
                    "locked": bool(cell.locked),
                    "schema_version": 3,
                    "solution": cell.name in solutions,
                    "task": False,
                }
                if cell.name in graded:
                    points = graded[cell.name].max_score
                    here.metadata["nbgrader"]["points"] = points
                place = places[0] + 1
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.outputs = [o for o in map(harmless, cell.get("outputs", [])) if o]
        return nb, resources


def trimmed(source: str) -> str:
    """A cell's source without what editors change at the ends of lines."""
    return "\n".join(line.rstrip() for line in source.strip().splitlines())


def versions(source: str) -> set[str]:
    """A cell's source as nbgrader has it, and as it was released, without hidden checks."""
    return {trimmed(source), trimmed(exercise.clear(source))}


def harmless(output: Notebook) -> Notebook | None:
    """An output as text or picture, cut where it is too long."""
    if output.output_type == "stream":
        output.text = cut("".join(output.text))
        return output
    if output.output_type == "error":
        output.traceback = [cut(line) for line in output.traceback]
        return output
    kept = {
        kind: value if kind.startswith("image") else cut("".join(value))
        for kind, value in output.get("data", {}).items()
        if kind in ("image/png", "text/plain")
    }
    output.data = kept
    return output if kept else None


def cut(text: str) -> str:
    """A text's beginning, with what was left out.

    Example:
        >>> len(cut("x" * 1_000_000)) < 21_000
        True
    """
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}\n... {text.count(chr(10), LONGEST):,} more lines, left out"


class MarkApart(NbGraderPreprocessor):
    """Writes into each check's cell what it says of the function, as nbgrader's Execute would."""

    limit = Float(marking.LIMIT, help="Seconds for one function.").tag(config=True)

    def preprocess(self, nb: Notebook, resources: Any) -> tuple[Notebook, Any]:
        """The submission, with its functions marked."""
        about = resources["nbgrader"]
        found = course(about["assignment"])
        page = f"{found.name}/{about['notebook']}"
        package = Path(self.parent.parent.coursedir.root) / "package"
        said = marking.mark(found, page, nb, package, self.limit)
        for cell in nb.cells:
            name = marking.grade_id(cell).removeprefix("check-")
            if name == marking.grade_id(cell) or name not in said:
                continue
            how = cell.metadata.get("put_back", "")
            lines = [f"This cell was {how}, and was put back.\n"] if how else []
            if said[name]:
                outputs = [stream("".join(lines))] if lines else []
                outputs.append(
                    nbformat.v4.new_output(
                        "error", ename="Not passed", evalue=said[name], traceback=[said[name]]
                    )
                )
            else:
                outputs = [stream("".join([*lines, "Passed, with other numbers too.\n"]))]
            cell.outputs, cell.execution_count = outputs, None
            cell.source = exercise.clear(cell.source)  # feedback goes to students
        return nb, resources


def stream(text: str) -> Notebook:
    """A printed text as an output."""
    return nbformat.v4.new_output("stream", name="stdout", text=text)
