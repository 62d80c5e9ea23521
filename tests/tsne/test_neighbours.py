"""t-SNE's P against scipy, scikit-learn and definitions written out pair by pair."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist, squareform
from sklearn.manifold import _utils
from sklearn.manifold._t_sne import _joint_probabilities

from probnn.data import load_mnist
from probnn.tsne import (
    neighbour_probability,
    perplexity,
    sigma_for_perplexity,
    squared_distances,
    symmetric_gauss_neighbour_probability,
)


@pytest.fixture(scope="module")
def images():
    return load_mnist("train").images[:300].flatten(1)


@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 1e-4), (torch.float64, 1e-11)])
def test_distances_are_scipys(images, dtype, tolerance):
    d2 = squared_distances(images.to(dtype))
    exact = cdist(images.double(), images.double(), "sqeuclidean")
    np.testing.assert_allclose(d2, exact, rtol=tolerance, atol=tolerance)
    assert d2.dtype == dtype and torch.equal(d2, d2.T)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_distances_are_never_negative_and_zero_to_oneself(dtype):
    centre = torch.tensor([1000.0, -1000.0, 300.0])  # far from 0
    far = (centre + 1e-3 * torch.randn(50, 3)).to(dtype)
    x = far.repeat(3, 1)
    d2 = squared_distances(x)
    assert (d2 >= 0).all() and (d2.diagonal() == 0).all()
    assert d2[:50, 50:100].diagonal().max() < 1e-8


def test_probabilities_are_the_definition_written_out():
    x, sigma = torch.randn(6, 3, dtype=torch.float64), torch.rand(6, dtype=torch.float64) + 0.5
    d2 = squared_distances(x)
    for i in range(6):
        weights = np.zeros(6)
        for j in range(6):
            if j != i:
                weights[j] = math.exp(-(x[i] - x[j]).square().sum() / (2 * sigma[i] ** 2))
        p = neighbour_probability(d2, sigma)[i]
        np.testing.assert_allclose(p, weights / weights.sum(), rtol=1e-9)


def test_far_points_do_not_turn_into_nan():
    p = neighbour_probability(squared_distances(1e4 * torch.randn(10, 2)), 1e-3)
    assert torch.isfinite(p).all() and torch.allclose(p.sum(1), torch.ones(10))


def test_perplexity_counts_equally_likely_neighbours():
    p = torch.zeros(3, 10)
    p[0, :4], p[1, :1], p[2] = 0.25, 1.0, 0.1
    torch.testing.assert_close(perplexity(p), torch.tensor([4.0, 1.0, 10.0]))


@pytest.mark.parametrize("wanted", [2.0, 30.0, 250.0])
def test_the_search_reaches_the_perplexity(images, wanted):
    d2 = squared_distances(images.double())
    found = perplexity(neighbour_probability(d2, sigma_for_perplexity(d2, wanted)))
    assert (found / wanted - 1).abs().max() < 1e-5
    single = squared_distances(images)
    sigma = sigma_for_perplexity(single, wanted)
    assert sigma.dtype == single.dtype
    found = perplexity(neighbour_probability(single.double(), sigma.double()))
    assert (found / wanted - 1).abs().max() < 1e-4


def test_the_search_does_not_depend_on_the_scale(images):
    d2 = squared_distances(images.double())
    small, large = sigma_for_perplexity(d2, 30.0), sigma_for_perplexity(1e6 * d2, 30.0)
    torch.testing.assert_close(large, 1e3 * small, rtol=1e-4, atol=0)


def test_a_perplexity_just_within_reach_is_reached():
    d2 = squared_distances(torch.randn(10, 3, dtype=torch.float64))
    found = perplexity(neighbour_probability(d2, sigma_for_perplexity(d2, 8.9)))
    assert (found / 8.9 - 1).abs().max() < 1e-5


def simplex_and_a_pair():
    """Six points as far from each other, but for rounding, and two that are nearer."""
    rotation, _ = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64))
    pair = torch.full((2, 6), 5.0, dtype=torch.float64)
    pair[1, 0] += 0.1
    return squared_distances(1000 * torch.cat([torch.eye(6).double() @ rotation, pair]))


def test_as_many_equally_near_neighbours_as_wanted_are_no_duplicates():
    d2 = simplex_and_a_pair()
    found = perplexity(neighbour_probability(d2, sigma_for_perplexity(d2, 5.0)))
    assert (found / 5 - 1).abs().max() < 1e-5


def test_more_equally_near_neighbours_than_wanted_are_a_clear_error_wherever_they_are():
    with pytest.raises(ValueError, match="got point [0-5] with 5 equally near ones"):
        sigma_for_perplexity(simplex_and_a_pair(), 3.0)


def test_two_points_are_neighbours():
    d2 = squared_distances(torch.tensor([[0.0, 0.0], [3.0, 4.0]]))
    assert d2.tolist() == [[0, 25], [25, 0]]
    assert neighbour_probability(d2, 1.0).tolist() == [[0, 1], [1, 0]]


def test_some_duplicates_do_no_harm(images):
    d2 = squared_distances(torch.cat([images, images[:5], images[:5]]).double())
    found = perplexity(neighbour_probability(d2, sigma_for_perplexity(d2, 30.0)))
    assert (found / 30 - 1).abs().max() < 1e-5


@pytest.mark.parametrize(
    "x, wanted, said",
    [
        (torch.randn(10, 2), 9.0, r"below N - 1 = 9, got 9"),
        (torch.randn(10, 2), 1.0, r"above 1 and below N - 1 = 9, got 1"),
        (
            torch.ones(10, 2),
            3.0,
            "with 9 equally near ones, more than the perplexity 3: remove duplicates",
        ),
        (
            torch.cat([torch.zeros(8, 2), torch.ones(8, 2)]),
            3.0,
            "got point 0 with 7 equally near ones",
        ),
    ],
)
def test_a_perplexity_out_of_reach_is_a_clear_error(x, wanted, said):
    with pytest.raises(ValueError, match=said):
        sigma_for_perplexity(squared_distances(x), wanted)


def test_p_is_scikit_learns_and_nearer_to_the_perplexity():
    x = load_mnist("train").images[:1000].flatten(1)
    d2 = squared_distances(x.double())
    ours = symmetric_gauss_neighbour_probability(x.double(), wanted=30.0)
    single = d2.numpy().astype(np.float32)
    theirs = torch.tensor(squareform(_joint_probabilities(single, 30.0, verbose=0)))
    assert (ours - theirs / theirs.sum()).abs().sum() < 1e-5

    def deviation(p):
        return (perplexity(p) - 30).abs().max()

    conditional = torch.tensor(_utils._binary_search_perplexity(single, 30.0, 0)).double()
    found = neighbour_probability(d2, sigma_for_perplexity(d2, 30.0))
    assert deviation(found) < deviation(conditional)


def test_p_is_symmetric_sums_to_one_and_has_no_self_neighbours(images):
    for p in (
        symmetric_gauss_neighbour_probability(images, sigma=10.0),
        symmetric_gauss_neighbour_probability(images, wanted=30.0),
    ):
        assert torch.equal(p, p.T) and (p.diagonal() == 0).all()
        assert p.sum().item() == pytest.approx(1, abs=1e-5)


def test_p_is_the_mean_of_both_directions():
    x, sigma = torch.randn(7, 3, dtype=torch.float64), torch.rand(7, dtype=torch.float64) + 0.5
    p = neighbour_probability(squared_distances(x), sigma)
    by_hand = torch.tensor([[(p[i, j] + p[j, i]) / 14 for j in range(7)] for i in range(7)])
    torch.testing.assert_close(symmetric_gauss_neighbour_probability(x, sigma), by_hand)


def test_p_is_where_the_points_are(elsewhere):
    x = torch.randn(10, 3)
    with elsewhere():
        results = [
            symmetric_gauss_neighbour_probability(x, **s) for s in ({"sigma": 1.0}, {"wanted": 4.0})
        ]
    assert all(result.dtype == x.dtype and result.device == x.device for result in results)


def test_bad_arguments_are_clear_errors():
    x = torch.randn(5, 2)
    for bad, said in (
        ({}, "either sigma or a wanted perplexity"),
        ({"sigma": 1.0, "wanted": 2.0}, "either sigma or"),
        ({"sigma": 0.0}, "sigma > 0, got 0"),
        ({"sigma": -1.0}, "sigma > 0, got -1"),
    ):
        with pytest.raises(ValueError, match=said):
            symmetric_gauss_neighbour_probability(x, **bad)
    for bad in (torch.randn(5, 1, 28, 28), torch.randn(1, 3), torch.ones(5, 2, dtype=torch.long)):
        with pytest.raises(ValueError, match=r"expected x of shape \(N, D\), floating point"):
            squared_distances(bad)
    with pytest.raises(ValueError, match="expected floating-point numbers, got torch.int64"):
        neighbour_probability(torch.ones(5, 5, dtype=torch.long), 1.0)
    with pytest.raises(ValueError, match="expected a square matrix"):
        neighbour_probability(torch.rand(4, 5), 1.0)
