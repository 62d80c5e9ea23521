"""Whether two pictures look the same: those of one figure differ in invisible ways elsewhere."""

from __future__ import annotations

import base64
import io

import nbformat
import numpy as np
from PIL import Image

__all__ = ["TOLERANCE", "keep_pictures", "look_alike"]

TOLERANCE = 8  # of 255, in any pixel: other rounding changes one by 2, a line that moved by 200


def look_alike(one: str, other: str) -> bool:
    """Whether two PNGs, in base64, have one size and differ in no pixel by more than `TOLERANCE`.

    Example:
        >>> def grey(level):
        ...     file = io.BytesIO()
        ...     Image.new("L", (20, 20), level).save(file, "png")
        ...     return base64.b64encode(file.getvalue()).decode()
        >>> look_alike(grey(100), grey(101)), look_alike(grey(100), grey(110))
        (True, False)
    """
    if one == other:
        return True
    pixels = [np.asarray(_open(picture), int) for picture in (one, other)]
    if pixels[0].shape != pixels[1].shape:
        return False
    return bool(np.abs(pixels[0] - pixels[1]).max() <= TOLERANCE)


def keep_pictures(notebook: nbformat.NotebookNode, before: nbformat.NotebookNode) -> None:
    """Puts the pictures of an earlier execution in the place of those that look the same."""
    for cell, earlier in zip(notebook.cells, before.cells, strict=False):
        outputs = zip(cell.get("outputs", []), earlier.get("outputs", []), strict=False)
        for output, its_earlier in outputs:
            new, old = (o.get("data", {}).get("image/png") for o in (output, its_earlier))
            if new and old and look_alike(new, old):
                output["data"]["image/png"] = old


def _open(picture: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGBA")
