"""Public checks of densities and samplers: typed points, and typed values at them."""

from __future__ import annotations

import torch

from probnn.densities import DiagonalGaussian
from tools.course.handed_in import expect, expect_shape
from tools.course.tables import shows


@shows("probnn.densities.log_normal")
def check_log_normal(log_normal):
    z, mu = torch.tensor([[0.5, -1.0], [2.0, 0.0], [-0.3, 1.2]]), torch.tensor([0.4, -0.7])
    sigma = torch.tensor([[0.5, 1.5], [1.0, 0.3], [2.0, 0.8]])
    truth = [[-0.245791, -1.3444], [-2.19894, -2.43719], [-1.67334, -3.51611]]
    expect_shape(log_normal(z, mu, sigma), (3, 2), "one number for each element of z")
    wrong = {
        "one without -log sigma": [
            [-0.938938, -0.938938],
            [-2.19894, -3.64116],
            [-0.980189, -3.73925],
        ],
        "one without the constant": [
            [0.673147, -0.425465],
            [-1.28, -1.51825],
            [-0.754397, -2.59717],
        ],
        "that of sigma as a variance": [
            [-0.582365, -1.15167],
            [-2.19894, -1.13362],
            [-1.38801, -3.06362],
        ],
        "a density, not its log": [[0.782085, 0.260695], [0.110921, 0.087406], [0.18762, 0.029715]],
    }
    expect(log_normal(z, mu, sigma), truth, "the log density", wrong)
    expect(log_normal(z[0]), [-1.04394, -1.41894], "that of N(0, 1), by default,")


@shows("log_prior")
def check_log_prior(log_prior):
    z = torch.tensor(
        [[[0.0, 0.0], [1.0, -2.0]], [[0.3, 0.4], [-1.5, 0.5]], [[3.0, 0.0], [0.1, 1.0]]]
    )
    wrong = {
        "a sum over all points": -19.9073,
        "one number for each coordinate": [
            [[-0.918939, -0.918939], [-1.41894, -2.91894]],
            [[-0.963939, -0.998939], [-2.04394, -1.04394]],
            [[-5.41894, -0.918939], [-0.923939, -1.41894]],
        ],
        "a mean over the coordinates": [
            [-0.918939, -2.16894],
            [-0.981439, -1.54394],
            [-3.16894, -1.17144],
        ],
    }
    expect(
        log_prior(z),
        [[-1.83788, -4.33788], [-1.96288, -3.08788], [-6.33788, -2.34288]],
        "one log density for each point",
        wrong,
    )


@shows("probnn.densities.log_bernoulli")
def check_log_bernoulli(log_bernoulli):
    x, logits = torch.tensor([1.0, 0.0, 1.0, 0.0]), torch.tensor([2.0, 2.0, -1.0, 0.0])
    wrong = {
        "that of 1 - x": [-2.12693, -0.126928, -0.313262, -0.693147],
        "a loss, -log p": [0.126928, 2.12693, 1.31326, 0.693147],
        "the sum over pixels": -4.26027,
    }
    truth = [-0.126928, -2.12693, -1.31326, -0.693147]
    expect(log_bernoulli(x, logits), truth, "log p of each pixel", wrong)
    extreme = log_bernoulli(torch.tensor([1.0, 0.0, 1.0]), torch.tensor([-200.0, 200.0, 200.0]))
    assert torch.isfinite(extreme).all(), "finite log probabilities expected at logits of 200"
    expect(extreme, [-200.0, -200.0, 0.0], "-200, -200 and 0 at logits of 200")
    grey = log_bernoulli(torch.tensor(0.25), torch.tensor(2.0))
    expect(grey, -1.62693, "for grey x the mean over black and white")


@shows("probnn.densities.sample_normal")
def check_sample_normal(sample_normal):
    mu = torch.tensor([3.0, -1.0], requires_grad=True)
    sigma = torch.tensor([0.5, 2.0], requires_grad=True)
    expect_shape(sample_normal(mu, sigma), (2,), "one draw")
    torch.manual_seed(0)
    z = sample_normal(mu, sigma, 20_000)
    expect_shape(z, (20_000, 2), "K draws, the sample axis first,")
    spread = {"that of N(mu, 1)": [1.0, 1.0], "that of rand, not randn": [0.14434, 0.57735]}
    expect(z.mean(0), [3.0, -1.0], "the mean mu", {"mu + sigma / 2, as of rand": [3.25, 0.0]}, 0.06)
    expect(z.std(0), [0.5, 2.0], "the standard deviation sigma", spread, by=0.06)
    assert z.requires_grad, "draws that gradients can pass expected, detached ones got"
    to_mu, to_sigma = torch.autograd.grad(z.sum(0).mean(), (mu, sigma))
    expect(to_mu / 20_000, [0.5, 0.5], "a gradient of 1 for mu, per draw,")
    expect(to_sigma / 20_000, [0.0, 0.0], "a gradient of mean 0 for sigma", by=0.03)


@shows("probnn.densities.sample_bernoulli")
def check_sample_bernoulli(sample_bernoulli):
    torch.manual_seed(0)
    x = sample_bernoulli(torch.tensor([-2.0, 0.0, 1.0]).expand(20_000, 3))
    expect_shape(x, (20_000, 3), "a draw for each logit")
    assert set(x.unique().tolist()) <= {0, 1}, "zeros and ones expected, other values got"
    swapped = {"zeros and ones swapped": [0.8808, 0.5, 0.2689]}
    expect(x.mean(0), [0.1192, 0.5, 0.7311], "ones as often as they are likely", swapped, by=0.03)
    assert (x[:10] != x[10:20]).any(), "a new draw for each element expected"


@shows("probnn.densities.kl_normal")
def check_kl_normal(kl_normal):
    mu, sigma = torch.tensor([[0.0, 1.0], [-0.5, 2.0]]), torch.tensor([[1.0, 1.0], [0.4, 1.5]])
    wrong = {
        "the negative of it": [[0.0, -0.5], [-0.621291, -2.21953]],
        "the KL the other way round": [[0.0, 0.5], [2.48996, 1.01658]],
        "the sum over coordinates": [0.5, 2.84083],
    }
    expect(kl_normal(mu, sigma), [[0.0, 0.5], [0.621291, 2.21953]], "KL from N(0, 1)", wrong)
    other = [[0.379397, 0.329397], [1.30944, 0.280182]]
    expect(kl_normal(mu, sigma, 0.7, 2.0), other, "KL from N(0.7, 4)")


@shows("probnn.densities.kl_bernoulli")
def check_kl_bernoulli(kl_bernoulli):
    a, b = torch.tensor([0.0, 1.0, -2.0]), torch.tensor([0.0, -0.5, 0.4])
    wrong = {"the KL the other way round": [0.0, 0.272874, 0.650763]}
    expect(kl_bernoulli(a, b), [0.0, 0.257403, 0.5], "KL(q || p)", wrong)


@shows("probnn.densities.DiagonalGaussian.log_density")
def check_log_density(log_density):
    mu, sigma = torch.tensor([[0.5, -1.0], [0.0, 2.0]]), torch.tensor([[1.0, 0.5], [2.0, 0.3]])
    q, z = DiagonalGaussian(mu, sigma), torch.tensor([[[0.0, 0.0]], [[1.0, 2.0]]]).expand(2, 2, 2)
    wrong = {
        "the log density of the prior": [[-1.83788, -1.83788], [-4.33788, -4.33788]],
        "one without -log sigma": [[-3.96288, -24.0601], [-19.9629, -1.96288]],
    }
    expect(
        log_density(q, z), [[-3.26973, -23.5493], [-19.2697, -1.45205]], "log q(z) of each z", wrong
    )
    several = DiagonalGaussian(mu.expand(3, 2, 2), sigma.expand(3, 2, 2))
    expect_shape(log_density(several, z[:, None].expand(2, 3, 2, 2)), (2, 3, 2), "for several q")


@shows("probnn.densities.DiagonalGaussian.kl_from_prior")
def check_kl_from_prior(kl_from_prior):
    mu, sigma = torch.tensor([[0.5, -1.0], [0.0, 2.0]]), torch.tensor([[1.0, 0.5], [2.0, 0.3]])
    q = DiagonalGaussian(mu, sigma)
    wrong = {"a sum over the batch": 4.49897}
    expect(kl_from_prior(q), [0.943147, 3.55583], "KL of each image", wrong)
    several = DiagonalGaussian(mu.expand(3, 2, 2), sigma.expand(3, 2, 2))
    expect_shape(kl_from_prior(several), (3, 2), "one for each of several q and image")
