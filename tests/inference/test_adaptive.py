"""Adapted proposals and posterior draws, against a posterior in closed form."""

import torch

from probnn.densities import DiagonalGaussian, log_normal
from probnn.inference import adapt, log_marginal, resample

X = torch.tensor([[1.0, -0.5], [2.0, 1.5]])
FAR = DiagonalGaussian(torch.full((2, 2), -0.5), torch.full((2, 2), 0.3))


def loglik(x, z):
    return log_normal(x, z, 0.5).sum(-1)  # the posterior is N(0.8 x, 0.2), and p(x) = N(0, 1.25)


def test_it_moves_to_the_posterior_and_is_wider():
    torch.manual_seed(0)
    q = adapt(loglik, X, FAR)
    assert (q.mu - 0.8 * X).abs().max() < 0.05
    wider = q.sigma / 0.2**0.5
    assert wider.min() > 1.2 and wider.max() < 1.6


def test_most_draws_count_where_few_did_and_log_p_is_right():
    torch.manual_seed(1)
    before = log_marginal(loglik, X, FAR, samples=2000)
    after = log_marginal(loglik, X, adapt(loglik, X, FAR), samples=2000)
    assert (before.effective_samples < 20).all() and (after.effective_samples > 1000).all()
    exact = log_normal(X, 0.0, 1.25**0.5).sum(-1)
    assert ((after.estimate - exact).abs() < 5 * after.standard_error).all()


def test_without_rounds_it_is_the_q_given():
    assert adapt(loglik, X, FAR, rounds=0) is FAR


def test_one_round_is_the_weighted_mean_and_never_narrower():
    torch.manual_seed(2)
    q = adapt(loglik, X, FAR, samples=7, rounds=1)
    torch.manual_seed(2)
    z = FAR.sample(7)
    w = (loglik(X, z) + log_normal(z).sum(-1) - FAR.log_density(z)).softmax(0)[..., None]
    assert torch.allclose(q.mu, (w * z).sum(0), atol=1e-5)
    assert (q.sigma >= FAR.sigma).all()


def test_resampled_draws_have_the_posteriors_mean_and_spread():
    torch.manual_seed(3)
    x = X[:1].expand(4000, 2)
    wide = DiagonalGaussian(torch.zeros(4000, 2), torch.ones(4000, 2))
    z = resample(loglik, x, wide, samples=500)
    assert (z.mean(0) - 0.8 * X[0]).abs().max() < 5 * (0.2 / 4000) ** 0.5 + 0.01
    assert (z.var(0) - 0.2).abs().max() < 0.03


def test_each_datum_gets_a_draw_of_its_own():
    torch.manual_seed(4)
    centre = DiagonalGaussian(0.8 * X, torch.full((2, 2), 0.2**0.5))
    assert ((resample(loglik, X, centre) - 0.8 * X).abs() < 5 * 0.2**0.5).all()


def test_the_weights_are_of_the_draws_of_a_datum_not_of_the_data():
    torch.manual_seed(5)
    wide = DiagonalGaussian(torch.zeros(1, 2), torch.ones(1, 2))
    z = torch.cat([resample(loglik, X[:1], wide, samples=500) for _ in range(400)])
    assert (z.mean(0) - 0.8 * X[0]).abs().max() < 5 * (0.2 / 400) ** 0.5 + 0.01


def test_five_rounds_of_5000_draws_unless_told_otherwise(elsewhere):
    def seeded(function, *args):
        torch.manual_seed(6)
        return function(loglik, X, FAR, *args)

    assert torch.equal(seeded(adapt).mu, seeded(adapt, 5000, 5).mu)
    assert torch.equal(seeded(resample), seeded(resample, 5000))
    with elsewhere():
        assert resample(loglik, X, FAR, 10).device == X.device
