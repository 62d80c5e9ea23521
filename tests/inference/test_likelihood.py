"""The ELBO and log p(x) against models whose log p(x) is known in closed form."""

import inspect
import math

import pytest
import torch
from torch import distributions as td
from truths import CorrelatedLinearGaussian, LinearGaussian, independent

from probnn.densities import DiagonalGaussian, log_bernoulli
from probnn.inference import (
    ApproximatePosterior,
    Generator,
    elbo,
    log_marginal,
    log_weights,
    mean_and_se,
    over_batches,
)
from probnn.models import (
    BernoulliImageGenerator,
    ConditionalBernoulliImageGenerator,
    NameGenerator,
)


@pytest.fixture
def model():
    return LinearGaussian()


def test_a_generator_that_ignores_z_has_every_weight_equal_to_log_p():
    x = torch.rand(4, 3)
    prior = DiagonalGaussian(torch.zeros(4, 2), torch.ones(4, 2))
    exact = log_bernoulli(x, torch.tensor(0.3)).sum(-1)

    def loglik(x, z):
        return log_bernoulli(x, torch.tensor(0.3)).sum(-1).expand(z.shape[:-1])

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
    q = model.rough_posterior()
    runs = [log_marginal(model.loglik, model.x, q, samples=200) for _ in range(300)]
    spread = torch.stack([r.estimate for r in runs]).std(0)
    claimed = torch.stack([r.standard_error for r in runs]).mean(0)
    error = 1 / math.sqrt(2 * 299)  # relative, of a standard deviation
    assert ((claimed / spread - 1).abs() < 5 * error).all()


def test_elbo_is_log_p_minus_the_kl_to_the_posterior(model):
    q, posterior = model.rough_posterior(), model.posterior()
    gap = td.kl_divergence(independent(q), independent(posterior))
    values = torch.stack([elbo(model.loglik, model.x, q, 100) for _ in range(100)])
    assert ((values.mean(0) - (model.log_marginal() - gap)).abs() < 5 * values.std(0) / 10).all()


def test_the_sampled_elbo_has_the_same_mean_as_the_one_with_a_closed_form_kl(model):
    q = model.rough_posterior()
    sampled = log_weights(model.loglik, model.x, q, 20_000)
    closed = torch.stack([elbo(model.loglik, model.x, q) for _ in range(20_000)])
    error = ((sampled.var(0) + closed.var(0)) / 20_000).sqrt()
    assert ((sampled.mean(0) - closed.mean(0)).abs() < 5 * error).all()


def test_the_bound_rises_with_the_number_of_samples_and_stays_below_log_p(model):
    log_w = log_weights(model.loglik, model.x, model.rough_posterior(), 64 * 500)
    log_w = log_w.reshape(500, 64, 5)
    bounds = [log_w[:, :k].logsumexp(1).sub(math.log(k)).mean((0, 1)) for k in (1, 8, 64)]
    assert bounds[0] < bounds[1] < bounds[2] < model.log_marginal().mean() + 1e-3


def test_streaming_gives_what_all_weights_at_once_give(model):
    q, in_twos = model.rough_posterior(), [2] * 50 + [1]  # samples, of five images each
    torch.manual_seed(1)
    streamed = log_marginal(model.loglik, model.x, q, samples=101, max_rows=10)
    torch.manual_seed(1)
    log_w = torch.cat([log_weights(model.loglik, model.x, q, k) for k in in_twos])
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
    rows.clear()
    log_marginal(loglik, model.x, model.posterior(), samples=3, max_rows=1)
    assert rows == [5, 5, 5]  # one sample of every image, at least
    rows.clear()
    one = DiagonalGaussian(*(values[:1] for values in model.posterior()))
    log_marginal(loglik, model.x[:1], one, samples=2000)
    assert rows == [1000, 1000]


def test_images_of_very_different_likelihoods_do_not_disturb_each_other(model):
    x = torch.cat([model.x, model.x + 1000])  # e^-1,000,000 less likely: no float64
    q = DiagonalGaussian(*(values.repeat(2, 1) for values in model.posterior()))
    torch.manual_seed(1)
    together = log_marginal(model.loglik, x, q, max_rows=1000)
    assert together.estimate.isfinite().all()
    torch.testing.assert_close(together.estimate[:5], model.log_marginal())


def test_one_sample_is_drawn_by_default_and_a_hundred_for_the_likelihood(model):
    q = model.posterior()
    assert log_weights(model.loglik, model.x, q).shape == (1, 5)
    torch.manual_seed(1)
    bound = elbo(model.loglik, model.x, q)
    torch.manual_seed(1)
    assert torch.equal(bound, elbo(model.loglik, model.x, q, 1))
    count = log_marginal(model.loglik, model.x, q).effective_samples
    torch.testing.assert_close(count, torch.full_like(count, 100.0))


def test_weights_far_below_the_smallest_float_do_not_underflow():
    x, q = torch.zeros(1, 1), DiagonalGaussian(torch.zeros(1, 1), torch.ones(1, 1))

    def loglik(x, z):
        return torch.full(z.shape[:-1], -1e5) + z.sum(-1) * 0

    far = log_marginal(loglik, x, q, samples=50)
    assert far.estimate.item() == pytest.approx(-1e5)


def test_one_sample_has_no_standard_error(model):
    result = log_marginal(model.loglik, model.x, model.posterior(), samples=1)
    assert result.standard_error.isnan().all() and (result.effective_samples == 1).all()


def test_the_gradient_of_the_elbo_is_that_of_the_closed_form(model):
    mu = (model.posterior().mu + 0.3).requires_grad_()
    log_sigma = (model.posterior().sigma.log() + 0.2).requires_grad_()
    q = DiagonalGaussian(mu, log_sigma.exp())

    def gradient(value):
        return torch.autograd.grad(value.sum(), (mu, log_sigma), retain_graph=True)

    expected = gradient(-td.kl_divergence(independent(q), independent(model.posterior())))
    draws = [gradient(elbo(model.loglik, model.x, q, 50)) for _ in range(200)]
    for truth, sampled in zip(expected, zip(*draws, strict=True), strict=True):
        sampled = torch.stack(sampled)
        assert ((sampled.mean(0) - truth).abs() < 5 * sampled.std(0) / math.sqrt(200) + 1e-9).all()


@pytest.mark.parametrize("f", [log_weights, elbo, log_marginal])
def test_bad_arguments_are_clear_errors(f, model):
    with pytest.raises(ValueError, match="samples >= 1, got 0"):
        f(model.loglik, model.x, model.posterior(), 0)
    said = r"one q per image, got x of shape \(3, 6\) and draws of z of shape \(1, 5, 2\)"
    with pytest.raises(ValueError, match=said):
        f(model.loglik, model.x[:3], model.posterior(), 1)


def test_over_batches_gives_one_number_per_image_whatever_the_batch_size():
    x = torch.randn(10, 3)
    for batch_size in (1, 3, 10, 99):
        assert torch.equal(over_batches(lambda x: x.sum(1), x, batch_size=batch_size), x.sum(1))


@pytest.mark.parametrize("batch_size", [2, 5])
def test_over_batches_joins_named_tuples_and_takes_several_tensors(batch_size):
    q = over_batches(DiagonalGaussian, torch.zeros(5, 2), torch.ones(5, 2), batch_size=batch_size)
    assert isinstance(q, DiagonalGaussian) and q.mu.shape == (5, 2) and q.sigma.min() == 1


def test_over_batches_refuses_data_of_unequal_lengths():
    with pytest.raises(ValueError, match="shorter"):
        over_batches(torch.add, torch.zeros(5), torch.zeros(4), batch_size=2)


def test_mean_and_standard_error_are_numpys():
    values = torch.randn(1000, dtype=torch.float64)
    mean, error = mean_and_se(values)
    assert mean == pytest.approx(values.numpy().mean())
    assert error == pytest.approx(values.numpy().std(ddof=1) / math.sqrt(1000))


@pytest.mark.parametrize("max_rows", [1, 7, 1000])
def test_samples_of_weight_zero_count_as_zero_wherever_they_come(max_rows):
    torch.manual_seed(0)
    x, prior = torch.zeros(1, 1), DiagonalGaussian(torch.zeros(1, 1), torch.ones(1, 1))

    def positive(x, z):
        return torch.where(z[..., 0] > 0, 0.0, -math.inf).expand(*z.shape[:-2], len(x))

    def never(x, z):
        return torch.full((*z.shape[:-2], len(x)), -math.inf)

    relative_error = 1000**-0.5  # sd(w) / mean(w) = 1
    for _ in range(20):
        result = log_marginal(positive, x, prior, samples=1000, max_rows=max_rows)
        assert abs(result.estimate.item() - math.log(0.5)) < 5 * result.standard_error.item()
        assert result.standard_error.item() == pytest.approx(relative_error, rel=0.2)
    nothing = log_marginal(never, x, prior, samples=10, max_rows=max_rows)
    assert nothing.estimate.item() == nothing.elbo.item() == -math.inf


class OneSampledAndWeighed:
    """A q of a class of its own: it can be drawn from and has a density, and nothing else."""

    def __init__(self, distribution):
        self._distribution = distribution

    def sample(self, samples):
        return self._distribution.sample((samples,))

    def log_density(self, z):
        return self._distribution.log_prob(z)

    def kl_from_prior(self):
        raise NotImplementedError


def mixture(model):
    """Of the posterior and of a wider Gaussian beside it."""
    mu, sigma = model.posterior()
    both = torch.stack([mu, mu + 0.2], 1), torch.stack([sigma, 2 * sigma], 1)  # -> (B, 2, d)
    shares = td.Categorical(torch.tensor([0.3, 0.7], dtype=torch.float64).expand(len(mu), 2))
    return td.MixtureSameFamily(shares, independent(both))


def test_with_a_correlated_q_that_is_the_posterior_every_weight_is_the_marginal():
    model = CorrelatedLinearGaussian()
    q = OneSampledAndWeighed(model.posterior())
    log_w = log_weights(model.loglik, model.x, q, 10)
    torch.testing.assert_close(log_w, model.log_marginal().expand(10, 5))


def test_log_marginal_with_a_mixture_as_q_is_that_of_the_closed_form(model):
    q = OneSampledAndWeighed(mixture(model))
    result = log_marginal(model.loglik, model.x, q, samples=20_000)
    assert ((result.estimate - model.log_marginal()).abs() < 5 * result.standard_error).all()
    assert (result.standard_error < 0.02).all()


class OneWithAKl(OneSampledAndWeighed):
    def sample(self, samples):
        return self._distribution.rsample((samples,))

    def kl_from_prior(self):
        d = self._distribution.event_shape[0]
        prior = td.MultivariateNormal(torch.zeros(d).double(), torch.eye(d).double())
        return td.kl_divergence(self._distribution, prior)


def test_elbo_of_a_correlated_q_is_log_p_minus_the_kl_to_the_posterior():
    model = CorrelatedLinearGaussian()
    posterior = model.posterior()
    other = td.MultivariateNormal(posterior.mean + 0.1, 1.5 * posterior.covariance_matrix)
    exact = model.log_marginal() - td.kl_divergence(other, posterior)
    q = OneWithAKl(other)
    values = torch.stack([elbo(model.loglik, model.x, q, 100) for _ in range(100)])
    assert ((values.mean(0) - exact).abs() < 5 * values.std(0) / 10).all()


def test_a_wrong_number_of_qs_of_another_class_is_a_clear_error(model):
    q = OneSampledAndWeighed(mixture(model))
    with pytest.raises(
        ValueError, match=r"x of shape \(3, 6\) and draws of z of shape \(4, 5, 2\)"
    ):
        log_weights(model.loglik, model.x[:3], q, 4)


def test_what_is_needed_of_generators_and_of_qs_is_what_ours_have():
    for protocol, classes in (
        (Generator, (BernoulliImageGenerator, NameGenerator)),
        (ApproximatePosterior, (DiagonalGaussian,)),
    ):
        wanted = {name: f for name, f in vars(protocol).items() if inspect.isfunction(f)}
        for name in wanted.keys() - {"__init__", "__subclasshook__"}:
            for one in classes:
                parameters = inspect.signature(getattr(one, name)).parameters
                assert list(parameters) == list(inspect.signature(wanted[name]).parameters)
    conditional = inspect.signature(ConditionalBernoulliImageGenerator.loglik).parameters
    assert list(conditional) != list(inspect.signature(Generator.loglik).parameters)
