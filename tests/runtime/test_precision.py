"""Networks in bfloat16 against the same networks in float32."""

import copy
import platform
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from probnn.data import load_mnist
from probnn.inference import log_marginal, mean_and_se
from probnn.models import (
    BernoulliImageGenerator,
    ConditionalBernoulliImageGenerator,
    ConditionalGaussianEncoder,
    GaussianEncoder,
)
from probnn.runtime import precision, reduced_precision
from probnn.training import load


@pytest.fixture(params=["with bfloat16 units", "without"])
def units(request, monkeypatch):
    there = request.param == "with bfloat16 units"
    # without units autocast is slow, and as right
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: there)
    return there


def shipped():
    model = GaussianEncoder(BernoulliImageGenerator(d=4))
    model.load_state_dict(load("cambridge/c_autoencoder.pt")["model"])
    return model


def test_bounds_and_likelihoods_differ_by_less_than_their_standard_errors(units):
    model, x = shipped(), load_mnist("test").images[:1000]
    reduced = reduced_precision(shipped())

    def bound(model, x):
        return model.loglik_lb(x)

    def likelihood(model, x):
        return log_marginal(model.f.loglik, x[:200], model(x[:200]), 20).estimate

    for measure in (bound, likelihood):
        values = []
        for m in (model, reduced):
            torch.manual_seed(0)
            with torch.no_grad():
                values.append(measure(m, x))
        assert all(value.dtype == torch.float32 for value in values)
        difference, _ = mean_and_se(values[1] - values[0])
        assert abs(difference) < mean_and_se(values[0])[1] / 10
        assert units != torch.equal(*values)


def test_gradients_are_in_float32_and_point_the_same_way(units):
    gradients = []
    for model in (shipped(), reduced_precision(shipped())):
        torch.manual_seed(0)
        model.loglik_lb(load_mnist("test").images[:100]).mean().backward()
        assert all(p.grad.dtype == p.dtype == torch.float32 for p in model.parameters())
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    assert torch.cosine_similarity(*gradients, dim=0) > 0.999


def test_weights_fit_either_way_and_copies_stay_reduced(units):
    reduced = copy.deepcopy(reduced_precision(shipped()))
    plain = GaussianEncoder(BernoulliImageGenerator(d=4))
    plain.load_state_dict(reduced.state_dict())
    pairs = zip(plain.state_dict().values(), shipped().state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    z = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(reduced.f.logits(z), plain.f.logits(z)) != units
    torch.testing.assert_close(reduced.f(z), plain.f(z), rtol=0, atol=0.05)


def test_conditional_models_can_be_reduced(units):
    torch.manual_seed(0)
    model = ConditionalGaussianEncoder(ConditionalBernoulliImageGenerator(d=4))
    x, y = load_mnist("test").images[:50], load_mnist("test").labels[:50]
    bounds = []
    for m in (model, reduced_precision(copy.deepcopy(model))):
        torch.manual_seed(1)
        bounds.append(m.loglik_lb(x, y))
    torch.testing.assert_close(*bounds, rtol=1e-2, atol=0)


def test_the_reduced_model_has_the_very_parameters_of_the_model(units):
    model = shipped()
    before = dict(model.named_parameters())
    after = dict(reduced_precision(model).named_parameters())
    assert list(after) == list(before)
    assert all(after[name] is before[name] for name in before)


def test_a_model_that_is_a_sequence_of_layers_is_not_changed_but_gives_a_new_one(units):
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64))
    x = torch.randn(5, 64)
    before = model(x)
    reduced = reduced_precision(model)
    assert (reduced is not model) == units and torch.equal(model(x), before)
    assert torch.equal(reduced(x), before) != units
    assert all(a is b for a, b in zip(reduced.parameters(), model.parameters(), strict=True))


@pytest.mark.parametrize("training", [True, False])
def test_the_reduced_model_trains_if_the_model_does(units, training):
    for model in (shipped(), nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 3))):
        reduced = reduced_precision(model.train(training))
        assert {module.training for module in reduced.modules()} == {training}


def test_what_has_no_units_is_told_apart():
    assert not precision.has_bfloat16(torch.device("meta"))


@pytest.mark.skipif(
    not Path("/proc/cpuinfo").exists() or platform.machine() != "x86_64",
    reason="the processor's list of units is elsewhere",
)
def test_units_are_those_that_the_processor_lists():
    flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.M).group(1)
    units = {"avx512_bf16", "amx_tile"} & set(flags.split())
    assert precision.has_bfloat16(torch.device("cpu")) == bool(units)


def test_the_layer_that_reads_z_and_the_one_that_gives_its_moments_stay_in_float32(units):
    plain, reduced = shipped(), reduced_precision(shipped())
    z, h = torch.randn(3, 4), torch.randn(3, 128)
    with torch.autocast("cpu", torch.bfloat16):
        inside = reduced.f.f[0](z), reduced.g[-1](h)
    for found, expected in zip(inside, (plain.f.f[0](z), plain.g[-1](h)), strict=True):
        assert torch.equal(found, expected) == units


def test_modes_of_layers_are_kept_and_the_model_given_is_left_as_it_was(units):
    plain = torch.nn.Sequential(torch.nn.Linear(4, 40), torch.nn.Dropout())
    plain[1].eval()
    reduced = reduced_precision(plain)
    for network in (plain, reduced):
        assert [layer.training for layer in network.modules()] == [True, True, False]


def test_networks_within_networks_are_reduced_with_their_narrow_layers_in_float32(units):
    inner = torch.nn.Sequential(torch.nn.Linear(40, 4), torch.nn.Linear(4, 40))
    reduced = reduced_precision(torch.nn.Sequential(torch.nn.Linear(40, 40), inner))
    with torch.autocast("cpu", torch.bfloat16):
        exact = reduced[1][0](torch.ones(1, 40))
    assert (exact.dtype == torch.float32) == units
