"""The conditional models against the worked answers' own classes; shapes, labels and errors."""

from functools import partial

import pytest
import torch
from torch import nn

from probnn.densities import DiagonalGaussian
from probnn.inference import elbo, log_marginal
from probnn.models import (
    BernoulliImageGenerator,
    ConditionalBernoulliImageGenerator,
    ConditionalGaussianEncoder,
    one_hot,
)


class WorkedAnswersGenerator(nn.Module):
    def __init__(self, d=4):
        super().__init__()
        self.d = d
        self.f = nn.Sequential(
            nn.Linear(d + 10, 128),
            nn.LeakyReLU(),
            nn.Linear(128, 1728),
            nn.LeakyReLU(),
            nn.Unflatten(1, (12, 12, 12)),
            nn.Conv2d(12, 36, 3, 1),
            nn.LeakyReLU(),
            nn.Flatten(1),
            nn.Unflatten(1, (4, 30, 30)),
            nn.Conv2d(4, 4, 3, 1),
            nn.LeakyReLU(),
            nn.Conv2d(4, 1, 1, 1),
            nn.Sigmoid(),
        )

    def forward(self, z, y):
        return self.f(torch.cat((z, y), dim=1))

    def loglik(self, x, z, y):
        xr = self(z, y)
        return (x * torch.log(xr) + (1 - x) * torch.log(1 - xr)).sum((1, 2, 3))


class WorkedAnswersEncoder(nn.Module):
    def __init__(self, decoder):
        super().__init__()
        self.d = decoder.d
        self.f = decoder
        self.g = nn.Sequential(
            nn.Linear(28 * 28 + 10, 512),
            nn.LeakyReLU(),
            nn.Linear(512, 512),
            nn.LeakyReLU(),
            nn.Linear(512, 512),
            nn.LeakyReLU(),
            nn.Linear(512, 128),
            nn.LeakyReLU(),
            nn.Linear(128, self.d * 2),
        )

    def forward(self, x, y):
        μτ = self.g(torch.cat((torch.flatten(x, start_dim=1), y), dim=1))
        return μτ[:, : self.d], torch.exp(μτ[:, self.d :] / 2)

    def loglik_lb(self, x, y):
        μ, σ = self(x, y)
        kl = 0.5 * (μ**2 + σ**2 - torch.log(σ**2) - 1).sum(1)
        return self.f.loglik(x, z=μ + σ * torch.randn_like(σ), y=y) - kl


X = torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 9, 4, 4, 1, 7])


@torch.no_grad()
def test_the_worked_answers_weights_give_their_likelihood_and_bound():
    theirs = WorkedAnswersEncoder(WorkedAnswersGenerator())
    ours = ConditionalGaussianEncoder(ConditionalBernoulliImageGenerator())
    ours.load_state_dict(theirs.state_dict(), strict=True)
    rows, z = torch.eye(10)[LABELS], torch.randn(6, 4)
    for mine, other in zip(ours(X, LABELS), theirs(X, rows), strict=True):
        torch.testing.assert_close(mine, other)
    torch.testing.assert_close(
        ours.f.loglik(X, z, LABELS), theirs.f.loglik(X, z, rows), rtol=1e-4, atol=0
    )
    torch.manual_seed(1)
    mine = ours.loglik_lb(X, LABELS)
    torch.manual_seed(1)
    torch.testing.assert_close(mine, theirs.loglik_lb(X, rows), rtol=1e-4, atol=0)


@torch.no_grad()
def test_conditioning_is_partial_application():
    model = ConditionalGaussianEncoder(ConditionalBernoulliImageGenerator(d=3))
    q = model(X, LABELS)
    loglik = partial(model.f.loglik, y=LABELS)
    assert loglik(X, q.sample(5)).shape == (5, 6) and loglik(X, torch.randn(5, 1, 3)).shape == (
        5,
        6,
    )
    torch.manual_seed(1)
    bound = elbo(loglik, X, q)
    torch.manual_seed(1)
    assert torch.equal(bound, model.loglik_lb(X, LABELS))
    assert log_marginal(loglik, X, q, samples=4).estimate.shape == (6,)


@torch.no_grad()
def test_every_image_is_decoded_with_its_own_label():
    generator, z = ConditionalBernoulliImageGenerator(), torch.randn(3, 6, 4)
    together = generator.loglik(X, z, LABELS)
    for k in range(3):
        for b in range(6):
            alone = generator.loglik(X[b : b + 1], z[k, b][None], LABELS[b : b + 1])[0]
            torch.testing.assert_close(together[k, b], alone)


@torch.no_grad()
def test_the_label_changes_the_image_and_stays_what_it_is():
    generator, z = ConditionalBernoulliImageGenerator(), torch.randn(1, 4)
    first = generator(z, torch.arange(10))
    assert first.shape == (10, 1, 28, 28) and (first[0] - first[1]).abs().max() > 1e-4
    again = generator(z, torch.arange(10))  # nothing is drawn anew in a forward pass
    assert torch.equal(first, again)
    torch.testing.assert_close(first, generator(z, torch.eye(10)))
    torch.testing.assert_close(first, generator(z[0], torch.arange(10)))


def test_one_hot_puts_the_one_at_the_label():
    assert torch.equal(one_hot(LABELS), torch.eye(10)[LABELS])
    assert torch.equal(one_hot(LABELS.int()), one_hot(torch.eye(10, dtype=torch.int64)[LABELS]))


def test_one_hot_rows_are_where_the_labels_are(elsewhere):
    with elsewhere():
        assert one_hot(LABELS).device == LABELS.device


@pytest.mark.parametrize(
    "y, message",
    [
        (torch.tensor([0, 10]), "labels 0 to 9, got 10"),
        (torch.tensor([3, -1]), "labels 0 to 9, got -1"),
        (torch.tensor([1.0]), r"integers, or one-hot rows \(B, 10\), got \(1,\), torch.float32"),
        (torch.zeros(2, 9), r"got \(2, 9\)"),
        (torch.zeros(2, 10), "not a single 1"),
        (torch.full((1, 10), 0.1), "not a single 1"),
    ],
)
def test_wrong_labels_are_clear_errors(y, message):
    with pytest.raises(ValueError, match=message):
        one_hot(y)


def test_a_wrong_number_of_labels_is_a_clear_error():
    model = ConditionalGaussianEncoder(ConditionalBernoulliImageGenerator())
    with pytest.raises(ValueError, match="one label per image, got 5 labels for 6 images"):
        model(X, LABELS[:5])
    with pytest.raises(ValueError, match=r"z of shape \(..., 5, 4\) for 5 labels, got \(6, 4\)"):
        model.f.loglik(X, torch.zeros(6, 4), LABELS[:5])
    with pytest.raises(ValueError, match="one label per image, got 5 labels for 6 images"):
        model.f.loglik(X, torch.zeros(1, 4), LABELS[:5])


def test_the_bound_trains_every_weight():
    model = ConditionalGaussianEncoder(ConditionalBernoulliImageGenerator())
    model.loglik_lb(X, LABELS).mean().backward()
    assert all(p.grad.abs().sum() > 0 for p in model.parameters())
    assert isinstance(model(X, LABELS), DiagonalGaussian)


def test_a_conditional_generator_is_not_taken_for_an_unconditional_one():
    assert not issubclass(ConditionalBernoulliImageGenerator, BernoulliImageGenerator)
