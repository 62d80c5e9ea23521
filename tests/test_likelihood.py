"""The ELBO and log p(x) against models whose marginal likelihood is known: in closed form, by quadrature, or because z is ignored."""

import math

import pytest
import torch
from torch import distributions as td

from probnn import (
    DiagonalGaussian,
    elbo,
    log_bernoulli,
    log_marginal,
    log_normal,
    log_weights,
    mean_and_se,
    over_batches,
)

NOISE = 0.7


class LinearGaussian:
    """x | z ~ N(A z + b, NOISE^2 I), z ~ N(0, I): marginal N(b, A A^T + NOISE^2 I), posterior Gaussian with covariance S."""

    def __init__(self, d=2, pixels=6):
        generator = torch.Generator().manual_seed(1)
        self.a, _ = torch.linalg.qr(torch.randn(pixels, d, generator=generator, dtype=torch.float64))
        self.a = self.a * torch.tensor([2.0, 0.8, 1.3][:d], dtype=torch.float64)  # orthogonal columns: a diagonal posterior
        self.b = torch.randn(pixels, generator=generator, dtype=torch.float64)
        z = torch.randn(5, d, generator=generator, dtype=torch.float64)
        self.x = z @ self.a.T + self.b + NOISE * torch.randn(5, pixels, generator=generator, dtype=torch.float64)

    def loglik(self, x, z):
        return log_normal(x, z @ self.a.T + self.b, NOISE).sum(-1)

    def log_marginal(self):
        covariance = self.a @ self.a.T + NOISE**2 * torch.eye(len(self.b), dtype=torch.float64)
        return td.MultivariateNormal(self.b, covariance).log_prob(self.x)

    def posterior(self):
        precision = 1 + (self.a**2).sum(0) / NOISE**2
        mu = (self.x - self.b) @ self.a / NOISE**2 / precision
        return DiagonalGaussian(mu, precision.rsqrt().expand_as(mu))

    def rough_posterior(self):
        mu, sigma = self.posterior()
        return DiagonalGaussian(mu + 0.1, sigma * 1.3)


@pytest.fixture
def model():
    return LinearGaussian()


def test_a_generator_that_ignores_z_has_every_weight_equal_to_log_p():
    x = torch.rand(4, 3)
    prior = DiagonalGaussian(torch.zeros(4, 2), torch.ones(4, 2))
    loglik = lambda x, z: log_bernoulli(x, torch.tensor(0.3)).sum(-1).expand(z.shape[:-1])  # noqa: E731
    exact = log_bernoulli(x, torch.tensor(0.3)).sum(-1)
    torch.testing.assert_close(log_weights(loglik, x, prior, 6), exact.expand(6, 4))
    torch.testing.assert_close(elbo(loglik, x, prior), exact)
    result = log_marginal(loglik, x, prior, samples=7)
    torch.testing.assert_close(result.estimate, exact)
    torch.testing.assert_close(result.effective_samples, torch.full((4,), 7.0))
    assert result.standard_error.abs().max() < 1e-3


def test_with_the_exact_posterior_every_weight_is_the_marginal(model):
    log_w = log_weights(model.loglik, model.x, model.posterior(), 10)
    torch.testing.assert_close(log_w, model.log_marginal().expand(10, 5))


def test_log_marginal_is_that_of_the_closed_form(model):
    result = log_marginal(model.loglik, model.x, model.rough_posterior(), samples=20_000)
    assert ((result.estimate - model.log_marginal()).abs() < 5 * result.standard_error).all()
    assert (result.standard_error < 0.02).all()


def test_its_standard_error_is_the_spread_between_repetitions(model):
    runs = [log_marginal(model.loglik, model.x, model.rough_posterior(), samples=200) for _ in range(300)]
    spread = torch.stack([r.estimate for r in runs]).std(0)
    claimed = torch.stack([r.standard_error for r in runs]).mean(0)
    assert ((claimed / spread - 1).abs() < 5 / math.sqrt(2 * 299)).all()  # relative error of a standard deviation


def test_elbo_is_log_p_minus_the_kl_to_the_posterior(model):
    q, posterior = model.rough_posterior(), model.posterior()
    gap = td.kl_divergence(td.Independent(td.Normal(*q), 1), td.Independent(td.Normal(*posterior), 1))
    values = torch.stack([elbo(model.loglik, model.x, q, 100) for _ in range(100)])
    assert ((values.mean(0) - (model.log_marginal() - gap)).abs() < 5 * values.std(0) / 10).all()


def test_the_sampled_elbo_has_the_same_mean_as_the_one_with_a_closed_form_kl(model):
    q = model.rough_posterior()
    sampled, closed = log_weights(model.loglik, model.x, q, 20_000), torch.stack([elbo(model.loglik, model.x, q) for _ in range(20_000)])
    error = ((sampled.var(0) + closed.var(0)) / 20_000).sqrt()
    assert ((sampled.mean(0) - closed.mean(0)).abs() < 5 * error).all()


def test_the_bound_rises_with_the_number_of_samples_and_stays_below_log_p(model):
    log_w = log_weights(model.loglik, model.x, model.rough_posterior(), 64 * 500).reshape(500, 64, 5)
    bounds = [log_w[:, :k].logsumexp(1).sub(math.log(k)).mean((0, 1)) for k in (1, 8, 64)]
    assert bounds[0] < bounds[1] < bounds[2] < model.log_marginal().mean() + 1e-3


def test_streaming_gives_what_all_weights_at_once_give(model):
    q = model.rough_posterior()
    torch.manual_seed(1)
    streamed = log_marginal(model.loglik, model.x, q, samples=101, max_rows=10)  # two samples of five images at a time
    torch.manual_seed(1)
    log_w = torch.cat([log_weights(model.loglik, model.x, q, 2 if k < 100 else 1) for k in range(0, 101, 2)])
    w = (log_w - log_w.amax(0)).exp()
    torch.testing.assert_close(streamed.estimate, log_w.logsumexp(0) - math.log(101))
    torch.testing.assert_close(streamed.effective_samples, w.sum(0) ** 2 / (w**2).sum(0))
    torch.testing.assert_close(streamed.elbo, log_w.mean(0))
    torch.testing.assert_close(streamed.standard_error, w.std(0) / math.sqrt(101) / w.mean(0))


def test_streaming_decodes_a_bounded_number_of_images_at_a_time(model):
    rows = []

    def loglik(x, z):
        rows.append(z.shape[0] * z.shape[1])
        return model.loglik(x, z)

    log_marginal(loglik, model.x, model.posterior(), samples=10_000, max_rows=1000)
    assert max(rows) <= 1000 and sum(rows) == 50_000


def test_weights_far_below_the_smallest_float_do_not_underflow():
    x, q = torch.zeros(1, 1), DiagonalGaussian(torch.zeros(1, 1), torch.ones(1, 1))
    far = log_marginal(lambda x, z: torch.full(z.shape[:-1], -1e5) + z.sum(-1) * 0, x, q, samples=50)
    assert far.estimate.item() == pytest.approx(-1e5)


def test_one_sample_has_no_standard_error(model):
    result = log_marginal(model.loglik, model.x, model.posterior(), samples=1)
    assert result.standard_error.isnan().all() and (result.effective_samples == 1).all()


def test_the_gradient_of_the_elbo_is_that_of_the_closed_form(model):
    mu, log_sigma = (t.clone().requires_grad_() for t in (model.posterior().mu + 0.3, model.posterior().sigma.log() + 0.2))
    q = DiagonalGaussian(mu, log_sigma.exp())
    exact = -td.kl_divergence(td.Independent(td.Normal(*q), 1), td.Independent(td.Normal(*model.posterior()), 1)).sum()
    expected = torch.autograd.grad(exact, (mu, log_sigma), retain_graph=True)
    draws = [torch.autograd.grad(elbo(model.loglik, model.x, q, 50).sum(), (mu, log_sigma), retain_graph=True) for _ in range(200)]
    for truth, sampled in zip(expected, zip(*draws)):
        sampled = torch.stack(sampled)
        assert ((sampled.mean(0) - truth).abs() < 5 * sampled.std(0) / math.sqrt(200) + 1e-9).all()


@pytest.mark.parametrize("f", [log_weights, elbo, log_marginal])
def test_bad_arguments_are_clear_errors(f, model):
    with pytest.raises(ValueError, match="samples >= 1, got 0"):
        f(model.loglik, model.x, model.posterior(), 0)
    with pytest.raises(ValueError, match=r"one q per image, got x of shape \(3, 6\)"):
        f(model.loglik, model.x[:3], model.posterior(), 1)


def test_over_batches_gives_one_number_per_image_whatever_the_batch_size():
    x = torch.randn(10, 3)
    for batch_size in (1, 3, 10, 99):
        assert torch.equal(over_batches(lambda x: x.sum(1), x, batch_size=batch_size), x.sum(1))


def test_over_batches_joins_named_tuples_and_takes_several_tensors(model):
    q = over_batches(lambda x, y: DiagonalGaussian(x, y), torch.zeros(5, 2), torch.ones(5, 2), batch_size=2)
    assert isinstance(q, DiagonalGaussian) and q.mu.shape == (5, 2) and q.sigma.min() == 1


def test_mean_and_standard_error_are_numpys():
    values = torch.randn(1000, dtype=torch.float64)
    mean, error = mean_and_se(values)
    assert mean == pytest.approx(values.numpy().mean())
    assert error == pytest.approx(values.numpy().std(ddof=1) / math.sqrt(1000))


@pytest.mark.parametrize("max_rows", [1, 7, 1000])
def test_samples_of_weight_zero_count_as_zero_wherever_they_come(max_rows):
    torch.manual_seed(0)
    positive = lambda x, z: torch.where(z[..., 0] > 0, 0.0, -math.inf).expand(*z.shape[:-2], len(x))  # noqa: E731
    prior = DiagonalGaussian(torch.zeros(1, 1), torch.ones(1, 1))
    for _ in range(20):
        result = log_marginal(positive, torch.zeros(1, 1), prior, samples=1000, max_rows=max_rows)
        assert abs(result.estimate.item() - math.log(0.5)) < 5 * result.standard_error.item()
        assert result.standard_error.item() == pytest.approx(1000**-0.5, rel=0.2)  # sd(w) / mean(w) = 1
    nothing = log_marginal(lambda x, z: torch.full((*z.shape[:-2], len(x)), -math.inf), torch.zeros(1, 1), prior, samples=10, max_rows=max_rows)
    assert nothing.estimate.item() == nothing.elbo.item() == -math.inf
