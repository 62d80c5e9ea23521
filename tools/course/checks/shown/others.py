"""Public checks of regression, autoencoders and lines between points, by typed numbers."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import nn

from tools.course.handed_in import expect, expect_shape
from tools.course.tables import shows


@shows("probnn.models.regression.GaussianRegression.forward")
def check_regression(forward):
    mu, sigma = torch.tensor([[0.0], [1.0], [-2.0]]), torch.tensor([[1.0], [0.5], [3.0]])
    model = SimpleNamespace(mu=lambda x: mu, sigma=lambda x: sigma)
    y, x = torch.tensor([[0.5], [1.2], [4.0]]), torch.zeros(3, 1)
    found = forward(model, y, x)
    wrong = {
        "a sum over the points": -5.36728,
        "a mean over the points": -1.78909,
        "that of sigma as a variance": [[-1.04394], [-0.612365], [-7.46825]],
    }
    expect(found, [[-1.04394], [-0.305791], [-4.01755]], "log p(y|x) of each point", wrong)


@shows("probnn.models.regression.RWiggle.sigma")
def check_rwiggle(sigma):
    pre = torch.tensor(0.5, requires_grad=True)
    got = sigma(SimpleNamespace(pre=pre), torch.zeros(3, 1))
    expect_shape(got, (3, 1), "one number for each x")
    exp = {"exp(pre)": [[1.64872], [1.64872], [1.64872]]}
    expect(got, [[0.974077], [0.974077], [0.974077]], "softplus(pre) at every x", exp)
    assert got.requires_grad, "a sigma that gradients can reach expected"


@shows("probnn.models.regression.HWiggle.sigma")
def check_hwiggle(sigma):
    got = sigma(SimpleNamespace(pre=lambda x: 2 * x), torch.tensor([[0.0], [0.5], [-3.0]]))
    exp = {"exp(pre(x))": [[1.0], [2.71828], [0.00248]]}
    expect(
        got,
        [[0.693147], [1.31326], [0.002476]],
        "softplus(pre(x)) at each x, for pre(x) = 2x,",
        exp,
    )


@shows("interpolate")
def check_interpolate(interpolate):
    a, b = torch.tensor([1.0, 2.0]), torch.tensor([5.0, -2.0])
    found = interpolate(a, b, torch.tensor([[0.0], [0.25], [1.0]]))
    line = [[5.0, -2.0], [4.0, -1.0], [1.0, 2.0]]
    reverse = {"the line the other way round": [[1.0, 2.0], [2.0, 1.0], [5.0, -2.0]]}
    expect(found, line, "a point for each alpha, z_a at 1,", reverse)
    expect(interpolate(a, b, 1.0), a, "z_a at alpha = 1", {"z_b": b})


@shows("probnn.models.autoencoders.sparsity_penalty")
def check_sparsity_penalty(sparsity_penalty):
    codes = torch.tensor([[0.1, 0.9], [0.3, 0.5], [0.2, 0.4]])
    found = sparsity_penalty(codes, rho=0.05)
    wrong = {"a mean over the units": 0.395723}
    expect(found, 0.791445, "a sum over the units", wrong, by=1e-3)
    met = sparsity_penalty(torch.tensor([[0.0, 0.02]]), rho=0.01)
    assert met > 0.1, "units of 0 and 0.02 penalised though their mean is 0.01 expected"


@shows("probnn.models.autoencoders.Autoencoder.forward")
def check_autoencoder_forward(forward):
    codes, decoded = torch.tensor([[0.5, -1.0], [2.0, 0.0]]), torch.rand(2, 28, 28)
    model = SimpleNamespace(encoder=lambda x: codes, decoder=lambda z: decoded)
    found = forward(model, torch.zeros(2, 1, 28, 28))
    assert len(found) == 2, "a pair expected, codes and reconstructions"
    expect(found[0], codes, "the codes first")
    expect_shape(found[1], (2, 1, 28, 28), "reconstructions of the shape of the images")
    expect(found[1].mean(), decoded.mean(), "what the decoder makes of the codes")


@shows("probnn.models.networks.mlp")
def check_mlp(mlp):
    layers = mlp((5, 7, 3, 2), nn.Tanh)
    kinds = [type(layer).__name__ for layer in layers]
    expected = ["Linear", "Tanh", "Linear", "Tanh", "Linear"]
    assert kinds == expected, f"for the widths (5, 7, 3, 2) {expected} expected, {kinds} got"
    made = [(layer.in_features, layer.out_features) for layer in layers[::2]]
    assert made == [(5, 7), (7, 3), (3, 2)], (
        f"layers of the widths (5, 7, 3, 2) expected, {made} got"
    )
