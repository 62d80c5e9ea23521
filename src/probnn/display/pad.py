"""A pad to draw a digit on, beside what a model makes of it.

A picture stands in its place where nobody can draw.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from probnn.data import from_picture
from probnn.display.live import has_reader

__all__ = ["Pad", "draw_digit"]

SIDE, PEN = 280, 24  # pixels on the screen; ten of them are one of an image
View: TypeAlias = Callable[[Tensor], tuple[Tensor, str]]


def draw_digit(view: View, example: Tensor, top_only: bool = False) -> None:
    """Displays a pad to draw on with the mouse or a finger, and what the view shows of the drawing.

    Whenever the pen is lifted, the drawing becomes an image as MNIST's are (`from_picture`), and
    the view is shown of it. Saved notebooks, web pages and notebooks executed without a reader show
    the view of an example instead.

    Args:
        view: maps an image (1, 1, 28, 28) to a picture and a line of text: `reconstruction(model)`,
            `every_label(model)`, `expected_bottom(generator)` (all of `probnn.models`), or one
            of your own.
        example: (1, 1, 28, 28), what is shown before anybody has drawn.
        top_only: whether only the upper half can be drawn on. The drawing is then taken as it
            stands on the pad, for half a digit cannot be centred.

    Example:
        >>> def view(x):
        ...     return x[0, 0], f"{x.sum():.0f} pixels of ink"
        >>> draw_digit(view, example=torch.zeros(1, 1, 28, 28))  # doctest: +ELLIPSIS
        {...}
    """
    from IPython.display import display

    with torch.no_grad():
        content = {"image/png": _png(picture_of(view(example)[0]))}
    if has_reader():
        # whoever cannot show the first shows the second
        content = {**Pad(view, example, top_only).box._repr_mimebundle_(), **content}
    display(content, raw=True)


class Pad:
    """What `draw_digit` displays: the canvas, and what is shown of the strokes drawn on it.

    Attributes:
        box: the widget.
        drawing: a PIL image, bright ink on dark, as large as the pad.
    """

    def __init__(self, view: View, example: Tensor, top_only: bool = False) -> None:
        import ipycanvas
        import ipywidgets as widgets

        self.view, self.top_only = view, top_only
        self._last: tuple[float, float] | None = None
        self.canvas = ipycanvas.Canvas(width=SIDE, height=SIDE, sync_image_data=False)
        self.canvas.layout.border, self.canvas.layout.min_width = "1px solid #888", f"{SIDE}px"
        self.seen, self.said = widgets.Image(format="png"), widgets.Label()
        clear = widgets.Button(description="Clear", layout={"width": f"{SIDE}px"})
        clear.on_click(lambda _: self.clear())
        self.canvas.on_mouse_down(self._down)
        self.canvas.on_mouse_move(self._move)
        self.canvas.on_mouse_up(self._up)
        self.canvas.on_mouse_out(self._up)
        self.canvas.on_touch_start(lambda points: self._down(*points[0]))
        self.canvas.on_touch_move(lambda points: self._move(*points[0]))
        self.canvas.on_touch_end(lambda points: self._up())
        # where both are too wide, the picture shrinks and not the pad
        left = widgets.VBox([self.canvas, clear], layout={"flex": "0 0 auto"})
        self.box = widgets.HBox([left, widgets.VBox([self.seen, self.said])])
        self.clear()
        self._show(example)

    def clear(self) -> None:
        """Takes a clean sheet."""
        self.drawing = Image.new("L", (SIDE, SIDE), 0)
        self.canvas.clear()
        # a digit fills 20 of the 28 rows and columns
        self.canvas.line_width, self.canvas.stroke_style = 1, "#ccc"
        self.canvas.stroke_rect(40, 40, 200, 200)
        if self.top_only:
            self._cover_bottom()
        self.canvas.line_width, self.canvas.line_cap = PEN, "round"
        self.canvas.stroke_style = "#000"

    def image(self) -> Tensor:
        """The drawing as an image (1, 1, 28, 28).

        Raises:
            ValueError: if nothing is drawn.
        """
        if not self.top_only:
            return from_picture(self.drawing)
        small = self.drawing.resize((28, 28), Image.Resampling.BOX)
        pixels = torch.from_numpy(np.array(small)).float() / 255
        pixels[14:] = 0
        return pixels[None, None]

    def _cover_bottom(self) -> None:
        self.canvas.fill_style = "#eee"
        self.canvas.fill_rect(0, SIDE / 2, SIDE, SIDE / 2)

    def _down(self, x: float, y: float) -> None:
        self._last = (x, y)
        self._move(x, y)

    def _move(self, x: float, y: float) -> None:
        if self._last is None:  # the pen is up
            return
        start, end = self._last, (x, y)
        pen = ImageDraw.Draw(self.drawing)
        pen.line([start, end], fill=255, width=PEN)
        for a, b in (start, end):  # round ends
            pen.ellipse([a - PEN / 2, b - PEN / 2, a + PEN / 2, b + PEN / 2], fill=255)
        self.canvas.stroke_line(*start, *end)
        if self.top_only:
            self._cover_bottom()
        self._last = (x, y)

    def _up(self, *_: float) -> None:
        if self._last is not None:
            self._last = None
            self._show(self.image())

    def _show(self, image: Tensor) -> None:
        with torch.no_grad():
            picture, text = self.view(image)
        self.seen.value, self.said.value = _png(picture_of(picture)), text


def picture_of(pixels: Tensor) -> Image.Image:
    """An array as a picture 280 pixels high: (H, W) ink on white, or (H, W, 3) colours, in [0, 1].

    Example:
        >>> picture_of(torch.zeros(28, 56)).size
        (560, 280)
    """
    colours = pixels if pixels.ndim == 3 else (1 - pixels)[..., None].expand(-1, -1, 3)
    levels = (255 * colours.clamp(0, 1)).round().byte().cpu().numpy()
    height, width = levels.shape[:2]
    size = (round(width * SIDE / height), SIDE)
    return Image.fromarray(levels).resize(size, Image.Resampling.NEAREST)


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="png")
    return buffer.getvalue()
