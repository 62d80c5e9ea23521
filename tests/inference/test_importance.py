"""The importance-weighted bound and its two gradients, against each other and closed forms."""

import math

import torch

from probnn.densities import DiagonalGaussian, log_normal
from probnn.inference import doubly_reparameterised, importance_weighted, log_joint, log_marginal

X = torch.tensor([[1.0, -0.5], [0.3, 2.0]])
Q = DiagonalGaussian(0.3 * torch.ones(2, 2), 0.9 * torch.ones(2, 2))


def loglik(x, z):
    return log_normal(x, z).sum(-1)  # the posterior is N(x/2, 1/2), and p(x) = N(0, 2)


def gradients(bound, samples, repeats):
    """Of the bound in q's mean and log sigma, and in the generator's scale: (repeats, 9)."""
    found = []
    for _ in range(repeats):
        mu, log_sigma = (t.clone().requires_grad_() for t in (Q.mu, Q.sigma.log()))
        scale = torch.ones((), requires_grad=True)
        q = DiagonalGaussian(mu, log_sigma.exp())
        value = bound(lambda x, z, s=scale: log_normal(x, z, s).sum(-1), X, q, samples).sum()
        found.append(
            torch.cat([g.flatten() for g in torch.autograd.grad(value, (mu, log_sigma, scale))])
        )
    return torch.stack(found)


def test_one_sample_is_the_elbo_and_many_are_log_p():
    torch.manual_seed(0)
    one = torch.stack([importance_weighted(loglik, X, Q, 1) for _ in range(4000)])
    exact_elbo = -Q.kl_from_prior() + (log_normal(X, Q.mu).sum(-1) - Q.sigma.square().sum(-1) / 2)
    assert ((one.mean(0) - exact_elbo).abs() < 5 * one.std(0) / 4000**0.5).all()
    exact = log_normal(X, 0.0, 2**0.5).sum(-1)
    assert (importance_weighted(loglik, X, Q, 200_000) - exact).abs().max() < 0.01


def test_both_are_the_bound_that_log_marginal_gives():
    for bound in (importance_weighted, doubly_reparameterised):
        torch.manual_seed(1)
        value = bound(loglik, X, Q, 7)
        torch.manual_seed(1)
        assert torch.allclose(value, log_marginal(loglik, X, Q, 7).estimate, atol=1e-5)


def test_both_gradients_have_one_expectation():
    torch.manual_seed(2)
    plain, doubly = (gradients(f, 5, 6000) for f in (importance_weighted, doubly_reparameterised))
    error = (plain.var(0) + doubly.var(0)).sqrt() / math.sqrt(6000)
    assert ((plain.mean(0) - doubly.mean(0)).abs() < 5 * error).all()


def test_the_encoders_signal_drowns_as_samples_grow_and_the_cure_saves_it():
    torch.manual_seed(3)
    snr = {}
    for f in (importance_weighted, doubly_reparameterised):
        for samples in (4, 256):
            slope = gradients(f, samples, 3000)[:, :4]  # in q's mean
            snr[f, samples] = (slope.mean(0).abs() / slope.std(0)).mean().item()
    # Rainforth et al. 2018: 1/sqrt(K), an eighth here; Tucker et al. 2019: sqrt(K), eight times
    assert snr[importance_weighted, 256] < 0.3 * snr[importance_weighted, 4]
    assert snr[doubly_reparameterised, 256] > 3 * snr[doubly_reparameterised, 4]


def test_without_gradients_it_is_a_number_too():
    with torch.no_grad():
        value = doubly_reparameterised(loglik, X, Q, 3)
    assert value.shape == (2,) and (value < log_joint(loglik, X, X / 2) + 5).all()
