"""Which pictures take the place of others: those that a reader would tell apart."""

import base64
import io

import nbformat
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from tools.pictures import TOLERANCE, keep_pictures, look_alike


def picture(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return base64.b64encode(file.getvalue()).decode()


def plot(*values, width=0.8, title=""):
    figure = Figure(figsize=(4, 3), dpi=100)
    figure.subplots().plot(values, linewidth=width)
    figure.suptitle(title)
    file = io.BytesIO()
    figure.savefig(file)
    return base64.b64encode(file.getvalue()).decode()


GREY = np.full((99, 101), 128, np.uint8)


def spotted(change, size):
    pixels = GREY.copy()
    pixels[-size:, -size:] += np.uint8(change)
    return picture(pixels)


def test_pictures_of_equal_numbers_look_alike():
    assert look_alike(plot(1, 3, 2), plot(1, 3, 2))


def test_rounding_in_the_last_digits_is_invisible():
    assert look_alike(plot(1.1, 3.2, 2), plot(1.1, 3.2, 2 + 1e-6))


@pytest.mark.parametrize(
    "other", [plot(1, 3, 2.05), plot(1, 3, 2, title="A"), plot(1, 3, 2, width=1.1)], ids="abc"
)
def test_what_moves_by_two_pixels_a_letter_and_a_thicker_line_are_visible(other):
    assert not look_alike(plot(1, 3, 2), other)


def test_a_pixel_may_differ_by_the_tolerance_and_no_more():
    assert look_alike(picture(GREY), spotted(TOLERANCE, size=1))
    assert not look_alike(picture(GREY), spotted(TOLERANCE + 1, size=1))


def test_what_is_transparent_is_another_picture():
    opaque, clear = (np.full((9, 9, 4), level, np.uint8) for level in (255, 255))
    clear[..., 3] = 0
    assert not look_alike(picture(opaque), picture(clear))


def test_another_size_is_another_picture():
    assert not look_alike(picture(GREY), picture(GREY[:-1]))


def page(*pictures):
    outputs = [nbformat.v4.new_output("display_data", {"image/png": p}) for p in pictures]
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("plot()", outputs=outputs)])


def test_only_pictures_that_differ_visibly_are_replaced():
    new, old = page(spotted(1, 3), spotted(99, 9)), page(picture(GREY), picture(GREY))
    keep_pictures(new, old)
    shown = [output["data"]["image/png"] for output in new.cells[0].outputs]
    assert shown == [picture(GREY), spotted(99, 9)]


def test_a_page_that_had_fewer_cells_and_outputs_gets_all_of_the_new_ones():
    new, old = page(spotted(1, 3), picture(GREY)), page(picture(GREY))
    new.cells.append(nbformat.v4.new_markdown_cell("more"))
    keep_pictures(new, old)
    assert [len(cell.get("outputs", [])) for cell in new.cells] == [2, 0]
