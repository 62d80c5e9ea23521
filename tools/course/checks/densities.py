"""Checks of densities and samplers, against `torch.distributions`."""

from __future__ import annotations

import math

import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from probnn.densities import DiagonalGaussian
from tools.course.handed_in import expect, expect_shape
from tools.course.tables import asks


@asks("probnn.densities.log_normal")
def check_log_normal(log_normal, seed, n):
    """Log density of N(mu, sigma^2) at z, elementwise, in nats.

    Args:
        z: a tensor of any shape.
        mu, sigma: tensors broadcastable to z, or numbers; sigma is the standard deviation.

    Returns:
        A tensor of the broadcast shape. Nothing is summed.
    """
    torch.manual_seed(seed)
    z, mu, sigma = torch.randn(n, 2), torch.randn(2), torch.rand(n, 2) + 0.3
    truth = Normal(mu, sigma).log_prob(z)
    expect_shape(log_normal(z, mu, sigma), (n, 2), "one number for each element of z")
    wrong = {
        "one without -log sigma": truth + sigma.log(),
        "one without the constant": truth + 0.5 * math.log(2 * math.pi),
        "that of sigma as a variance": Normal(mu, sigma.sqrt()).log_prob(z),
        "a density, not its log": truth.exp(),
    }
    expect(log_normal(z, mu, sigma), truth, "the log density", wrong)
    expect(log_normal(z), Normal(0.0, 1.0).log_prob(z), "that of N(0, 1), by default,")


@asks("log_prior")
def check_log_prior(log_prior, seed, n):
    """log p(z) of points z, (..., 2), under the prior N(0, I): in nats, (...)."""
    torch.manual_seed(seed)
    z = torch.randn(4, n, 2)
    truth = Normal(0.0, 1.0).log_prob(z).sum(-1)
    wrong = {
        "a sum over all points": truth.sum(),
        "one number for each coordinate": Normal(0.0, 1.0).log_prob(z),
        "a mean over the coordinates": truth / 2,
    }
    expect(log_prior(z), truth, "one log density for each point", wrong)


@asks("probnn.densities.log_bernoulli")
def check_log_bernoulli(log_bernoulli, seed, n):
    """Log probability of pixels x under Bernoulli(p), elementwise, in nats.

    Finite for every logit, also for 200 and -200.

    Args:
        x: pixels in [0, 1], broadcastable to the logits.
        logits: the log odds of p, any shape.

    Returns:
        A tensor of the broadcast shape. Nothing is summed.
    """
    torch.manual_seed(seed)
    x, logits = (torch.rand(n, 5) < 0.5).float(), 3 * torch.randn(n, 5)
    truth = Bernoulli(logits=logits).log_prob(x)
    wrong = {
        "that of 1 - x": Bernoulli(logits=logits).log_prob(1 - x),
        "a loss, -log p": -truth,
        "the sum over pixels": truth.sum(-1),
    }
    expect(log_bernoulli(x, logits), truth, "log p of each pixel", wrong)
    extreme = log_bernoulli(torch.tensor([1.0, 0.0, 1.0]), torch.tensor([-200.0, 200.0, 200.0]))
    assert torch.isfinite(extreme).all(), "finite log probabilities expected at logits of 200"
    expect(extreme, torch.tensor([-200.0, -200.0, 0.0]), "-200, -200 and 0 at logits of 200")
    grey = log_bernoulli(torch.full((n,), 0.25), logits[:, 0])
    white, ink = (Bernoulli(logits=logits[:, 0]).log_prob(torch.tensor(v)) for v in (0.0, 1.0))
    expect(grey, 0.75 * white + 0.25 * ink, "for grey x the mean over black and white")


@asks("probnn.densities.sample_normal")
def check_sample_normal(sample_normal, seed, n):
    """Draws from N(mu, sigma^2), reparameterised: gradients reach mu and sigma.

    Args:
        mu, sigma: tensors of one shape, (...).
        samples: None for one draw without a sample axis, or K for K independent draws.

    Returns:
        A tensor (...), or (K, ...).
    """
    torch.manual_seed(seed)
    mu = (3 * torch.randn(n)).requires_grad_()
    sigma = (torch.rand(n) + 0.3).requires_grad_()
    expect_shape(sample_normal(mu, sigma), (n,), "one draw")
    z = sample_normal(mu, sigma, 20_000)
    expect_shape(z, (20_000, n), "K draws, the sample axis first,")
    spread = {"that of N(mu, 1)": torch.ones(n), "that of rand, not randn": sigma / 12**0.5}
    expect(z.mean(0), mu, "the mean mu", {"mu + sigma / 2, as of rand": mu + sigma / 2}, by=0.06)
    expect(z.std(0), sigma, "the standard deviation sigma", spread, by=0.06)
    assert z.requires_grad, "draws that gradients can pass expected, detached ones got"
    to_mu, to_sigma = torch.autograd.grad(z.mean(), (mu, sigma))
    expect(to_mu, torch.full((n,), 1 / n), "a gradient of 1 for mu, per draw,")
    expect(to_sigma, ((z - mu) / sigma).mean(0) / n, "a gradient of eps for sigma, per draw,")


@asks("probnn.densities.sample_bernoulli")
def check_sample_bernoulli(sample_bernoulli, seed, n):
    """Draws of independent pixels, 1 with the probability whose log odds are the logits, else 0.

    Args:
        logits: any shape.

    Returns:
        A tensor of that shape, of zeros and ones.
    """
    torch.manual_seed(seed)
    logits = 2 * torch.randn(n)
    x = sample_bernoulli(logits.expand(20_000, n))
    expect_shape(x, (20_000, n), "a draw for each logit")
    assert set(x.unique().tolist()) <= {0, 1}, "zeros and ones expected, other values got"
    p = torch.sigmoid(logits)
    rounded = {"thresholds at 1/2": (p > 0.5).float(), "zeros and ones swapped": 1 - p}
    expect(x.mean(0), p, "ones as often as their probability says", rounded, by=0.03)
    assert (x[:10] != x[10:20]).any() or n == 1, "a new draw for each element expected"


@asks("probnn.densities.kl_normal")
def check_kl_normal(kl_normal, seed, n):
    """KL(N(mu, sigma^2) || N(mu_p, sigma_p^2)), elementwise, in nats.

    Args:
        mu, sigma: tensors of one shape; standard deviations, not variances.
        mu_p, sigma_p: tensors or numbers; by default those of N(0, 1).

    Returns:
        A tensor of that shape. Nothing is summed.
    """
    torch.manual_seed(seed)
    mu, sigma = torch.randn(n, 2), torch.rand(n, 2) + 0.3
    q, p = Normal(mu, sigma), Normal(0.7, 2.0)
    wrong = {
        "the negative of it": -kl_divergence(q, Normal(0.0, 1.0)),
        "the KL the other way round": kl_divergence(Normal(0.0, 1.0), q),
        "the sum over coordinates": kl_divergence(q, Normal(0.0, 1.0)).sum(-1),
    }
    expect(kl_normal(mu, sigma), kl_divergence(q, Normal(0.0, 1.0)), "KL from N(0, 1)", wrong)
    expect(kl_normal(mu, sigma, 0.7, 2.0), kl_divergence(q, p), "KL from N(0.7, 4)")


@asks("probnn.densities.kl_bernoulli")
def check_kl_bernoulli(kl_bernoulli, seed, n):
    """KL(Bernoulli(q) || Bernoulli(p)), elementwise, in nats.

    Args:
        logits_q, logits_p: the log odds of q and of p, broadcastable.

    Returns:
        A tensor of the broadcast shape. Nothing is summed.
    """
    torch.manual_seed(seed)
    a, b = torch.randn(n), torch.randn(n)
    q, p = Bernoulli(logits=a), Bernoulli(logits=b)
    wrong = {
        "the KL the other way round": kl_divergence(p, q),
        "that of probabilities, not logits": kl_divergence(
            Bernoulli(probs=a.clamp(0.01, 0.99)), Bernoulli(probs=b.clamp(0.01, 0.99))
        ),
    }
    expect(kl_bernoulli(a, b), kl_divergence(q, p), "KL(q || p)", wrong)


@asks("probnn.densities.DiagonalGaussian.log_density")
def check_log_density(log_density, seed, n):
    """log q(z) of one z for each image, in nats.

    Args:
        self: q, with `self.mu` and `self.sigma`, each (B, d), or (S, B, d) for several q of each.
        z: (..., B, d), or (..., S, B, d).

    Returns:
        (..., B), or (..., S, B).
    """
    torch.manual_seed(seed)
    q = DiagonalGaussian(torch.randn(n, 2), torch.rand(n, 2) + 0.3)
    z = torch.randn(4, n, 2)
    each = Normal(*q).log_prob(z)
    wrong = {
        "one number for each coordinate": each,
        "the log density of the prior": Normal(0.0, 1.0).log_prob(z).sum(-1),
        "one without -log sigma": (each + q.sigma.log()).sum(-1),
    }
    expect(log_density(q, z), each.sum(-1), "log q(z) of each z", wrong)
    several = DiagonalGaussian(q.mu.expand(3, n, 2), q.sigma.expand(3, n, 2))
    many = log_density(several, z[:, None].expand(4, 3, n, 2))
    expect(many, each.sum(-1)[:, None].expand(4, 3, n), "the same for each of several q")


@asks("probnn.densities.DiagonalGaussian.kl_from_prior")
def check_kl_from_prior(kl_from_prior, seed, n):
    """KL(q || N(0, I)) of each image's q, in nats: (B,), or (S, B) for several q of each.

    `self.mu` and `self.sigma` are (B, d), or (S, B, d).
    """
    torch.manual_seed(seed)
    q = DiagonalGaussian(torch.randn(n, 2), torch.rand(n, 2) + 0.3)
    truth = kl_divergence(Normal(*q), Normal(0.0, 1.0))
    wrong = {"a sum over the batch": truth.sum(), "one for each coordinate": truth}
    expect(kl_from_prior(q), truth.sum(-1), "KL of each image", wrong)
    several = DiagonalGaussian(q.mu.expand(3, n, 2), q.sigma.expand(3, n, 2))
    expect(kl_from_prior(several), truth.sum(-1).expand(3, n), "the same for each of several q")
