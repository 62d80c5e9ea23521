"""Whether two pictures look the same: those of one figure differ in invisible ways elsewhere."""

from __future__ import annotations

import base64
import io

import nbformat
import numpy as np
from PIL import Image

__all__ = ["TOLERANCE", "keep_pictures", "look_alike"]

# of 255, in the mean of a block of 8 x 8 pixels: other rounding gives 0.1, a line that moved 20
TOLERANCE = 2.0
BLOCK = 8


def look_alike(one: str, other: str) -> bool:
    """Whether two PNGs, in base64, have one size and differ nowhere by more than `TOLERANCE`.

    Example:
        >>> def grey(level):
        ...     file = io.BytesIO()
        ...     Image.new("L", (20, 20), level).save(file, "png")
        ...     return base64.b64encode(file.getvalue()).decode()
        >>> look_alike(grey(100), grey(101)), look_alike(grey(100), grey(105))
        (True, False)
    """
    if one == other:
        return True
    pixels = [np.asarray(_open(picture), float) for picture in (one, other)]
    if pixels[0].shape != pixels[1].shape:
        return False
    difference = np.abs(pixels[0] - pixels[1]).max(-1)
    rows, columns = (range(0, length, BLOCK) for length in difference.shape)
    sums = np.add.reduceat(np.add.reduceat(difference, rows, 0), columns, 1)
    return bool(sums.max() <= TOLERANCE * BLOCK**2)


def keep_pictures(notebook: nbformat.NotebookNode, before: nbformat.NotebookNode) -> None:
    """Puts the pictures of an earlier execution in the place of those that look the same."""
    for cell, earlier in zip(notebook.cells, before.cells, strict=False):
        outputs = zip(cell.get("outputs", []), earlier.get("outputs", []), strict=False)
        for output, its_earlier in outputs:
            new, old = (o.get("data", {}).get("image/png") for o in (output, its_earlier))
            if new and old and look_alike(new, old):
                output["data"]["image/png"] = old


def _open(picture: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
