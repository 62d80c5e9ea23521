"""Maps side by side: each about its own centre, with one key of the digits."""

import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex

from probnn.display import show_maps
from probnn.display.digit_maps import digit_key
from probnn.display.plots import DIGIT_COLOURS


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_each_map_is_about_its_own_centre_and_holds_all_of_its_points():
    near, far = torch.randn(30, 2), 50 * torch.randn(30, 2) + 1000
    figure = show_maps({"near": near, "far": far}, torch.arange(30) % 10)
    for ax, points in zip(figure.axes, (near, far), strict=True):
        offsets = torch.tensor(ax.collections[0].get_offsets().data)
        torch.testing.assert_close(offsets.float(), points - points.mean(0), rtol=1e-4, atol=1e-3)
        low, high = ax.get_xlim()
        assert low == -high and ax.get_ylim() == (low, high) and offsets.abs().max() < high
    assert [ax.get_title() for ax in figure.axes] == ["near", "far"]


def test_a_smaller_map_is_of_the_first_points():
    labels = torch.arange(40) % 10
    figure = show_maps({"all": torch.randn(40, 2), "few": torch.randn(7, 2)}, labels)
    colours = figure.axes[1].collections[0].get_facecolor()
    assert [to_hex(colour) for colour in colours] == list(DIGIT_COLOURS[:7])


def test_axes_that_no_map_needs_are_not_seen():
    figure = show_maps({str(k): torch.randn(5, 2) for k in range(4)}, torch.arange(5), columns=3)
    assert [ax.get_visible() for ax in figure.axes] == 4 * [True] + 2 * [False]


def test_the_key_has_the_colour_of_each_digit():
    figure = plt.figure(layout="constrained")
    digit_key(figure)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [str(d) for d in range(10)]
    assert [mark.get_color() for mark in legend.get_lines()] == list(DIGIT_COLOURS)
