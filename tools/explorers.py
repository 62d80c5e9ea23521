"""The two figures of the site that answer to a reader without a kernel: their data.

What is drawn, and how it answers to pointer and slider, is in `docs/_static/explorers.js`.
"""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import torch
from matplotlib.colors import to_hex
from PIL import Image
from torch import Tensor, nn

from probnn.data import load_mnist
from probnn.display import plots
from probnn.models import mlp_encoder, mlp_generator
from probnn.training import load

__all__ = ["add_explorer", "plane", "steps"]


def add_explorer(app: Any, pagename: str, template: str, context: Any, doctree: Any) -> None:
    """Adds script and data to the pages of which a figure answers to the reader."""
    if pagename in EXPLORERS:
        data = {**EXPLORERS[pagename](), "colours": [*map(to_hex, plots.DIGIT_COLOURS)]}
        app.add_js_file(None, body=f"const EXPLORED = {json.dumps(data)};")
        app.add_js_file("explorers.js", loading_method="defer")


def plane(side: int = 25, extent: float = 4.0) -> dict[str, Any]:
    """Toronto 3: the decoder's images on a grid, side by side in one picture, and some codes."""
    model = mlp_encoder(mlp_generator(2, (500,), nn.Tanh), (500,), nn.Tanh)
    model.load_state_dict(load("toronto/2_vae.pt")["model"])
    axis = torch.linspace(-extent, extent, side)
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    test = load_mnist("second", pixels="thresholded")
    with torch.no_grad():
        means = model.f.logits(torch.stack([columns, rows], -1)).sigmoid().view(side, side, 28, 28)
        codes = model(test.images[:1000]).mu
    levels = (255 * (1 - means.permute(0, 2, 1, 3).reshape(28 * side, 28 * side))).byte()
    file = io.BytesIO()
    Image.fromarray(levels.numpy()).save(file, "png")
    return {
        "extent": extent,
        "side": side,
        "sprite": "data:image/png;base64," + base64.b64encode(file.getvalue()).decode(),
        "codes": _short(codes),
        "labels": test.labels[:1000].tolist(),
    }


def steps() -> dict[str, Any]:
    """Oslo 3.2: the maps of Adam's 700 steps, every tenth."""
    maps = load("oslo/3_2_adam.pt")["snapshots"]
    labels = load_mnist("train").labels[: len(maps[0])].tolist()
    return {"every": 700 // (len(maps) - 1), "frames": [*map(_short, maps)], "labels": labels}


def _short(points: Tensor) -> list[float]:
    return [round(value, 2) for value in points.flatten().tolist()]


EXPLORERS = {"notebooks/toronto/3_exploring": plane, "notebooks/oslo/3_2_optimisers": steps}
