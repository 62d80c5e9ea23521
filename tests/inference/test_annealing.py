"""Bounds from both sides, against models whose log p(x) is known."""

import math
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from probnn.data import load_mnist
from probnn.densities import DiagonalGaussian, log_normal
from probnn.inference import (
    fit_posterior,
    log_joint,
    log_marginal,
    log_marginal_ais,
    log_marginal_quadrature,
    mean_and_se,
    sandwich,
)
from probnn.inference.annealing import _Path
from probnn.models import (
    TOP,
    ConditionalBernoulliImageGenerator,
    half_loglik,
    mlp_encoder,
    mlp_generator,
)
from probnn.training import load

SHIPPED = Path(__file__).parents[2] / "checkpoints"
B, D, PIXELS, NOISE = 200, 5, 12, 0.3


class LinearGaussian:
    """x = A z + noise, of which everything is known."""

    def __init__(self):
        torch.manual_seed(0)
        self.a = torch.randn(PIXELS, D)
        self.z = torch.randn(B, D)
        self.x = self.z @ self.a.T + NOISE * torch.randn(B, PIXELS)
        covariance = self.a @ self.a.T + NOISE**2 * torch.eye(PIXELS)
        marginal = torch.distributions.MultivariateNormal(torch.zeros(PIXELS), covariance)
        self.log_p = marginal.log_prob(self.x)
        self.covariance = torch.linalg.inv(torch.eye(D) + self.a.T @ self.a / NOISE**2)
        self.mean = self.x @ self.a / NOISE**2 @ self.covariance
        self.sigma = self.covariance.diagonal().sqrt().expand(B, D)

    def loglik(self, x, z):
        return log_normal(x, z @ self.a.T, NOISE).sum(-1)

    def starts(self):
        """The prior, one like an encoder's, one far too narrow."""
        prior = DiagonalGaussian(torch.zeros(B, D), torch.ones(B, D))
        near = DiagonalGaussian(self.mean + 0.1 * torch.randn(B, D), self.sigma)
        narrow = DiagonalGaussian(self.mean, self.sigma / 20)
        return {"prior": prior, "near": near, "narrow": narrow}


@pytest.fixture(scope="module")
def model():
    return LinearGaussian()


def assert_below(values, bound, errors=5):
    mean, error = mean_and_se(values - bound)
    assert mean <= errors * error


@pytest.mark.parametrize("start", ["prior", "near", "narrow"])
def test_the_bounds_enclose_the_closed_form_from_every_start(model, start):
    both = sandwich(model.loglik, model.x, model.z, model.starts()[start], temperatures=50)
    assert_below(both.lower.estimate, model.log_p)
    assert_below(model.log_p, both.upper.estimate)
    assert torch.equal(both.gap, both.upper.estimate - both.lower.estimate)


def test_from_a_q_near_the_posterior_both_are_the_closed_form(model):
    both = sandwich(model.loglik, model.x, model.z, model.starts()["near"])
    for bound in both:
        mean, error = mean_and_se(bound.estimate - model.log_p)
        assert abs(mean) < 0.01 + 5 * error and error < 0.02
    assert both.lower.effective_chains.mean() > 6


def test_the_gap_falls_as_temperatures_double(model):
    prior, gaps = model.starts()["prior"], []
    for temperatures in (25, 50, 100, 200):
        both = sandwich(model.loglik, model.x, model.z, prior, temperatures=temperatures)
        gaps.append(mean_and_se(both.gap))
    for (wide, error), (narrow, other_error) in zip(gaps, gaps[1:], strict=False):
        assert narrow + 5 * math.hypot(error, other_error) < wide


def test_one_temperature_is_importance_sampling(model):
    q = model.starts()["near"]
    torch.manual_seed(1)
    annealed = log_marginal_ais(model.loglik, model.x, q, chains=100, temperatures=1)
    sampled = log_marginal(model.loglik, model.x, q, samples=100)
    mean, error = mean_and_se(annealed.estimate - sampled.estimate)
    assert abs(mean) < 5 * error and annealed.acceptance.isnan().all()
    paired = annealed.standard_error.median() / sampled.standard_error.median()
    assert 0.8 < paired < 1.25


def test_starts_agree_within_what_their_chains_leave_open(model):
    fitted = fit_posterior(model.loglik, model.x, d=D)
    starts = {"near": 200, "prior": 3200}
    near, prior = (
        log_marginal_ais(model.loglik, model.x, model.starts()[name], temperatures=steps).estimate
        for name, steps in starts.items()
    )
    from_fitted = log_marginal_ais(model.loglik, model.x, fitted).estimate
    for other in (prior, from_fitted):
        mean, error = mean_and_se(near - other)
        assert abs(mean) < 0.1 + 5 * error


def test_a_move_leaves_exact_samples_of_the_posterior_unchanged(model):
    path = _Path(model.loglik, model.x, model.starts()["prior"])
    noise = torch.randn(500, B, D) @ torch.linalg.cholesky(model.covariance).T
    point = path.at(model.mean + noise)
    for _ in range(5):
        point, accepted = path.move(point, 1.0, 0.8 * model.sigma)
    assert 0.5 < accepted.float().mean() < 0.99
    moved = (point[0] - model.mean).reshape(-1, D)
    standard = moved @ torch.linalg.inv(torch.linalg.cholesky(model.covariance)).T
    n = len(standard)
    assert (standard.mean(0).abs() < 5 / math.sqrt(n)).all()
    assert ((standard.T @ standard / n - torch.eye(D)).abs() < 5 * math.sqrt(2 / n)).all()


def test_a_move_half_way_leaves_exact_samples_of_the_geometric_mean_unchanged(model):
    path = _Path(model.loglik, model.x, model.starts()["prior"])
    b = 0.3  # N(0, I) to the 0.7 times N(0, I) p(x|z) to the 0.3 is Gaussian, too
    covariance = torch.linalg.inv(torch.eye(D) + b * model.a.T @ model.a / NOISE**2)
    mean = b * model.x @ model.a / NOISE**2 @ covariance
    root = torch.linalg.cholesky(covariance)
    point = path.at(mean + torch.randn(500, B, D) @ root.T)
    for _ in range(3):
        point, accepted = path.move(point, b, 0.8 * covariance.diagonal().sqrt().expand(B, D))
    assert 0.3 < accepted.float().mean() < 0.99
    standard = (point[0] - mean).reshape(-1, D) @ torch.linalg.inv(root).T
    n = len(standard)
    assert (standard.mean(0).abs() < 5 / math.sqrt(n)).all()
    assert ((standard.T @ standard / n - torch.eye(D)).abs() < 5 * math.sqrt(2 / n)).all()


@pytest.fixture(scope="module")
def flat_model():
    """Toronto's, of two dimensions, and 200 images that it was not trained on."""
    model = mlp_encoder(mlp_generator(2, (500,), nn.Tanh), (500,), nn.Tanh)
    model.load_state_dict(load(SHIPPED / "toronto/2_vae.pt")["model"])
    return model.requires_grad_(False), load_mnist("second", "thresholded").images[:200]


def moments(loglik, x):
    """A Gaussian as wide as the whole posterior, islands and all, from a grid."""
    axis = torch.linspace(-4.5, 4.5, 91)
    z = torch.cartesian_prod(axis, axis)[:, None]  # -> (G, 1, 2)
    p = torch.cat([log_joint(loglik, x, some) for some in z.split(1000)]).softmax(0)[..., None]
    mu = (p * z).sum(0)
    return DiagonalGaussian(mu, 1.5 * (p * (z - mu).square()).sum(0).sqrt().clamp(min=0.03))


@pytest.mark.slow
def test_in_two_dimensions_it_is_within_a_fiftieth_of_a_nat_of_quadrature(flat_model):
    model, x = flat_model
    loglik = model.f.loglik
    exact = torch.cat([log_marginal_quadrature(loglik, part) for part in x.split(50)])
    wide = [moments(loglik, part) for part in x.split(10)]
    q = DiagonalGaussian(*(torch.cat(parts) for parts in zip(*wide, strict=True)))
    torch.manual_seed(0)
    bound = log_marginal_ais(loglik, x, q, chains=16, temperatures=100, leapfrogs=2)
    mean, error = mean_and_se(bound.estimate - exact)
    assert abs(mean) < 0.02 and error < 0.01


def test_half_an_image_is_as_good_a_loglik(flat_model):
    model, x = flat_model
    loglik = partial(half_loglik, model.f, TOP)
    exact = log_marginal_quadrature(loglik, x[:20])
    torch.manual_seed(0)
    start = moments(loglik, x[:20])
    bound = log_marginal_ais(loglik, x[:20], start, chains=16, temperatures=50, leapfrogs=2)
    mean, error = mean_and_se(bound.estimate - exact)
    assert abs(mean) < 5 * error + 0.02 and error < 0.1


def test_a_conditional_model_gives_a_loglik_by_partial_application():
    torch.manual_seed(0)
    model = ConditionalBernoulliImageGenerator(d=2).requires_grad_(False)
    z, y = torch.randn(4, 2), torch.arange(4)
    x = torch.bernoulli(model(z, y))
    prior = DiagonalGaussian(torch.zeros(4, 2), torch.ones(4, 2))
    loglik = partial(model.loglik, y=y)
    both = sandwich(loglik, x, z, prior, chains=16, temperatures=20)
    sampled = log_marginal(loglik, x, prior, samples=2000).estimate
    assert (both.lower.estimate - sampled).abs().max() < 0.1 and both.gap.abs().max() < 0.2


def test_a_step_far_too_large_is_reported(model):
    prior = model.starts()["prior"]
    path = _Path(model.loglik, model.x, prior, temperatures=20)
    steps = [torch.full((B, D), 100.0)] * 19
    assert (path.anneal(path.first, steps).acceptance == 0).all()


def test_one_chain_that_stands_still_is_not_averaged_away(model):
    path = _Path(model.loglik, model.x, model.starts()["prior"])
    sizes = path.pilot()
    assert path.anneal(path.first, sizes).acceptance.min() > 0.2
    of_the_first = torch.tensor([1e4] + [1.0] * 7)[:, None, None]
    assert (path.anneal(path.first, [size * of_the_first for size in sizes]).acceptance == 0).all()


def test_chains_of_which_one_decides_are_reported(model):
    narrow = log_marginal_ais(model.loglik, model.x, model.starts()["prior"], temperatures=2)
    assert narrow.effective_chains.median() < 1.5
    assert narrow.standard_error.median() > 0.7


@pytest.mark.parametrize("temperatures", [20, 100])
def test_a_start_narrower_by_orders_is_further_away_than_there_are_temperatures(
    model, temperatures
):
    q = DiagonalGaussian(model.mean, model.sigma / 1000)
    bound = log_marginal_ais(model.loglik, model.x, q, temperatures=temperatures)
    assert_below(bound.estimate, model.log_p - 1)
    # chains may agree on a bound that is much too low: what tells is how far they have to go
    assert bound.distance.median() > temperatures


def test_the_distance_is_that_of_both_kl_divergences(model):
    torch.manual_seed(0)
    q = DiagonalGaussian(model.mean, 1.5 * model.sigma)
    bound = log_marginal_ais(model.loglik, model.x, q, chains=64, temperatures=100)
    posterior = torch.distributions.MultivariateNormal(model.mean, model.covariance)
    start = torch.distributions.MultivariateNormal(model.mean, torch.diag_embed(q.sigma**2))
    kl = torch.distributions.kl_divergence
    exact = kl(start, posterior) + kl(posterior, start)
    mean, error = mean_and_se(bound.distance - exact)
    assert abs(mean) < 0.02 * exact.mean() + 5 * error


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"chains": 0}, "expected samples >= 1, got 0"),
        ({"temperatures": 0}, r"expected temperatures and leapfrogs >= 1, got \("),
        ({"leapfrogs": 0}, r"expected temperatures and leapfrogs >= 1, got \("),
    ],
)
def test_counts_below_one_are_refused(model, wrong, said):
    with pytest.raises(ValueError, match=said):
        log_marginal_ais(model.loglik, model.x, model.starts()["prior"], **wrong)


def test_other_batch_sizes_and_shapes_are_refused(model):
    with pytest.raises(ValueError, match="expected one q per image"):
        log_marginal_ais(model.loglik, model.x[:5], model.starts()["prior"])
    with pytest.raises(ValueError, match=r"expected z of shape \(200, 5\), got \(200, 1\)"):
        sandwich(model.loglik, model.x, model.z[:, :1], model.starts()["prior"])


def test_what_is_no_number_is_refused_and_what_is_impossible_has_no_probability(model):
    def nowhere(value):
        return lambda x, z: z.sum(-1) * 0 + value

    q = model.starts()["prior"]
    with pytest.raises(ValueError, match="got NaN"):
        log_marginal_ais(nowhere(math.nan), model.x, q, temperatures=3)
    bound = log_marginal_ais(nowhere(-math.inf), model.x, q, temperatures=3)
    assert (bound.estimate == -math.inf).all()


def test_it_gives_the_same_again_from_the_same_random_numbers(model):
    bounds = []
    for _ in range(2):
        torch.manual_seed(3)
        bounds.append(log_marginal_ais(model.loglik, model.x, model.starts()["near"]).estimate)
    assert torch.equal(*bounds)


def test_one_chain_has_no_standard_error():
    exact = LinearGaussian()
    start = exact.starts()["near"]
    alone = log_marginal_ais(exact.loglik, exact.x, start, chains=1, temperatures=5)
    assert alone.standard_error.isnan().all() and alone.estimate.isfinite().all()


def test_the_pilot_finds_steps_of_which_three_in_four_are_accepted():
    exact = LinearGaussian()
    for start in ("prior", "near"):
        found = log_marginal_ais(exact.loglik, exact.x, exact.starts()[start], temperatures=100)
        # told is that of the chain with the smallest, which lies somewhat below the mean
        assert 0.57 < found.acceptance.mean() < 0.75, start


def test_the_temperatures_are_a_logistic_curve_from_0_to_1(model):
    betas = torch.tensor(_Path(model.loglik, model.x, model.starts()["near"], 2, 30).betas)
    curve = torch.linspace(-4, 4, 31).sigmoid()
    torch.testing.assert_close(betas, (curve - curve[0]) / (curve[-1] - curve[0]))
    assert betas[0] == 0 and betas[-1] == 1


@pytest.mark.parametrize("temperatures, leapfrogs", [(1, 3), (2, 1), (6, 4)])
def test_it_costs_what_it_says_and_moves_at_every_temperature_between(
    model, temperatures, leapfrogs
):
    calls = []

    def counted(x, z):
        calls.append(len(z))
        return model.loglik(x, z)

    counts = {"chains": 16, "temperatures": temperatures, "leapfrogs": leapfrogs}
    log_marginal_ais(counted, model.x, model.starts()["near"], **counts)
    each = 1 + (temperatures - 1) * leapfrogs  # where the chains begin, and every gradient step
    assert calls == [4] * each + [16] * each  # the pilot has a quarter of the chains


def test_a_move_has_the_size_that_was_found_at_its_temperature_both_ways(model, monkeypatch):
    path, used = _Path(model.loglik, model.x, model.starts()["near"], 2, 6, 1), []
    move = _Path.move

    def noted(self, old, b, size):
        used.append((b, size))
        return move(self, old, b, size)

    sizes = path.pilot()
    monkeypatch.setattr(_Path, "move", noted)
    path.anneal(path.first, sizes)
    path.anneal(model.z.expand(2, B, D), sizes, sign=-1)
    for (b, size), expected in zip(
        used[:5], zip(path.betas[1:-1], sizes, strict=True), strict=True
    ):
        assert b == expected[0] and size is expected[1]
    assert [(b, id(size)) for b, size in used[5:]] == [(b, id(size)) for b, size in used[4::-1]]


def test_the_estimate_its_error_and_its_effective_chains_are_those_of_the_weights(model):
    q = model.starts()["near"]
    torch.manual_seed(4)
    found = log_marginal_ais(model.loglik, model.x, q, chains=7, temperatures=1)
    torch.manual_seed(4)
    z = q.sample(7)
    w = (log_joint(model.loglik, model.x, z) - q.log_density(z)).double().exp()
    error = w.std(0) / 7**0.5 / w.mean(0)
    torch.testing.assert_close(found.estimate.double(), w.mean(0).log(), rtol=1e-5, atol=1e-3)
    torch.testing.assert_close(found.standard_error.double(), error, rtol=1e-3, atol=1e-3)
    effective = w.sum(0) ** 2 / (w**2).sum(0)
    torch.testing.assert_close(found.effective_chains.double(), effective, rtol=1e-3, atol=1e-3)


def test_weights_that_are_all_equal_have_no_error(model):
    prior = model.starts()["prior"]
    exact = log_marginal_ais(lambda x, z: 0 * z.sum(-1), model.x, prior, temperatures=4)
    assert (exact.standard_error < 1e-3).all() and (exact.estimate.abs() < 1e-5).all()


def test_one_dimension_is_enough_and_the_counts_are_8_200_3_unless_told_otherwise():
    x = torch.linspace(-2, 2, 50)[:, None]
    prior = DiagonalGaussian(0 * x, 0 * x + 1)

    def seeded(**counts):
        torch.manual_seed(5)
        found = log_marginal_ais(lambda x, z: log_normal(x, z, 0.5).sum(-1), x, prior, **counts)
        return found.estimate

    told = seeded(chains=8, temperatures=200, leapfrogs=3)
    assert torch.equal(seeded(), told)
    mean, error = mean_and_se(told - log_normal(x, 0, 1.25**0.5).sum(-1))
    assert abs(mean) < 5 * error < 0.15


def test_it_is_all_where_the_data_are(model, elsewhere):
    x, z, start = model.x[:3], model.z[:3], DiagonalGaussian(model.mean[:3], model.sigma[:3])
    with elsewhere():
        both = sandwich(model.loglik, x, z, start, temperatures=3)
    for values in (*both.lower, *both.upper):
        assert values.device == x.device and values.dtype == x.dtype
