"""Contours against the mass of the density inside them."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from probnn.display import mass_contours, mass_levels


@pytest.fixture
def ax():
    yield plt.figure().gca()
    plt.close("all")


def drawn(ax):
    """The points of the first contour."""
    return ax.collections[0].get_paths()[0].vertices


def two_peaks(x, y):
    """A log density with a wide peak and a narrow one."""
    return torch.logaddexp(-((x - 3) ** 2 + y**2) / 2, -((x + 3) ** 2 + y**2) * 2 - 1)


def test_contours_enclose_the_mass_that_they_say(ax):
    axis = torch.linspace(-8, 8, 801)
    log_density = two_peaks(*torch.meshgrid(axis.double(), axis.double(), indexing="ij"))
    mass = log_density.exp() / log_density.exp().sum()
    for share, level in zip((0.5, 0.9, 0.99), mass_levels(log_density), strict=True):
        assert mass[log_density >= level].sum() == pytest.approx(share, abs=2e-3)
    mass_contours(ax, axis, axis, log_density, masses=(0.9,))
    x, y = torch.from_numpy(drawn(ax)).T
    (level,) = mass_levels(log_density, (0.9,))
    np.testing.assert_allclose(two_peaks(x, y), level, atol=0.01)


def test_contours_do_not_swap_the_axes(ax):
    x, y = torch.linspace(-1, 1, 50), torch.linspace(-9, 9, 80)
    wide = -(torch.cartesian_prod(x, y)[:, 1].reshape(50, 80) ** 2) / 2 - 50 * x[:, None] ** 2
    mass_contours(ax, x, y, wide, masses=(0.5,))
    assert np.ptp(drawn(ax)[:, 1]) > 5 * np.ptp(drawn(ax)[:, 0])


def test_shares_of_mass_lie_between_0_and_1():
    with pytest.raises(ValueError, match=r"between 0 and 1, got \[50\]"):
        mass_levels(torch.zeros(3, 3), [50])


def test_contours_of_a_density_narrower_than_the_grid_are_drawn(ax):
    axis = torch.linspace(-1, 1, 11)
    mass_contours(ax, axis, axis, -1e4 * (axis[:, None] ** 2 + axis**2))
