"""Ink and slant, against images whose own are known."""

import torch

from probnn.data import ink, slant


def stroke(lean, top=4, height=20, left=5):
    """A stroke of one pixel a row that leans to the right by so many columns a row."""
    image = torch.zeros(28, 28)
    for row in range(height):
        image[top + row, left + lean * (height - 1 - row)] = 1
    return image


def test_ink_is_the_sum_of_the_pixels_and_other_axes_stay():
    images = torch.rand(3, 10, 28, 28)
    assert torch.allclose(ink(images), images.flatten(-2).sum(-1))
    assert slant(images).shape == (3, 10)


def test_a_stroke_has_the_slant_it_was_drawn_with():
    assert abs(slant(stroke(0))) < 1e-5 and abs(slant(stroke(1)) - 1) < 1e-5
    assert abs(slant(stroke(2, height=10)) - 2) < 1e-5
    assert abs(slant(stroke(1).flip(1)) + 1) < 1e-5


def test_where_it_is_and_how_dark_do_not_matter():
    image = stroke(1) * torch.linspace(0.2, 1, 28)[:, None]
    assert torch.allclose(slant(image), slant(image.roll((2, -3), (0, 1))), atol=1e-5)
    assert torch.allclose(slant(image), slant(0.3 * image), atol=1e-5)


def test_it_is_the_slope_of_a_weighted_regression():
    image = torch.rand(28, 28)
    row, column = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    points = torch.stack([row.flatten(), column.flatten()])
    covariance = points.double().cov(aweights=image.flatten().double())
    assert abs(slant(image) + covariance[0, 1] / covariance[0, 0]) < 1e-5


def test_a_page_without_ink_has_none():
    assert slant(torch.zeros(28, 28)).isnan()
