"""The study of bounds from both sides: what it stores, and that it goes on where it was."""

import pytest
import torch

from probnn.data import load_mnist
from probnn.inference import log_marginal_quadrature, mean_and_se, over_batches
from probnn.models import mlp_encoder, mlp_generator
from tools import bounds
from tools.bounds import COUNTS, Settings, bound_images, k_sample_bounds, trained

QUICK = Settings(chains=4, temperatures=20, leapfrogs=2)


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = mlp_encoder(mlp_generator(2, (8,)), (8,)).requires_grad_(False)
    model.f.f[2].weight.mul_(8)  # so that the images depend on z
    return model


@pytest.fixture
def data(model):
    z = torch.randn(30, 2)
    return torch.bernoulli(model.f(z)), z


def test_k_sample_bounds_rise_from_the_elbo_towards_log_p(model, data):
    x = data[0][:5]
    torch.manual_seed(1)
    curve, effective = k_sample_bounds(model, x)
    assert curve.shape == effective.shape == (5, len(COUNTS))
    torch.manual_seed(2)
    elbo = model.loglik_lb(x, samples=5000)
    spread = (elbo - curve[:, 0]).abs()
    assert (spread < 0.3 * (1 + curve[:, -1] - curve[:, 0])).all()
    exact = log_marginal_quadrature(model.f.loglik, x)
    assert (curve[:, -1] - exact).abs().max() < 0.3
    assert (curve.mean(0).diff() > 0).all()
    ones = torch.ones(5)
    assert torch.allclose(effective[:, 0], ones) and (effective <= torch.tensor(COUNTS) + 0.1).all()


def test_both_bounds_of_simulated_images_enclose_the_exact_value(model, data, tmp_path):
    found = bound_images(model, *data, QUICK, tmp_path / "bounds.pt")
    exact = log_marginal_quadrature(model.f.loglik, data[0])
    for name, sign in (("lower", 1), ("upper", -1)):
        mean, error = mean_and_se(sign * (found[name] - exact))
        assert mean < 5 * error and abs(mean) < 0.5
    assert found["curve"].shape == (30, len(COUNTS)) and found["fitted"].shape == (30,)


def test_interrupted_it_goes_on_to_the_same_numbers(model, data, tmp_path, monkeypatch):
    whole = bound_images(model, data[0], None, QUICK, tmp_path / "whole.pt")
    assert "upper" not in whole
    calls = []

    def fails_at_the_second(model, x):
        calls.append(len(x))
        if len(calls) == 2:
            raise RuntimeError("the machine goes away")
        return k_sample_bounds(model, x)

    monkeypatch.setattr(bounds, "k_sample_bounds", fails_at_the_second)
    with pytest.raises(RuntimeError, match="goes away"):
        bound_images(model, data[0], None, QUICK, tmp_path / "parts.pt")
    monkeypatch.undo()
    parts = bound_images(model, data[0], None, QUICK, tmp_path / "parts.pt")
    assert calls == [20, 10]
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


@pytest.mark.parametrize("name", ["c", "d4", "d20", "pytorch", "beta_0.784", "beta_1"])
def test_models_are_found_by_name_with_their_trained_weights(name, tmp_path):
    model, x = trained(name, tmp_path), load_mnist("test").images[:100]
    assert over_batches(model.loglik_lb, x).mean() > -140  # untrained: below -500
