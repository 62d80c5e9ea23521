"""Integration over a two-dimensional z against closed forms, scipy, and a plain grid without any squares left out."""

import math

import pytest
import torch
from scipy.integrate import dblquad
from test_likelihood import LinearGaussian
from torch import distributions as td

from probnn import DiagonalGaussian, log_bernoulli, log_joint, log_marginal, log_marginal_quadrature, log_normal, mlp_generator, quadrature


def test_log_marginal_is_the_closed_form():
    model = LinearGaussian()
    torch.testing.assert_close(log_marginal_quadrature(model.loglik, model.x), model.log_marginal(), rtol=0, atol=1e-8)


def test_kl_from_the_exact_posterior_is_the_closed_form():
    model = LinearGaussian()
    q = model.rough_posterior()
    exact = td.kl_divergence(td.Independent(td.Normal(*q), 1), td.Independent(td.Normal(*model.posterior()), 1))
    torch.testing.assert_close(quadrature(model.loglik, model.x, q).kl, exact, rtol=0, atol=1e-8)
    assert quadrature(model.loglik, model.x, model.posterior()).kl.abs().max() < 1e-8


def two_peaks(x, z, width=0.05, centres=((-2.0, 1.0), (2.5, -1.5)), weights=(0.2, 0.8)):
    """A likelihood with two narrow peaks, p(x) known: the same for every x."""
    peaks = [math.log(w) + log_normal(z, torch.tensor(c, dtype=z.dtype), width).sum(-1) for w, c in zip(weights, centres)]
    return torch.logaddexp(*peaks).expand(*z.shape[:-2], len(x))


def test_two_narrow_peaks_far_apart_are_both_found():
    exact = math.log(sum(w * math.exp(log_normal(torch.tensor(c), 0.0, math.sqrt(1 + 0.05**2)).sum()) for w, c in ((0.2, (-2.0, 1.0)), (0.8, (2.5, -1.5)))))
    result = log_marginal_quadrature(two_peaks, torch.zeros(3, 1, dtype=torch.float64))
    torch.testing.assert_close(result, torch.full((3,), exact, dtype=torch.float64), rtol=0, atol=1e-5)


def test_kl_of_a_q_on_one_of_two_peaks_is_minus_the_log_of_its_share():
    x = torch.zeros(1, 1, dtype=torch.float64)
    shrink = 1 + 0.05**2
    q = DiagonalGaussian(torch.tensor([[2.5, -1.5]], dtype=torch.float64) / shrink, torch.full((1, 2), 0.05 / math.sqrt(shrink), dtype=torch.float64))
    joint = [math.log(w) + log_normal(torch.tensor(c), 0.0, math.sqrt(shrink)).sum().item() for w, c in ((0.2, (-2.0, 1.0)), (0.8, (2.5, -1.5)))]
    share = 1 / (1 + math.exp(joint[0] - joint[1]))
    assert quadrature(two_peaks, x, q).kl.item() == pytest.approx(-math.log(share), abs=1e-6)


def test_kl_counts_where_q_lies_and_the_posterior_does_not():
    model = LinearGaussian()
    q = DiagonalGaussian(model.posterior().mu + 3.0, torch.full((5, 2), 0.1, dtype=torch.float64))
    exact = td.kl_divergence(td.Independent(td.Normal(*q), 1), td.Independent(td.Normal(*model.posterior()), 1))
    torch.testing.assert_close(quadrature(model.loglik, model.x, q).kl, exact, rtol=1e-8, atol=0)


WEIGHTS = torch.randn(2, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) * 2


def saturating(x, z):
    return log_bernoulli(x, torch.tanh(z @ WEIGHTS) * 3).sum(-1)


def test_it_is_scipys_where_nothing_is_gaussian():
    x = (torch.rand(1, 30, dtype=torch.float64) < 0.5).double()
    integrand = lambda b, a: log_joint(saturating, x, torch.tensor([[[a, b]]], dtype=torch.float64)).exp().item() * 1e6  # noqa: E731
    value, _ = dblquad(integrand, -5, 5, -5, 5, epsabs=1e-9, epsrel=1e-5)
    assert log_marginal_quadrature(saturating, x).item() == pytest.approx(math.log(value / 1e6), abs=1e-5)


def test_importance_sampling_agrees_with_it():
    x = (torch.rand(4, 30, dtype=torch.float64) < 0.5).double()
    prior = DiagonalGaussian(torch.zeros(4, 2, dtype=torch.float64), torch.ones(4, 2, dtype=torch.float64))
    sampled = log_marginal(saturating, x, prior, samples=200_000, max_rows=40_000)
    assert ((sampled.estimate - log_marginal_quadrature(saturating, x)).abs() < 5 * sampled.standard_error).all()


def test_leaving_out_negligible_squares_changes_nothing_for_an_image_generator():
    torch.manual_seed(0)
    generator = mlp_generator(d=2, hidden=(50,)).double()
    x = (torch.rand(3, 1, 28, 28, dtype=torch.float64) < 0.5).double()
    axis = (torch.arange(256, dtype=torch.float64) + 0.5) / 16 - 8
    with torch.no_grad():
        plain = torch.cat([log_joint(generator.loglik, x, z) for z in torch.cartesian_prod(axis, axis)[:, None].split(4096)]).logsumexp(0) - 2 * math.log(16)
    torch.testing.assert_close(log_marginal_quadrature(generator.loglik, x, spacing=1 / 16), plain, rtol=0, atol=1e-6)


def test_bad_arguments_are_clear_errors():
    model = LinearGaussian()
    with pytest.raises(ValueError, match="spacing above 0 and at most 0.125, got 0.2"):
        log_marginal_quadrature(model.loglik, model.x, spacing=0.2)
    with pytest.raises(ValueError, match="one q per image, got x of shape"):
        quadrature(model.loglik, model.x[:3], model.posterior())
    for bad in (DiagonalGaussian(model.posterior().mu + 7, model.posterior().sigma), DiagonalGaussian(model.posterior().mu, model.posterior().sigma / 100)):
        with pytest.raises(ValueError, match="every q to integrate to 1 on the grid, got"):
            quadrature(model.loglik, model.x, bad)
