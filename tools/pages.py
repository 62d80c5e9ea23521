"""What the tools know of the pages: where they are, and what their cells are for."""

from __future__ import annotations

from pathlib import Path

import nbformat

__all__ = ["NOTEBOOKS", "ROOT", "code_cells", "tags"]

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"


def tags(cell: nbformat.NotebookNode) -> set[str]:
    """The tags of a cell: `setup`, `scaffold`, `train`, `check`, `answer`, `key`."""
    return set(cell.metadata.get("tags", []))


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The cells with code."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]
