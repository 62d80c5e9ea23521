"""Integration over a two-dimensional z against closed forms, scipy, and a plain grid."""

import math

import pytest
import torch
from scipy.integrate import dblquad
from torch import distributions as td
from truths import WIDTH, LinearGaussian, independent, log_joint_of_peaks, two_peaks

from probnn.densities import DiagonalGaussian, log_bernoulli, log_normal
from probnn.inference import log_joint, log_marginal, log_marginal_quadrature, quadrature
from probnn.models import mlp_generator


def close(a, b, rtol=0.0, atol=0.0):
    torch.testing.assert_close(a, b, rtol=rtol, atol=atol)


def test_log_marginal_is_the_closed_form():
    model = LinearGaussian()
    close(log_marginal_quadrature(model.loglik, model.x), model.log_marginal(), atol=1e-8)


def test_kl_from_the_exact_posterior_is_the_closed_form():
    model = LinearGaussian()
    q = model.rough_posterior()
    exact = td.kl_divergence(independent(q), independent(model.posterior()))
    result = quadrature(model.loglik, model.x, q)
    close(result.kl, exact, atol=1e-8)
    close(result.log_marginal, model.log_marginal(), atol=1e-8)
    assert quadrature(model.loglik, model.x, model.posterior()).kl.abs().max() < 1e-8


def test_two_narrow_peaks_far_apart_are_both_found():
    exact = math.log(sum(map(math.exp, log_joint_of_peaks())))
    result = log_marginal_quadrature(two_peaks, torch.zeros(3, 1, dtype=torch.float64))
    close(result, torch.full((3,), exact, dtype=torch.float64), atol=1e-5)


def test_kl_of_a_q_on_one_of_two_peaks_is_minus_the_log_of_its_share():
    x = torch.zeros(1, 1, dtype=torch.float64)
    shrink = 1 + WIDTH**2
    mu = torch.tensor([[2.5, -1.5]], dtype=torch.float64) / shrink
    q = DiagonalGaussian(mu, torch.full_like(mu, WIDTH / math.sqrt(shrink)))
    other, own = log_joint_of_peaks()
    share = 1 / (1 + math.exp(other - own))
    assert quadrature(two_peaks, x, q).kl.item() == pytest.approx(-math.log(share), abs=1e-6)


def test_kl_counts_where_q_lies_and_the_posterior_does_not():
    model = LinearGaussian()
    q = DiagonalGaussian(model.posterior().mu + 3.0, torch.full((5, 2), 0.1, dtype=torch.float64))
    exact = td.kl_divergence(independent(q), independent(model.posterior()))
    close(quadrature(model.loglik, model.x, q).kl, exact, rtol=1e-8)


WEIGHTS = torch.randn(2, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) * 2


def saturating(x, z):
    return log_bernoulli(x, torch.tanh(z @ WEIGHTS) * 3).sum(-1)


def test_it_is_scipys_where_nothing_is_gaussian():
    x = (torch.rand(1, 30, dtype=torch.float64) < 0.5).double()

    def integrand(b, a):
        z = torch.tensor([[[a, b]]], dtype=torch.float64)
        return log_joint(saturating, x, z).exp().item() * 1e6

    value, _ = dblquad(integrand, -5, 5, -5, 5, epsabs=1e-9, epsrel=1e-5)
    found = log_marginal_quadrature(saturating, x).item()
    assert found == pytest.approx(math.log(value / 1e6), abs=1e-5)


def test_importance_sampling_agrees_with_it():
    x = (torch.rand(4, 30, dtype=torch.float64) < 0.5).double()
    zero = torch.zeros(4, 2, dtype=torch.float64)
    prior = DiagonalGaussian(zero, torch.ones_like(zero))
    sampled = log_marginal(saturating, x, prior, samples=200_000, max_rows=40_000)
    difference = sampled.estimate - log_marginal_quadrature(saturating, x)
    assert (difference.abs() < 5 * sampled.standard_error).all()


def test_leaving_out_negligible_squares_changes_nothing_for_an_image_generator():
    torch.manual_seed(0)
    generator = mlp_generator(d=2, hidden=(50,)).double()
    x = (torch.rand(3, 1, 28, 28, dtype=torch.float64) < 0.5).double()
    axis = (torch.arange(256, dtype=torch.float64) + 0.5) / 16 - 8
    grid = torch.cartesian_prod(axis, axis)[:, None]
    with torch.no_grad():
        joint = torch.cat([log_joint(generator.loglik, x, z) for z in grid.split(4096)])
    plain = joint.logsumexp(0) - 2 * math.log(16)
    close(log_marginal_quadrature(generator.loglik, x, spacing=1 / 16), plain, atol=1e-6)


def uniform(x, z):
    return torch.zeros(*z.shape[:-2], len(x), dtype=z.dtype)


def test_the_integral_ends_at_the_limit():
    x = torch.zeros(1, 1, dtype=torch.float64)
    inside = 2 * math.log(math.erf(1 / math.sqrt(2)))  # of the prior, one standard deviation wide
    assert log_marginal_quadrature(uniform, x, limit=1.0).item() == pytest.approx(inside, abs=1e-3)


def test_images_of_very_different_likelihoods_do_not_disturb_each_other():
    x = torch.tensor([[0.0], [-100.0]], dtype=torch.float64)
    close(log_marginal_quadrature(lambda x, z: uniform(x, z) + x[:, 0], x), x[:, 0], atol=1e-6)


def test_images_in_whole_numbers_are_integrated_as_well():
    x = torch.tensor([[0], [-3]])
    found = log_marginal_quadrature(lambda x, z: uniform(x, z) + x[:, 0], x, spacing=0.125)
    close(found, x[:, 0].float(), atol=1e-4)


def test_the_limit_is_eight_standard_deviations_by_default():
    x = torch.zeros(1, 1, dtype=torch.float64)

    def far(x, z):
        return torch.where(z[..., 0] > 8, 100.0, 0.0) + uniform(x, z)

    assert log_marginal_quadrature(far, x).item() == pytest.approx(0, abs=1e-6)
    without_q = quadrature(far, x, None)
    assert without_q.log_marginal.item() == pytest.approx(0, abs=1e-6) and without_q.kl.isnan()


def test_the_widest_spacing_is_exact_where_the_posterior_is_wider():
    model = LinearGaussian()
    exact = model.log_marginal()
    close(log_marginal_quadrature(model.loglik, model.x, spacing=0.125), exact, atol=1e-6)


def test_the_integrals_are_where_the_images_are(elsewhere):
    x = torch.zeros(1, 2)
    q = DiagonalGaussian(x, torch.full((1, 2), 0.5))
    with elsewhere():
        result = quadrature(lambda x, z: log_normal(x, z).sum(-1), x, q, spacing=0.125)
    assert all(value.device == x.device and value.dtype == x.dtype for value in result)


def test_bad_arguments_are_clear_errors():
    model = LinearGaussian()
    with pytest.raises(ValueError, match="spacing above 0 and at most 0.125, got 0.2"):
        log_marginal_quadrature(model.loglik, model.x, spacing=0.2)
    with pytest.raises(ValueError, match="spacing above 0 and at most 0.125, got 0"):
        log_marginal_quadrature(model.loglik, model.x, spacing=0.0)
    with pytest.raises(ValueError, match="one q per image, got x of shape"):
        quadrature(model.loglik, model.x[:3], model.posterior())
    mu, sigma = model.posterior()
    for bad in (DiagonalGaussian(mu + 7, sigma), DiagonalGaussian(mu, sigma / 100)):
        with pytest.raises(ValueError, match="every q to integrate to 1 on the grid, got"):
            quadrature(model.loglik, model.x, bad)


@pytest.mark.parametrize(
    "mu, sigma, mass",
    [(9.0, 0.5, "0.0005"), (1 / 64, 0.0098, "1.6")],
    ids=["outside", "on a point of the grid"],
)
def test_one_q_that_the_grid_does_not_hold_is_found_among_others(mu, sigma, mass):
    x, good = torch.zeros(3, 1, dtype=torch.float64), torch.ones(1, 2, dtype=torch.float64)
    bad = DiagonalGaussian(torch.full_like(good, mu), torch.full_like(good, sigma))
    q = DiagonalGaussian(torch.cat([good, bad.mu, good]), torch.cat([good, bad.sigma, good]))
    with pytest.raises(ValueError, match=rf"got {mass}\d* for mu \[{mu}, {mu}\]"):
        quadrature(uniform, x, q)
