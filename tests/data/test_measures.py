"""Measures of drawn images, on figures of which they are known."""

import pytest
import torch

from probnn.data import load_mnist, shapes


@pytest.fixture
def drawn():
    """A rectangle of 4 x 10, and two dots, one of them in a corner of the border."""
    images = torch.zeros(2, 1, 28, 28)
    images[0, 0, 10:14, 5:15] = 1
    images[1, 0, 2, 2] = images[1, 0, 20, 12] = 0.8
    return images


def test_a_rectangle_and_two_dots_have_the_measures_of_geometry(drawn):
    found = shapes(drawn)
    assert torch.allclose(found.ink, torch.tensor([40.0, 1.6]))
    assert found.edge.tolist() == [28, 8] and found.width.tolist() == [10, 11]
    assert torch.allclose(found.stroke_width, torch.tensor([80 / 28, 0.5]))
    assert torch.allclose(found.border_ink, torch.tensor([0.0, 0.8]))
    assert found.pieces.tolist() == [1, 2]


def test_grey_entropy_is_that_of_bernoulli_pixels(drawn):
    by_library = torch.distributions.Bernoulli(drawn).entropy().sum((1, 2, 3))
    assert torch.allclose(shapes(drawn).grey_entropy, by_library, atol=1e-4)


def test_pixels_that_touch_at_a_corner_are_one_piece():
    image = torch.eye(28)[None, None]
    assert shapes(image).pieces.item() == 1 and shapes(image).width.item() == 28


def test_of_digits_a_1_has_the_shortest_edge():
    images, labels = load_mnist("first")
    edge = shapes(images[:2000]).edge
    means = torch.stack([edge[labels[:2000] == digit].mean() for digit in range(10)])
    assert means.argmin() == 1 and (means > 30).all() and (means < 150).all()
