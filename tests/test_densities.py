"""Densities, samplers and divergences against torch and scipy, also at extreme arguments."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import distributions as td

from probnn.densities import (
    DiagonalGaussian,
    kl_bernoulli,
    kl_normal,
    log_bernoulli,
    log_continuous_bernoulli,
    log_normal,
    sample_bernoulli,
    sample_continuous_bernoulli,
    sample_normal,
)

LOGITS = torch.tensor(
    [-1e4, -200, -30, -3, -0.5, -1e-3, 0, 1e-3, 0.5, 3, 30, 200, 1e4], dtype=torch.float64
)
SIGMAS = torch.tensor([1e-6, 1e-2, 1, 1e3, 1e6], dtype=torch.float64)


def close(a, b, rtol=1e-9, atol=1e-12):
    torch.testing.assert_close(a, torch.as_tensor(b, dtype=a.dtype), rtol=rtol, atol=atol)


def test_log_normal_is_that_of_torch_and_scipy():
    z = torch.tensor([-5.0, 0, 1e-6, 2], dtype=torch.float64)[:, None]
    close(log_normal(z, 0.3, SIGMAS), td.Normal(0.3, SIGMAS).log_prob(z))
    close(log_normal(z, 0.3, SIGMAS), stats.norm.logpdf(z, 0.3, SIGMAS))


def test_log_normal_keeps_its_minus_log_sigma():
    exact = -math.log(1e-6) - 0.5 * math.log(2 * math.pi)
    close(log_normal(torch.zeros(1, dtype=torch.float64), 0.0, 1e-6), [exact])


@pytest.mark.parametrize("x", [0.0, 0.3, 1.0])
def test_log_bernoulli_is_that_of_torch(x):
    x = torch.tensor(x, dtype=torch.float64)
    close(log_bernoulli(x, LOGITS), td.Bernoulli(logits=LOGITS, validate_args=False).log_prob(x))


def test_log_bernoulli_stays_finite_where_the_log_of_a_sigmoid_does_not():
    logits = torch.tensor([-200.0, -1e4, 1e4], requires_grad=True)
    x = torch.tensor([1.0, 1.0, 0.0])
    values = log_bernoulli(x, logits)
    assert torch.sigmoid(logits).log()[0].isinf()
    assert values.tolist() == [-200.0, -1e4, -1e4]
    (gradient,) = torch.autograd.grad(values.sum(), logits)
    assert gradient.tolist() == [1.0, 1.0, -1.0]


def test_log_bernoulli_of_a_grey_pixel_averages_over_binary_pixels():
    grey, logits = torch.tensor(0.3, dtype=torch.float64), LOGITS
    ones = log_bernoulli(torch.ones_like(grey), logits)
    zeros = log_bernoulli(torch.zeros_like(grey), logits)
    close(log_bernoulli(grey, logits), 0.3 * ones + 0.7 * zeros)


@pytest.mark.parametrize("x", [0.0, 0.3, 1.0])
def test_log_continuous_bernoulli_is_that_of_torch(x):
    logits = LOGITS[LOGITS.abs() < 30]  # torch works from probabilities, and clamps them beyond
    x = torch.tensor(x, dtype=torch.float64)
    reference = td.ContinuousBernoulli(logits=logits, lims=(0.4999, 0.5001)).log_prob(x)
    close(log_continuous_bernoulli(x, logits), reference, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("logit", [-1e4, -30.0, -0.5, 0.0, 0.02, 3.0, 200.0])
def test_log_continuous_bernoulli_integrates_to_one(logit):
    def density(x):
        x, logits = torch.tensor([x, logit], dtype=torch.float64)
        return log_continuous_bernoulli(x, logits).exp().item()

    edge = min(0.5, 40 / max(abs(logit), 1))
    pieces = [(0, edge), (edge, 1 - edge), (1 - edge, 1)]
    total = sum(integrate.quad(density, a, b, epsabs=1e-12)[0] for a, b in pieces)
    assert total == pytest.approx(1, abs=1e-9)


def test_log_continuous_bernoulli_at_extreme_logits_is_an_exponential_at_the_edge():
    x = torch.tensor([1.0, 0.0, 1 - 2e-4], dtype=torch.float64)
    logits = torch.tensor([1e4, -1e4, 1e4], dtype=torch.float64)
    exact = [math.log(1e4), math.log(1e4), math.log(1e4) - 2]
    close(log_continuous_bernoulli(x, logits), exact, rtol=1e-8)


def test_gradients_of_the_continuous_bernoulli_are_finite_and_right_at_logit_zero():
    logits = torch.tensor([0.0, 1e-3, -5e-3, 2.0], dtype=torch.float64, requires_grad=True)
    x = torch.tensor(0.7, dtype=torch.float64)
    assert torch.autograd.gradcheck(partial(log_continuous_bernoulli, x), logits)


def test_log_continuous_bernoulli_has_no_step_where_the_formula_changes():
    logits = torch.tensor([0.00999999, 0.01000001], dtype=torch.float64)
    below, above = log_continuous_bernoulli(torch.tensor(0.5, dtype=torch.float64), logits)
    assert abs(below - above) < 1e-8


def test_normal_samples_have_their_distribution():
    z = sample_normal(torch.tensor(2.0), torch.tensor(0.5), 20_000)
    assert stats.kstest(z.numpy(), stats.norm(2, 0.5).cdf).pvalue > 1e-6  # five standard errors


def test_normal_samples_are_reparameterised():
    mu = torch.tensor([1.0, 2.0], requires_grad=True)
    sigma = torch.tensor([0.5, 3.0], requires_grad=True)
    z = sample_normal(mu, sigma, 4)
    gradient_mu, gradient_sigma = torch.autograd.grad(z.sum(), (mu, sigma))
    close(gradient_mu, [4.0, 4.0])
    close(gradient_sigma, ((z - mu) / sigma).sum(0).detach(), rtol=1e-5, atol=1e-6)


def test_normal_samples_have_all_digits_of_their_type():
    z = sample_normal(torch.zeros(100, dtype=torch.float64), torch.tensor(1.0))
    assert not torch.equal(z, z.float().double())


def test_normal_samples_are_independent_across_samples_and_images():
    z = sample_normal(torch.zeros(2), torch.ones(2), 20_000)
    assert abs(np.corrcoef(z[:, 0], z[:, 1])[0, 1]) < 5 / math.sqrt(20_000)
    assert abs(np.corrcoef(z[:-1, 0], z[1:, 0])[0, 1]) < 5 / math.sqrt(20_000)


def test_bernoulli_samples_have_their_mean():
    x = sample_bernoulli(torch.tensor(-1.0).expand(20_000))
    p = torch.sigmoid(torch.tensor(-1.0)).item()
    assert set(x.unique().tolist()) == {0.0, 1.0}
    assert abs(x.mean().item() - p) < 5 * math.sqrt(p * (1 - p) / 20_000)


@pytest.mark.parametrize("logit", [-200.0, -2.0, 0.0, 5e-4, 0.5, 30.0])
def test_continuous_bernoulli_samples_have_their_distribution(logit):
    x = sample_continuous_bernoulli(torch.full((20_000,), logit, dtype=torch.float64)).numpy()

    def cdf(t):
        if abs(logit) < 1e-3:
            return t
        return np.expm1(logit * np.asarray(t)) / math.expm1(logit)

    assert stats.kstest(x, cdf).pvalue > 1e-6


def test_continuous_bernoulli_samples_follow_their_logits():
    """The gradient of a draw is -(dF/dlogit) / p, which keeps its place F among all draws."""
    chosen = torch.tensor([-3.0, -0.5, -5e-4, 5e-4, 0.5, 3.0], dtype=torch.float64)
    logits = chosen.repeat(50, 1).requires_grad_()
    x = sample_continuous_bernoulli(logits)
    (gradient,) = torch.autograd.grad(x.sum(), logits)
    x, again = x.detach(), logits.detach().requires_grad_()
    place = torch.expm1(again * x) / torch.expm1(again)
    (change,) = torch.autograd.grad(place.sum(), again)
    density = again * (again * x).exp() / torch.expm1(again)
    close(gradient, -change / density, rtol=1e-6, atol=5e-5)


def test_continuous_bernoulli_samples_stay_inside_at_extreme_logits():
    x = sample_continuous_bernoulli(torch.tensor([-1e4, 1e4]).repeat(1000))
    assert ((x >= 0) & (x <= 1)).all() and x[::2].max() < 0.01 and x[1::2].min() > 0.99


def test_kl_normal_is_that_of_torch_in_both_directions():
    mu = torch.tensor([-3.0, 0, 5], dtype=torch.float64)[:, None]
    one = torch.tensor(0.7, dtype=torch.float64), torch.tensor(2.0, dtype=torch.float64)
    q, p = td.Normal(mu, SIGMAS), td.Normal(*one)
    close(kl_normal(mu, SIGMAS, 0.7, 2.0), td.kl_divergence(q, p))
    close(kl_normal(*one, mu, SIGMAS), td.kl_divergence(p, q))


def test_kl_normal_from_the_standard_normal_by_default():
    exact = td.kl_divergence(td.Normal(0.3, SIGMAS), td.Normal(0.0, 1.0))
    close(kl_normal(torch.tensor(0.3, dtype=torch.float64), SIGMAS), exact)


def test_kl_bernoulli_is_that_of_torch():
    moderate = LOGITS[LOGITS.abs() <= 30]
    q, p = torch.meshgrid(moderate, moderate, indexing="ij")
    reference = td.kl_divergence(td.Bernoulli(logits=q), td.Bernoulli(logits=p))
    close(kl_bernoulli(q, p), reference, rtol=1e-6, atol=1e-9)


def test_kl_bernoulli_at_extreme_logits_is_the_log_odds():
    q, p = torch.tensor([1e4, -1e4, 1e4]), torch.tensor([-1e4, 1e4, 1e4])
    close(kl_bernoulli(q, p), [1e4, 1e4, 0.0])


def test_a_diagonal_gaussian_unpacks_and_sums_over_its_last_axis():
    mu, sigma = torch.randn(2, 5, 3, dtype=torch.float64)
    mu, sigma = q = DiagonalGaussian(mu, sigma.abs() + 0.1)
    z = q.sample(7)
    reference = td.Independent(td.Normal(mu, sigma), 1)
    prior = td.Independent(td.Normal(torch.zeros_like(mu), torch.ones_like(mu)), 1)
    close(q.log_density(z), reference.log_prob(z))
    close(q.kl_from_prior(), td.kl_divergence(reference, prior))
    assert z.shape == (7, 5, 3) and q.sample().shape == (5, 3)


def test_the_kl_sums_over_the_last_axis_of_any_batch():
    mu, sigma = torch.randn(2, 4, 5, 3, dtype=torch.float64)
    q = DiagonalGaussian(mu, sigma.abs() + 0.1)
    close(q.kl_from_prior(), td.kl_divergence(td.Normal(*q), td.Normal(0.0, 1.0)).sum(2))


def test_the_kl_is_the_mean_log_ratio():
    mu, sigma = torch.tensor([[[0.5, -1.0]], [[0.3, 2.0]]], dtype=torch.float64)
    q = DiagonalGaussian(mu, sigma)
    z = q.sample(20_000)
    ratio = (q.log_density(z) - log_normal(z).sum(-1)).squeeze(1)
    assert abs(ratio.mean() - q.kl_from_prior().item()) < 5 * ratio.std() / math.sqrt(20_000)


def test_log_normal_of_integers_does_not_truncate_sigma():
    z = torch.tensor([0, 1, 2])
    torch.testing.assert_close(log_normal(z, 0.0, 1.5), td.Normal(0.0, 1.5).log_prob(z.float()))


def test_densities_and_samples_are_where_their_arguments_are(elsewhere):
    z, sigma = torch.zeros(3), torch.ones(3)
    with elsewhere():
        results = log_normal(z, 0.0, 1.5), sample_normal(z, sigma), sample_normal(z, sigma, 2)
    assert all(result.dtype == z.dtype and result.device == z.device for result in results)
