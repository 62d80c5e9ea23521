"""Checks of bounds and estimates, against models whose log p(x) is known."""

from __future__ import annotations

import math

import torch
from torch.distributions import Normal, kl_divergence

from probnn.densities import DiagonalGaussian
from tools.course.handed_in import expect, expect_shape
from tools.course.tables import asks


@asks("probnn.inference.likelihood.log_joint")
def check_log_joint(log_joint, seed, n):
    """log p(x, z) of every pair of image and point, with the prior N(0, I), in nats.

    Args:
        loglik: a function of x and z that returns log p(x|z), (..., B).
        x: (B, ...) images.
        z: (..., B, d) points.

    Returns:
        (..., B).
    """
    torch.manual_seed(seed)
    x, z = torch.randn(n, 2), torch.randn(4, n, 2)

    def loglik(x, z):
        return Normal(z, 1.0).log_prob(x).sum(-1)

    prior = Normal(0.0, 1.0).log_prob(z).sum(-1)
    truth = loglik(x, z) + prior
    wrong = {
        "one with a prior summed over the batch": loglik(x, z) + prior.sum(),
        "log p(x|z), without the prior,": loglik(x, z),
        "their difference": loglik(x, z) - prior,
    }
    expect(log_joint(loglik, x, z), truth, "log p(x|z) + log p(z) of each pair", wrong)


@asks("probnn.inference.likelihood.log_weights")
def check_log_weights(log_weights, seed, n):
    """K draws of log w = log p(x|z) + log p(z) - log q(z), z from q, for each image, in nats.

    Args:
        loglik: a function of x and z that returns log p(x|z), (..., B).
        x: (B, ...) images.
        q: one q(z) for each image, with `sample(K)`, (K, B, d), and `log_density(z)`, (..., B).
        samples: K.

    Returns:
        (K, B), the sample axis first.
    """
    torch.manual_seed(seed)
    x = torch.randn(n, 2)
    posterior = DiagonalGaussian(x / 2, torch.full((n, 2), 0.5**0.5))

    def loglik(x, z):
        return Normal(z, 1.0).log_prob(x).sum(-1)

    log_w = log_weights(loglik, x, posterior, 7)
    expect_shape(log_w, (7, n), "a weight for each sample and image")
    exact = Normal(0.0, 2**0.5).log_prob(x).sum(-1)  # with the posterior as q, every weight is p(x)
    expect(log_w, exact.expand(7, n), "log p(x) for every weight, as q is the posterior,", by=1e-3)


@asks("probnn.inference.likelihood.log_marginal")
def check_log_marginal(log_marginal, seed, n):
    """Monte Carlo estimate of log p(x) of each image, by importance sampling, in nats.

    Args:
        loglik: a function of x and z that returns log p(x|z), (..., B).
        x: (B, ...) images.
        q: one q(z) for each image, with `sample(K)` and `log_density(z)`.
        samples: K.
        max_rows: for those who stream the samples; you may leave it alone.

    Returns:
        `MonteCarlo` (of `probnn.inference`), a tuple of four tensors (B,): the estimate of log p(x)
        from K weights w; its standard error, sd(w) / (sqrt(K) mean(w)); the effective samples,
        (sum w)^2 / sum w^2; and the mean of the log weights. Weights may be as small as exp(-2000).
    """
    torch.manual_seed(seed)
    x = 1 + torch.rand(n, 1)
    q = DiagonalGaussian(0.5 * x + 0.4, torch.ones(n, 1))

    def loglik(x, z):
        return Normal(z, 1.0).log_prob(x).sum(-1)

    exact = Normal(0.0, 2**0.5).log_prob(x).sum(-1)
    posterior = Normal(x / 2, 0.5**0.5)
    bound = exact - kl_divergence(Normal(*q), posterior).sum(-1)
    found = log_marginal(loglik, x, q, 4000)
    wrong = {
        "the mean of the log weights, which is the ELBO,": bound,
        "a sum of weights, not their mean,": exact + math.log(4000),
        "a mean of p(x|z), without prior and q,": loglik(x, q.sample(4000)).exp().mean(0).log(),
    }
    expect(found[0], exact, "log p(x)", wrong, by=0.03)
    expect(
        found[3], bound, "as the fourth the mean of the log weights", {"log p(x)": exact}, by=0.03
    )
    assert ((found[2] > 1) & (found[2] < 4000)).all(), "effective samples from 1 to K expected"
    spread = ((4000 / found[2] - 1).clamp(min=0) / 3999).sqrt()
    expect(found[1], spread, "the standard error sd(w) / (sqrt(K) mean(w))", by=0.03)
    far = log_marginal(lambda x, z: loglik(x, z) - 2000, x, q, 4000)[0]
    expect(far, exact - 2000, "the same estimate 2000 nats lower", by=0.03)


@asks("probnn.inference.likelihood.elbo")
def check_elbo(elbo, seed, n):
    """The evidence lower bound of each image, in nats. Gradients reach q.

    Args:
        loglik: a function of x and z that returns log p(x|z), (..., B).
        x: (B, ...) images.
        q: one q(z) for each image: `q.sample(K)` draws (K, B, d), reparameterised;
            `q.log_density(z)` is log q(z), (..., B); `q.kl_from_prior()` is
            KL(q || N(0, I)), (B,).
        samples: K.

    Returns:
        (B,), one number for each image, not their mean; or, of several q of each image, whose
        `sample` gives (K, S, B, d), (S, B).
    """
    torch.manual_seed(seed)
    x, mu = torch.randn(n, 2), torch.randn(n, 2).requires_grad_()
    q, samples = DiagonalGaussian(mu, torch.rand(n, 2) + 0.3), 10_000

    def loglik(x, z):
        return Normal(z, 1.0).log_prob(x).sum(-1)

    kl = kl_divergence(Normal(*q), Normal(0.0, 1.0)).sum(-1)
    fit = Normal(mu, 1.0).log_prob(x).sum(-1) - 0.5 * q.sigma.square().sum(-1)
    bound = elbo(loglik, x, q, samples)
    wrong = {
        "one without the KL": fit,
        "one with the wrong sign of the KL": fit + kl,
        "a sum over the samples": samples * fit - kl,
        "a sum over the batch": (fit - kl).sum(),
        "a mean over the batch": (fit - kl).mean(),
        "a loss, with the opposite sign,": kl - fit,
    }
    expect(bound, fit - kl, "per image, the bound", wrong, by=0.12)
    flat = elbo(lambda x, z: 0 * z.sum(-1) - 2.0, x, q, samples)
    expect(flat, -2 - kl, "-2 minus the KL, as log p(x|z) is -2 everywhere,", by=0.12)
    several = DiagonalGaussian(mu.expand(2, n, 2), q.sigma.expand(2, n, 2))
    found = elbo(lambda x, z: 0 * z.sum(-1) - 2.0, x, several, samples)
    expect(found, (-2 - kl).expand(2, n), "the same for each of several q", by=0.12)
    slope = torch.autograd.grad(bound.sum(), mu)[0]
    expect(slope, x - 2 * mu.detach(), "the gradient of the bound for mu", by=0.12)


@asks("loss")
def check_loss(loss, seed, n):
    """What a training step lowers: a scalar, from a batch of images x (B, 1, 28, 28).

    It uses the page's `model` as it is at the time: the encoder, with `model(x)` its q(z|x) and
    `model.f.loglik(x, z)` its generator's log p(x|z); and `elbo`, with one sample.
    """
    torch.manual_seed(seed)

    class Model:
        class f:
            @staticmethod
            def loglik(x, z):
                return 0 * z.sum(-1) - x.sum((1, 2, 3))

        def __call__(self, x):
            return DiagonalGaussian(mu, sigma)

    mu, sigma, x = torch.randn(n, 2), torch.rand(n, 2) + 0.3, torch.rand(n, 1, 28, 28)
    kl = kl_divergence(Normal(mu, sigma), Normal(0.0, 1.0)).sum(-1)
    bound = -x.sum((1, 2, 3)) - kl
    wrong = {
        "the bound itself": bound.mean(),
        "a sum over the batch": -bound.sum(),
        "one number for each image": -bound,
    }
    if n == 1:
        wrong.pop("a sum over the batch")
    page, before = loss.__globals__, loss.__globals__.get("model")
    page["model"] = Model()
    try:
        expect(loss(x), -bound.mean(), "the negative bound, a mean over the batch,", wrong)
    finally:
        page["model"] = before


@asks("probnn.inference.svi.fit_posterior")
def check_fit_posterior(fit_posterior, seed, n):
    """Fits a Gaussian q(z) to the posterior of each image by gradient ascent on its ELBO.

    What is given makes the starting values, of several starts side by side, (S, B, d). What is
    asked for is one step of ascent: raise the bound of every image over mu and log sigma, by their
    gradients alone; `schedule.step()` comes last. `elbo` gives the bound.

    Args:
        loglik: a function of x and z that returns log p(x|z).
        x: (B, ...) images.
        samples: K draws of z for each step.
        d, steps, lr, start, seed, starts: used by what is given.

    Returns:
        `DiagonalGaussian` of mu and sigma, each (B, d), without gradients.
    """
    torch.manual_seed(seed)
    x, weight = torch.randn(n, 2), torch.ones((), requires_grad=True)

    def loglik(x, z):
        return weight * Normal(z, 1.0).log_prob(x).sum(-1)

    mu, sigma = fit_posterior(loglik, x, samples=100, seed=seed)
    wrong = {"the image itself, as without a prior": x}
    expect(mu, x / 2, "the posterior's mean, half of x here,", wrong, by=0.06)
    expect(sigma, torch.full((n, 2), 0.5**0.5), "its standard deviation, 0.71 here,", by=0.06)
    assert weight.grad is None, "gradients of mu and log sigma alone expected, not the model's"
