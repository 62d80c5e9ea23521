"""Checks of Cambridge (a)'s regression, and of Toronto 3's line between two points."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import nn
from torch.distributions import Normal

from tools.course.handed_in import expect, expect_shape
from tools.course.tables import asks


@asks("probnn.models.regression.GaussianRegression.forward")
def check_regression(forward, seed, n):
    """log p(y|x) of each observation, (n, 1), in nats.

    Args:
        self: the model; `self.mu(x)` and `self.sigma(x)` are mean and standard deviation, (n, 1).
        y, x: observations, (n, 1).
    """
    torch.manual_seed(seed)
    mu, sigma, y = torch.randn(n, 1), torch.rand(n, 1) + 0.3, torch.randn(n, 1)
    model = SimpleNamespace(mu=lambda x: mu, sigma=lambda x: sigma)
    truth = Normal(mu, sigma).log_prob(y)
    wrong = {
        "a sum over the points": truth.sum(),
        "a mean over the points": truth.mean(),
        "that of sigma as a variance": Normal(mu, sigma.sqrt()).log_prob(y),
    }
    expect(forward(model, y, torch.zeros(n, 1)), truth, "log p(y|x) of each point", wrong)


@asks("probnn.models.regression.RWiggle.sigma")
def check_rwiggle(sigma, seed, n):
    """The standard deviation at x, (n, 1): the same everywhere, the softplus of `self.pre`."""
    torch.manual_seed(seed)
    pre = nn.Parameter(torch.randn(()))
    got = sigma(SimpleNamespace(pre=pre), torch.randn(n, 1))
    expect_shape(got, (n, 1), "one number for each x")
    truth = (1 + pre.exp()).log().expand(n, 1)
    expect(got, truth, "softplus(pre) at every x", {"exp(pre)": pre.exp().expand(n, 1)})
    assert got.requires_grad, "a sigma that gradients can reach expected"


@asks("probnn.models.regression.HWiggle.sigma")
def check_hwiggle(sigma, seed, n):
    """The standard deviation at x, (n, 1): the softplus of the network `self.pre` at x."""
    torch.manual_seed(seed)
    network, x = nn.Linear(1, 1), torch.randn(n, 1)
    truth = (1 + network(x).exp()).log()
    got = sigma(SimpleNamespace(pre=network), x)
    expect(got, truth, "softplus(pre(x)) at each x", {"exp(pre(x))": network(x).exp()})


@asks("interpolate")
def check_interpolate(interpolate, seed, n):
    """The point alpha z_a + (1 - alpha) z_b; alpha may be a tensor that broadcasts with the two."""
    torch.manual_seed(seed)
    a, b, alpha = torch.randn(2), torch.randn(2), torch.rand(n, 1)
    line = torch.stack([t * a + (1 - t) * b for t in alpha[:, 0]])
    reverse = {"the line the other way round": torch.lerp(a, b, alpha)}
    expect(interpolate(a, b, alpha), line, "a point for each alpha, z_a at 1,", reverse)
    expect(interpolate(a, b, 1.0), a, "z_a at alpha = 1", {"z_b": b})
