"""Checks of image models: networks, likelihoods of images and of halves, conditional models."""

from __future__ import annotations

import math
from types import SimpleNamespace

import torch
from torch.distributions import Bernoulli

from probnn.densities import DiagonalGaussian
from probnn.models.conditional import ConditionalBernoulliImageGenerator, ConditionalGaussianEncoder
from probnn.models.halves import BOTTOM, TOP
from probnn.models.images import BernoulliImageGenerator
from tools.course.handed_in import expect, expect_shape
from tools.course.tables import asks


@asks("probnn.models.encoder.Encoder.loglik_lb")
def check_loglik_lb(loglik_lb, seed, n):
    """The lower bound on log p(x) of each image, with this encoder's q, in nats, (B,).

    Args:
        self: the encoder; `self(x, *given)` is its q, `self.f` its generator.
        x: images (B, ...).
        *given: what the model is conditional on, as labels; goes on to the encoder and to
            `self.f.loglik(x, z, *given)`.
        samples: of z for each image.
    """
    torch.manual_seed(seed)
    q = DiagonalGaussian(torch.randn(n, 2), torch.rand(n, 2) + 0.3)

    class Model:
        f = SimpleNamespace(loglik=lambda x, z, y: 0 * z.sum(-1) - x - y)

        def __call__(self, x, y):
            return q

    x, y = torch.rand(n), torch.rand(n)
    kl = 0.5 * (q.mu**2 + q.sigma**2 - 1 - 2 * q.sigma.log()).sum(-1)
    wrong = {"a mean over the batch": (-x - y - kl).mean(), "one without the KL": -x - y}
    expect(loglik_lb(Model(), x, y, samples=2), -x - y - kl, "the bound of each image", wrong)


@asks("probnn.models.pixels.log_bernoulli_images")
def check_log_bernoulli_images(log_bernoulli_images, seed, n):
    """log p(x) of images with independent Bernoulli pixels, in nats.

    Args:
        x: (B, 1, H, W).
        logits: log odds of the pixels, (..., B, 1, H, W), or (..., 1, 1, H, W) for all images. Of
            the latter pages have thousands, for a hundred images: there a matrix product of logits
            and pixels takes the sum; an array of all pairs of pixels would be too large.

    Returns:
        (..., B).
    """
    torch.manual_seed(seed)
    x, logits = (torch.rand(n, 1, 28, 28) < 0.5).float(), torch.randn(4, n, 1, 28, 28)
    each = Bernoulli(logits=logits).log_prob(x)
    truth = each.sum((-3, -2, -1))
    wrong = {
        "a mean over the pixels": truth / 784,
        "a sum over the batch": truth.sum(),
        "one number for each row of pixels": each.sum(-1),
        "a loss, -log p(x),": -truth,
    }
    expect(log_bernoulli_images(x, logits), truth, "one log p(x) for each image", wrong)
    shared = Bernoulli(logits=logits[:, :1]).log_prob(x).sum((-3, -2, -1))
    expect(log_bernoulli_images(x, logits[:, :1]), shared, "the same with logits for all images")


@asks("probnn.models.images.BernoulliImageGenerator.loglik")
def check_loglik(loglik, seed, n):
    """log p(x|z) of each image, in nats, summed over the 784 pixels.

    Args:
        self: the generator; `self.logits(z)` are the log odds, (..., 1, 28, 28).
        x: images (B, 1, 28, 28), pixels from 0 to 1.
        z: (..., B, d).

    Returns:
        (..., B).
    """
    torch.manual_seed(seed)
    generator = BernoulliImageGenerator(2)
    x, z = (torch.rand(n, 1, 28, 28) < 0.5).float(), torch.randn(4, n, 2)
    truth = Bernoulli(logits=generator.logits(z)).log_prob(x).sum((-3, -2, -1))
    wrong = {"a mean over the pixels": truth / 784, "a sum over the batch": truth.sum(-1)}
    expect(loglik(generator, x, z), truth, "one log p(x|z) for each image and z", wrong)


@asks("probnn.models.halves.top_half")
def check_top_half(top_half, seed, n):
    """The top half, 14 of 28 rows, of images (..., 28, 28): (..., 14, 28)."""
    torch.manual_seed(seed)
    images = torch.rand(n, 1, 28, 28)
    wrong = {"the left half": images[..., :14], "the bottom half": images[..., 14:, :]}
    expect(top_half(images), images[:, :, :14], "the upper 14 rows", wrong)
    expect_shape(top_half(images[0, 0]), (14, 28), "of a single array the upper 14 rows")


@asks("probnn.models.halves.half_loglik")
def check_half_loglik(half_loglik, seed, n):
    """log p(some rows of an image | z), in nats, the other rows integrated out.

    Args:
        generator: `generator.logits(z)` are the log odds of all pixels, (..., 1, 28, 28).
        rows: a slice of the 28 rows, as TOP or BOTTOM.
        x: whole images (B, 1, 28, 28), pixels 0 or 1.
        z: (..., B, d), or (..., 1, d) for points shared by all images. `log_bernoulli_images` (of
            `probnn.models.pixels`) is made for both.

    Returns:
        (..., B).
    """
    torch.manual_seed(seed)
    generator = BernoulliImageGenerator(2)
    x, z = (torch.rand(n, 1, 28, 28) < 0.5).float(), torch.randn(4, n, 2)
    with torch.no_grad():
        each, zero = (Bernoulli(logits=generator.logits(z)).log_prob(i) for i in (x, 0 * x))
    for rows, name in ((TOP, "top"), (BOTTOM, "bottom")):
        truth = each[..., rows, :].sum((-3, -2, -1))
        other = zero.sum((-3, -2, -1)) - zero[..., rows, :].sum((-3, -2, -1))
        wrong = {
            "one in which unseen pixels count as white": truth + other,
            "that of the whole image": each.sum((-3, -2, -1)),
            "a mean over the pixels": truth / (14 * 28),
        }
        expect(half_loglik(generator, rows, x, z), truth, f"log p({name} | z) of each image", wrong)
    expect_shape(
        half_loglik(generator, TOP, x, z[:, :1]), (4, n), "with shared points one per image"
    )


@asks("probnn.models.conditional.one_hot")
def check_one_hot(one_hot, seed, n):
    """Labels y, (B,), as rows with a single 1: (B, 10), float32, the 1 in the label's column."""
    y = (torch.arange(n) + seed) % 10
    rows = one_hot(y)
    expect_shape(rows, (n, 10), "a row of 10 for each label")
    assert rows.dtype == torch.float32, f"float32 expected, {rows.dtype} got"
    expect(rows.sum(1), torch.ones(n), "a single 1 in each row")
    off = (rows.argmax(1) - y).unique().tolist()
    assert off == [0], f"the 1 expected in the label's own column, {off} columns off got"


@asks("probnn.models.conditional.ConditionalBernoulliImageGenerator.logits")
def check_conditional_logits(logits, seed, n):
    """Log odds of the pixels, given z and the label: (..., B, 1, 28, 28).

    Args:
        self: the generator; its network `self.f` takes rows of z and then the ten numbers of
            `one_hot(y)`, and ends in a sigmoid; `pixel_logits(self.f, inputs)` (of
            `probnn.models.pixels`) gives what goes into that, for inputs (..., B, d + 10).
        z: (..., B, d).
        y: B labels.
    """
    torch.manual_seed(seed)
    generator = ConditionalBernoulliImageGenerator(3)
    z, y = torch.randn(2, n, 3), (torch.arange(n) + seed) % 10
    inputs = torch.cat([z, torch.eye(10)[y].expand(2, n, 10)], -1)
    truth = generator.f(inputs.flatten(0, 1)).logit().view(2, n, 1, 28, 28)
    got = logits(generator, z, y)
    expect_shape(got, (2, n, 1, 28, 28), "logits of an image for each z and label")
    swapped = torch.cat([torch.eye(10)[y].expand(2, n, 10), z], -1).flatten(0, 1)
    before = generator.f(swapped).logit().view(2, n, 1, 28, 28)
    expect(
        got, truth, "the network's logits for its own label", {"the label before z": before}, 1e-3
    )
    alone = [logits(generator, z[:, i : i + 1], y[i : i + 1]) for i in range(n)]
    expect(torch.cat(alone, 1), truth, "the same for each image by itself", by=1e-3)


@asks("probnn.models.conditional.ConditionalBernoulliImageGenerator.loglik")
def check_conditional_loglik(loglik, seed, n):
    """log p(x|z, y) of each image, in nats, (..., B).

    Args:
        self: the generator; `self.logits(z, y)` are the log odds, (..., B, 1, 28, 28).
        x: images (B, 1, 28, 28).
        z: (..., B, d).
        y: B labels.
    """
    torch.manual_seed(seed)
    logits = torch.randn(2, n, 1, 28, 28)
    generator = SimpleNamespace(logits=lambda z, y: logits, d=3)
    x, y = (torch.rand(n, 1, 28, 28) < 0.5).float(), (torch.arange(n) + seed) % 10
    truth = Bernoulli(logits=logits).log_prob(x).sum((-3, -2, -1))
    wrong = {"a mean over the pixels": truth / 784, "-784 log 2": truth * 0 - 784 * math.log(2)}
    expect(loglik(generator, x, torch.randn(2, n, 3), y), truth, "one for each image and z", wrong)


@asks("probnn.models.conditional.ConditionalGaussianEncoder.forward")
def check_conditional_forward(forward, seed, n):
    """q(z|x, y) of a batch of images and labels.

    Args:
        self: the encoder; its network `self.g` takes the 784 pixels and then the ten numbers of
            `one_hot(y)`, and gives d means, then d log variances.
        x: images (B, 1, 28, 28).
        y: B labels.

    Returns:
        `DiagonalGaussian(mu, sigma)`, each (B, d); sigma is the standard deviation.
    """
    torch.manual_seed(seed)
    model = ConditionalGaussianEncoder(ConditionalBernoulliImageGenerator(3))
    x, y = torch.rand(n, 1, 28, 28), (torch.arange(n) + seed) % 10
    outputs = model.g(torch.cat([x.view(n, 784), torch.eye(10)[y]], 1))
    mu, sigma = forward(model, x, y)
    expect(mu, outputs[:, :3], "the network's first d outputs as means")
    truth = (0.5 * outputs[:, 3:]).exp()
    expect(sigma, truth, "the standard deviations", {"the variances": truth**2})
