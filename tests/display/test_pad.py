"""The drawing pad: what is drawn reaches the view as an image as MNIST's are."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from probnn.display.pad import SIDE, Pad, draw_digit, picture_of

EXAMPLE = torch.zeros(1, 1, 28, 28)


def stroke(pad, *points):
    """Presses the pen at the first point, moves it along the others, and lifts it."""
    pad._down(*points[0])
    for point in points[1:]:
        pad._move(*point)
    pad._up()


@pytest.fixture
def seen():
    return []


@pytest.fixture
def pad(seen):
    def view(x):
        seen.append(x)
        return x[0, 0], f"{len(seen)} seen"

    return Pad(view, EXAMPLE)


def test_it_shows_an_example_before_anybody_has_drawn(pad, seen):
    assert len(seen) == 1 and seen[0] is EXAMPLE and pad.said.value == "1 seen"


def test_a_stroke_is_shown_when_the_pen_is_lifted_and_not_before(pad, seen):
    pad._down(140, 40)
    pad._move(140, 240)
    assert len(seen) == 1
    pad._up()
    assert len(seen) == 2 and pad.said.value == "2 seen"
    pad._up()  # leaving the pad with the pen up shows nothing
    pad._move(10, 10)
    assert len(seen) == 2


def test_a_vertical_stroke_is_a_one_as_mnist_has_it(pad, seen):
    stroke(pad, (60, 60), (60, 200))  # at the left: it is centred
    image = seen[-1]
    assert image.shape == (1, 1, 28, 28)
    rows, columns = (image[0, 0].amax(dim) > 0 for dim in (1, 0))
    assert rows.sum() == 20 and columns.sum() in (2, 3, 4) and columns[13:15].all()


def test_strokes_add_up_and_a_clean_sheet_forgets_them(pad, seen):
    stroke(pad, (60, 60), (200, 60))
    stroke(pad, (130, 60), (130, 220))
    both = seen[-1]
    pad.clear()
    stroke(pad, (130, 60), (130, 220))
    assert both.sum() > seen[-1].sum() and np.asarray(pad.drawing).any()


def test_on_the_top_half_only_the_top_can_be_drawn_on_and_stays_where_it_is(seen):
    def view(x):
        seen.append(x)
        return x[0, 0], ""

    pad = Pad(view, EXAMPLE, top_only=True)
    stroke(pad, (60, 60), (60, 270))
    image = seen[-1][0, 0]
    assert image[14:].sum() == 0 and image[13, 6] > 0.5 and image[6:13, 6].min() == 1


def test_the_picture_is_what_the_view_made(pad):
    stroke(pad, (60, 60), (60, 200))
    shown = Image.open(io.BytesIO(pad.seen.value))
    assert shown.size == (SIDE, SIDE) and np.asarray(shown)[SIDE // 2, SIDE // 2].max() < 30


def test_pictures_have_ink_on_white_or_colours():
    assert np.asarray(picture_of(torch.zeros(28, 28))).min() == 255
    red = torch.zeros(28, 28, 3)
    red[..., 0] = 1
    assert np.asarray(picture_of(red))[0, 0].tolist() == [255, 0, 0]


def test_without_a_reader_a_picture_of_the_example_is_displayed(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *args, **_: shown.append(args[0]))
    draw_digit(lambda x: (x[0, 0], ""), EXAMPLE)
    assert list(shown[0]) == ["image/png"]
