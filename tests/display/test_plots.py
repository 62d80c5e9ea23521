"""What is drawn is what was given: read back from the axes."""

import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from probnn.display import plots


@pytest.fixture
def ax():
    yield plt.figure().gca()
    plt.close("all")


def test_images_lie_row_by_row_with_a_pixel_between(ax):
    images = torch.rand(5, 1, 28, 28)
    canvas = plots.image_grid(ax, images, columns=3).get_images()[0].get_array().filled(np.nan)
    assert canvas.shape == (57, 86)
    np.testing.assert_array_equal(canvas[:28, 29:57], images[1, 0])
    np.testing.assert_array_equal(canvas[29:, :28], images[3, 0])
    assert np.isnan(canvas[28]).all() and np.isnan(canvas[29:, 58:]).all()


def test_labels_of_rows_and_columns_are_centred(ax):
    plots.image_grid(ax, torch.rand(4, 28, 28), 2, row_labels=["a", "b"], column_labels=["c", "d"])
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b"] and list(ax.get_yticks()) == [
        13.5,
        42.5,
    ]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["c", "d"] and list(ax.get_xticks()) == [
        13.5,
        42.5,
    ]


def test_a_ribbon_holds_95_percent(ax):
    x, mu, sigma = torch.linspace(0, 1, 5), torch.arange(5.0), torch.full((5,), 2.0)
    plots.ribbon(ax, x, mu, sigma)
    heights = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert heights.max() == pytest.approx(4 + 3.92) and heights.min() == pytest.approx(-3.92)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), mu)


def test_a_trace_is_drawn_against_epochs_with_its_running_mean(ax):
    values = np.random.RandomState(0).rand(20)
    plots.trace(ax, values, per_epoch=10, window=5)
    faint, mean = ax.lines
    np.testing.assert_allclose(faint.get_xdata()[[0, -1]], [0.1, 2.0])
    np.testing.assert_allclose(mean.get_ydata(), np.convolve(values, np.ones(5) / 5, "valid"))
    np.testing.assert_allclose(mean.get_xdata()[[0, -1]], [0.5, 2.0])


def test_codes_have_the_colour_of_their_digit(ax):
    z, labels = torch.randn(50, 2), torch.arange(50) % 10
    plots.latent_scatter(ax, z, labels)
    np.testing.assert_allclose(ax.collections[0].get_offsets(), z)
    assert len(np.unique(ax.collections[0].get_facecolors(), axis=0)) == 10
    assert [t.get_text() for t in ax.texts] == [str(d) for d in range(10)]


def test_the_training_view_shows_bound_and_images():
    figure = plots.training_view([-200.0, -150.0, -140.0], 540, torch.rand(4, 1, 28, 28))
    left, right = figure.axes
    assert len(left.lines[-1].get_ydata()) == 3
    assert right.get_images()[0].get_array().shape == (57, 57)
    plt.close(figure)


def test_ellipses_lie_where_the_codes_are_and_are_two_sigma_wide(ax):
    plots.ellipses(ax, torch.tensor([[1.0, 2.0]]), torch.tensor([[0.5, 0.25]]))
    rings = ax.collections[0]
    np.testing.assert_allclose(rings.get_offsets(), [[1.0, 2.0]])
    np.testing.assert_allclose([rings.get_widths(), rings.get_heights()], [[2.0], [1.0]])


def test_the_training_view_survives_a_bound_that_is_not_a_number():
    for values in ([-3.0, math.nan, -2.0], [math.nan, math.nan], [-3.0, -math.inf]):
        plots.training_view(values, 1, torch.zeros(4, 1, 28, 28)).canvas.draw()
