"""The costs that are drawn are those that were given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from probnn.display import letter_costs


@pytest.fixture
def ax():
    yield plt.figure().gca()
    plt.close("all")


def test_each_letter_and_the_end_lie_on_their_cost_and_padding_is_left_out(ax):
    costs = torch.tensor([[1.0, 2.0, 3.0, 4.0, 0.0], [5.0, 6.0, 7.0, 8.0, 0.0]])
    drawn = letter_costs(ax, ["ABE", "DO"], costs).images[0].get_array()
    np.testing.assert_array_equal(drawn.filled(-1), [[1, 2, 3, 4], [5, 6, 7, -1]])
    written = [(text.get_text(), *text.get_position()) for text in ax.texts]
    places = [(0, 0), (1, 0), (2, 0), (3, 0), (0, 1), (1, 1), (2, 1)]
    assert written == [(letter, *place) for letter, place in zip("ABE·DO·", places, strict=True)]


def test_the_log_probability_of_the_name_stands_before_it(ax):
    letter_costs(ax, ["ABE", "DO"], torch.tensor([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]))
    assert [label.get_text() for label in ax.get_yticklabels()] == ["-10.0", "-18.0"]


def test_letters_are_white_on_dark_and_black_on_bright(ax):
    letter_costs(ax, ["A"], torch.tensor([[1.0, 8.0]]), top=9)
    assert [text.get_color() for text in ax.texts] == ["white", "black"]
