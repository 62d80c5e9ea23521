"""The regression models against closed forms, and many starts at once against each alone."""

import copy
import math

import pytest
import torch
from torch import distributions as td
from torch import nn, optim

from probnn.data import load_xkcd
from probnn.models import HWiggle, RWiggle, Starts, Wiggle

X, Y = load_xkcd()


class CourseworkWiggle(nn.Module):
    """As printed in the coursework."""

    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(
            nn.Linear(1, 4),
            nn.LeakyReLU(),
            nn.Linear(4, 20),
            nn.LeakyReLU(),
            nn.Linear(20, 20),
            nn.LeakyReLU(),
            nn.Linear(20, 1),
        )

    def forward(self, x):
        return self.f(x)


def test_the_curve_is_the_courseworks():
    ours, theirs = Wiggle(), CourseworkWiggle()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    assert torch.equal(ours(X), theirs(X))


@pytest.mark.parametrize("model", [RWiggle(), HWiggle()])
def test_the_likelihood_is_that_of_torch(model):
    expected = td.Normal(model.mu(X), model.sigma(X)).log_prob(Y)
    torch.testing.assert_close(model(Y, X), expected)
    assert model(Y, X).shape == (31, 1)


def test_constant_noise_is_constant_and_the_other_is_not():
    assert RWiggle().sigma(X).unique().numel() == 1 and HWiggle().sigma(X).unique().numel() > 1


@pytest.mark.parametrize("kind", [RWiggle, HWiggle])
def test_any_curve_may_be_the_mean(kind):
    model = kind(mu=torch.sin)
    expected = td.Normal(X.sin(), model.sigma(X)).log_prob(Y)
    torch.testing.assert_close(model(Y, X), expected)


def test_constant_noise_starts_as_in_the_coursework():
    assert RWiggle().sigma(X)[0].item() == pytest.approx(math.log1p(math.e))  # softplus(1)


def test_the_best_sigma_is_the_root_mean_square_residual():
    model = RWiggle(mu=lambda x: 1 + x)
    optimizer = optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = -model(Y, X).mean()
        loss.backward()
        return loss

    for _ in range(10):
        optimizer.step(closure)
    mean_square = (Y - 1 - X).square().mean()
    assert model.sigma(X)[0].item() == pytest.approx(mean_square.sqrt().item(), rel=1e-3)
    best = -0.5 * (math.log(2 * math.pi * mean_square) + 1)
    assert model(Y, X).mean().item() == pytest.approx(best, rel=1e-5)


@pytest.mark.parametrize("kind", [RWiggle, HWiggle])
def test_starts_trained_together_go_the_way_of_each_alone(kind):
    models = [kind() for _ in range(3)]
    starts = Starts(copy.deepcopy(models))
    optimizers = [optim.Adam(m.parameters(), lr=0.01) for m in models]
    together = optim.Adam(starts.parameters(), lr=0.01)
    for _ in range(20):
        together.zero_grad()
        (-starts(Y, X).mean((1, 2)).sum()).backward()
        together.step()
        for model, optimizer in zip(models, optimizers, strict=True):
            optimizer.zero_grad()
            (-model(Y, X).mean()).backward()
            optimizer.step()
    for i, model in enumerate(models):
        torch.testing.assert_close(starts(Y, X)[i], model(Y, X), rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(starts.model(i)(Y, X), model(Y, X), rtol=1e-3, atol=1e-4)


def test_many_starts_save_and_load():
    starts, other = Starts([HWiggle() for _ in range(2)]), Starts([HWiggle() for _ in range(2)])
    other.load_state_dict(starts.state_dict())
    assert torch.equal(other(Y, X), starts(Y, X))


def test_shapes_that_would_broadcast_are_an_error():
    with pytest.raises(ValueError, match=r"one shape \(n, 1\), got \(31,\) and \(31, 1\)"):
        RWiggle()(Y.flatten(), X)


def test_starts_leave_the_models_alone_and_take_their_type():
    models = [RWiggle() for _ in range(2)]
    before = copy.deepcopy(models[0].state_dict())
    starts = Starts(models).double()
    one = starts.model(1)
    assert all(torch.equal(before[name], value) for name, value in models[0].state_dict().items())
    assert all(p.dtype == torch.float64 for p in one.parameters())
    torch.testing.assert_close(one(Y.double(), X.double()), starts(Y.double(), X.double())[1])


def test_models_with_buffers_of_their_own_are_refused():
    with pytest.raises(ValueError, match="without buffers, got running_mean, running_var, "):
        Starts([nn.BatchNorm1d(1) for _ in range(2)])


def values(module):
    """Its parameters as they are now."""
    return [parameter.detach().clone() for parameter in module.parameters()]


def test_each_start_is_a_model_of_its_own():
    models = [RWiggle() for _ in range(2)]
    starts = Starts(models)
    for i, model in enumerate(models):
        assert all(map(torch.equal, values(starts.model(i)), values(model)))
    assert not torch.equal(starts.model(0)(Y, X), starts.model(1)(Y, X))


def test_changing_one_start_changes_neither_the_starts_nor_another_of_its_models():
    starts = Starts([RWiggle() for _ in range(2)])
    before, other = values(starts), starts.model(0)
    kept = values(other)
    with torch.no_grad():
        for parameter in starts.model(0).parameters():
            parameter.add_(1)
    assert all(map(torch.equal, values(starts), before))
    assert all(map(torch.equal, values(other), kept))


def test_training_the_starts_does_not_change_a_model_that_was_taken_from_them():
    starts = Starts([RWiggle() for _ in range(2)])
    taken, before = starts.model(1), values(starts.model(1))
    optimizer = optim.Adam(starts.parameters(), lr=0.1)
    starts(Y, X).sum().backward()
    optimizer.step()
    assert all(map(torch.equal, values(taken), before))
    assert not torch.equal(values(starts.model(1))[0], before[0])


def test_a_single_start_of_a_single_parameter_is_the_model_itself():
    model = RWiggle(mu=torch.sin)
    starts = Starts([model])
    torch.testing.assert_close(starts(Y, X)[0], model(Y, X))
    torch.testing.assert_close(starts.model(0)(Y, X), model(Y, X))
