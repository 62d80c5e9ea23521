"""What is drawn is what was given: read back from the axes."""

import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from probnn import plots


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
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b"] and list(ax.get_yticks()) == [13.5, 42.5]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["c", "d"] and list(ax.get_xticks()) == [13.5, 42.5]


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
    assert len(left.lines[-1].get_ydata()) == 3 and right.get_images()[0].get_array().shape == (57, 57)
    plt.close(figure)


def test_contours_enclose_the_mass_that_they_say(ax):
    axis = torch.linspace(-8, 8, 801)
    x, y = torch.meshgrid(axis, axis, indexing="ij")
    two_peaks = torch.logaddexp(-((x - 3) ** 2 + y**2) / 2, -((x + 3) ** 2 + y**2) * 2 - 1).double()
    mass = two_peaks.exp() / two_peaks.exp().sum()
    for share, level in zip((0.5, 0.9, 0.99), plots.mass_levels(two_peaks)):
        assert mass[two_peaks >= level].sum() == pytest.approx(share, abs=2e-3)
    drawn = plots.mass_contours(ax, axis, axis, two_peaks, masses=(0.9,)).collections[0].get_paths()[0].vertices
    np.testing.assert_allclose(np.logaddexp(-((drawn[:, 0] - 3) ** 2 + drawn[:, 1] ** 2) / 2, -((drawn[:, 0] + 3) ** 2 + drawn[:, 1] ** 2) * 2 - 1), plots.mass_levels(two_peaks, (0.9,))[0], atol=0.01)


def test_contours_do_not_swap_the_axes(ax):
    x, y = torch.linspace(-1, 1, 50), torch.linspace(-9, 9, 80)
    wide = -(torch.cartesian_prod(x, y)[:, 1].reshape(50, 80) ** 2) / 2 - 50 * x[:, None] ** 2
    drawn = plots.mass_contours(ax, x, y, wide, masses=(0.5,)).collections[0].get_paths()[0].vertices
    assert np.ptp(drawn[:, 1]) > 5 * np.ptp(drawn[:, 0])


def test_shares_of_mass_lie_between_0_and_1():
    with pytest.raises(ValueError, match=r"between 0 and 1, got \[50\]"):
        plots.mass_levels(torch.zeros(3, 3), [50])


def test_ellipses_lie_where_the_codes_are_and_are_two_sigma_wide(ax):
    plots.ellipses(ax, torch.tensor([[1.0, 2.0]]), torch.tensor([[0.5, 0.25]]))
    rings = ax.collections[0]
    np.testing.assert_allclose(rings.get_offsets(), [[1.0, 2.0]])
    np.testing.assert_allclose([rings.get_widths(), rings.get_heights()], [[2.0], [1.0]])


def test_an_animation_has_a_frame_for_every_snapshot(tmp_path):
    from PIL import Image

    snapshots = [torch.randn(20, 2) * k for k in (1, 2, 5)]
    path = plots.animate(snapshots, torch.arange(20) % 10, tmp_path / "map.gif", every=10)
    with Image.open(path) as animation:
        assert animation.n_frames == 3 and animation.size == (320, 336)
    assert [p.name for p in tmp_path.iterdir()] == ["map.gif"]  # nothing half-written is left


def test_the_training_view_survives_a_bound_that_is_not_a_number():
    for values in ([-3.0, math.nan, -2.0], [math.nan, math.nan], [-3.0, -math.inf]):
        plots.training_view(values, 1, torch.zeros(4, 1, 28, 28)).canvas.draw()


def test_contours_of_a_density_narrower_than_the_grid_are_drawn(ax):
    axis = torch.linspace(-1, 1, 11)
    plots.mass_contours(ax, axis, axis, -1e4 * (axis[:, None] ** 2 + axis**2))
