"""Public checks of bounds and estimates: models so small that their values are typed."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from probnn.densities import DiagonalGaussian
from tools.course.handed_in import expect, expect_shape
from tools.course.tables import shows


@shows("probnn.inference.likelihood.log_joint")
def check_log_joint(log_joint):
    x, z = (
        torch.tensor([1.0, 2.0]),
        torch.tensor([[[0.0, 0.0], [1.0, -1.0]], [[0.5, 2.0], [3.0, 0.0]]]),
    )

    def loglik(x, z):
        return torch.tensor([[-1.0, -2.0], [-3.0, -4.0]])

    wrong = {
        "log p(x|z), without the prior,": [[-1.0, -2.0], [-3.0, -4.0]],
        "one with a prior summed over the batch": [[-15.9765, -16.9765], [-17.9765, -18.9765]],
        "their difference": [[0.837877, 0.837877], [0.962877, 2.33788]],
    }
    truth = [[-2.83788, -4.83788], [-6.96288, -10.3379]]
    expect(log_joint(loglik, x, z), truth, "log p(x|z) + log p(z) of each pair", wrong)


@shows("probnn.inference.likelihood.log_weights")
def check_log_weights(log_weights):
    x, z = (
        torch.tensor([[1.0], [2.0]]),
        torch.tensor([[[0.0], [1.0]], [[0.5], [-1.0]], [[2.0], [0.1]]]),
    )
    q = SimpleNamespace(
        sample=lambda samples: z[:samples],
        log_density=lambda z: torch.tensor([[-1.0, -0.5], [-2.0, -3.0], [-0.1, -0.2]])[: len(z)],
    )

    def loglik(x, z):
        return torch.tensor([[-10.0, -20.0], [-30.0, -40.0], [-50.0, -60.0]])[: len(z)]

    log_w = log_weights(loglik, x, q, 3)
    expect_shape(log_w, (3, 2), "a weight for each sample and image")
    wrong = {
        "one with the sign of log q(z) turned": [
            [-11.9189, -21.9189],
            [-33.0439, -44.4189],
            [-53.0189, -61.1239],
        ]
    }
    expect(
        log_w,
        [[-9.91894, -20.9189], [-29.0439, -38.4189], [-52.8189, -60.7239]],
        "log w of each sample and image",
        wrong,
    )


@shows("probnn.inference.likelihood.log_marginal")
def check_log_marginal(log_marginal):
    x = torch.tensor([[1.0], [1.5], [2.0]])
    q = DiagonalGaussian(torch.tensor([[0.6], [0.9], [1.2]]), torch.full((3, 1), 0.8))

    def loglik(x, z):
        return -(x - z).square().sum(-1)

    exact = [-0.88264, -1.29931, -1.88264]
    bound = [-1.02314, -1.44814, -2.04314]
    torch.manual_seed(0)
    found = log_marginal(loglik, x, q, 4000)
    wrong = {
        "the mean of the log weights, which is the ELBO,": bound,
        "a sum of weights, not their mean,": [7.41141, 6.99474, 6.41141],
    }
    expect(found[0], exact, "log p(x)", wrong, by=0.03)
    expect(
        found[3], bound, "as the fourth the mean of the log weights", {"log p(x)": exact}, by=0.03
    )
    assert ((found[2] > 1) & (found[2] < 4000)).all(), "effective samples from 1 to K expected"
    expect(
        found[2] / 4000, [0.87408, 0.867485, 0.861463], "effective samples, divided by K,", by=0.05
    )
    spread = [0.006012, 0.00616, 0.006328]
    expect(found[1], spread, "the standard error sd(w) / (sqrt(K) mean(w))", by=0.003)
    far = log_marginal(lambda x, z: loglik(x, z) - 2000, x, q, 4000)[0]
    expect(far + 2000, exact, "the same estimate 2000 nats lower", by=0.03)


@shows("probnn.inference.likelihood.elbo")
def check_elbo(elbo):
    x = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    mu = torch.tensor([[0.5, 0.0], [-0.5, 1.0]], requires_grad=True)
    q = DiagonalGaussian(mu, torch.tensor([[0.5, 1.0], [0.8, 0.3]]))

    def loglik(x, z):
        return -(x - z).square().sum(-1)

    torch.manual_seed(0)
    bound = elbo(loglik, x, q, 10_000)
    wrong = {
        "one without the KL": [-1.5, -1.98],
        "one with the wrong sign of the KL": [-1.05685, -0.562884],
        "a sum over the samples": [-15000.4, -19801.4],
        "a sum over the batch": -5.34026,
        "a mean over the batch": -2.67013,
        "a loss, with the opposite sign,": [1.94315, 3.39712],
    }
    expect(bound, [-1.94315, -3.39712], "per image, the bound", wrong, by=0.12)
    several = DiagonalGaussian(mu.expand(3, 2, 2), q.sigma.expand(3, 2, 2))
    expect_shape(elbo(loglik, x, several, 5), (3, 2), "one for each of several q and image")
    slope = torch.autograd.grad(bound.sum(), mu)[0]
    expect(slope, [[0.5, 0.0], [1.5, 1.0]], "the gradient of the bound for mu", by=0.12)


@shows("loss")
def check_loss(loss):
    class Model:
        class f:
            @staticmethod
            def loglik(x, z):
                return torch.tensor([[-100.0, -200.0]])

        def __call__(self, x):
            mu = torch.tensor([[0.5, -1.0], [0.0, 2.0]])
            return DiagonalGaussian(mu, torch.tensor([[1.0, 0.5], [2.0, 0.3]]))

    x, page = torch.zeros(2, 1, 28, 28), loss.__globals__
    before, page["model"] = page.get("model"), Model()
    wrong = {
        "the bound itself": -152.249,
        "a sum over the batch": 304.499,
        "one without the KL": 150.0,
    }
    try:
        expect(loss(x), 152.249, "the negative bound, a mean over the batch,", wrong)
    finally:
        page["model"] = before


@shows("probnn.inference.svi.fit_posterior")
def check_fit_posterior(fit_posterior):
    x = torch.tensor([[1.0, 0.0], [-2.0, 1.5], [0.6, 3.0]])
    weight = torch.ones((), requires_grad=True)

    def loglik(x, z):
        return -weight * (x - z).square().sum(-1)

    mu, sigma = fit_posterior(loglik, x, samples=100, seed=0)
    wrong = {"the image itself, as without a prior": x}
    truth = [[0.6667, 0.0], [-1.3333, 1.0], [0.4, 2.0]]
    expect(mu, truth, "the posterior's mean, two thirds of x here,", wrong, by=0.06)
    expect(sigma, torch.full((3, 2), 0.57735), "its standard deviation, 0.58 here,", by=0.06)
    assert weight.grad is None, "gradients of mu and log sigma alone expected, not the model's"
