"""Public checks of image models: images and log odds by a ruler, and typed likelihoods."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import nn

from probnn.densities import DiagonalGaussian
from tools.course.handed_in import expect, expect_shape
from tools.course.tables import shows


@shows("probnn.models.encoder.Encoder.loglik_lb")
def check_loglik_lb(loglik_lb):
    class Model:
        f = SimpleNamespace(loglik=lambda x, z, y: torch.tensor([[-100.0, -300.0]]) - y)

        def __call__(self, x, y):
            mu = torch.tensor([[0.5, -1.0], [0.0, 2.0]])
            return DiagonalGaussian(mu, torch.tensor([[1.0, 0.5], [2.0, 0.3]]))

    x, y = torch.zeros(2), torch.tensor([1.0, 2.0])
    found = loglik_lb(Model(), x, y, samples=2)
    wrong = {"a mean over the batch": -203.749, "one without the KL": [-101.0, -302.0]}
    expect(found, [-101.943, -305.556], "the bound of each image", wrong)


@shows("probnn.models.pixels.log_bernoulli_images")
def check_log_bernoulli_images(log_bernoulli_images):
    x = (torch.arange(2 * 784) % 3 == 0).float().view(2, 1, 28, 28)
    logits = torch.linspace(-2, 3, 3 * 2 * 784).view(3, 2, 1, 28, 28)
    wrong = {
        "a mean over the pixels": [
            [-0.720011, -0.642668],
            [-0.71501, -0.953618],
            [-1.3292, -1.79811],
        ],
        "a sum over the batch": -4828.36,
        "a loss, -log p(x),": [[564.489, 503.852], [560.568, 747.636], [1042.09, 1409.72]],
    }
    truth = [[-564.489, -503.852], [-560.568, -747.636], [-1042.09, -1409.72]]
    expect(log_bernoulli_images(x, logits), truth, "one log p(x) for each image", wrong)
    shared = [[-564.489, -562.766], [-560.568, -560.512], [-1042.09, -1043.7]]
    expect(log_bernoulli_images(x, logits[:, :1]), shared, "the same with logits for all images")


@shows("probnn.models.images.BernoulliImageGenerator.loglik")
def check_loglik(loglik):
    x = (torch.arange(2 * 784) % 3 == 0).float().view(2, 1, 28, 28)
    z = torch.tensor(
        [[[0.0, 1.0], [1.0, 0.0]], [[-1.0, 2.0], [0.5, 0.5]], [[2.0, 0.0], [0.0, 0.0]]]
    )
    ruler = torch.linspace(-2, 2, 784).view(28, 28)
    generator = SimpleNamespace(logits=lambda z: z[..., :1, None, None] + ruler, d=2)
    found = loglik(generator, x, z)
    wrong = {
        "a mean over the pixels": [
            [-0.846086, -1.10583],
            [-0.773769, -0.952465],
            [-1.53289, -0.845236],
        ],
        "a sum over the batch": [-1530.3, -1353.37, -1864.45],
    }
    expect(
        found,
        [[-663.332, -866.968], [-606.635, -746.732], [-1201.78, -662.665]],
        "one log p(x|z) for each image and z",
        wrong,
    )


@shows("probnn.models.halves.top_half")
def check_top_half(top_half):
    left = torch.arange(28) < 14
    images = left.float().expand(3, 1, 28, 28).clone()
    images[..., 20, :] += 2
    found = top_half(images)
    expect_shape(found, (3, 1, 14, 28), "14 rows of each image")
    assert found.max() <= 1, "the upper rows expected, the lower ones got"
    expect(found.mean(), 0.5, "all columns of the upper rows", {"the left half": 1.0})
    expect_shape(top_half(images[0, 0]), (14, 28), "of a single array the upper 14 rows")


@shows("probnn.models.halves.half_loglik")
def check_half_loglik(half_loglik):
    x = (torch.arange(2 * 784) % 3 == 0).float().view(2, 1, 28, 28)
    z = torch.tensor(
        [[[0.0, 1.0], [1.0, 0.0]], [[-1.0, 2.0], [0.5, 0.5]], [[2.0, 0.0], [0.0, 0.0]]]
    )
    ruler = torch.linspace(-2, 2, 784).view(28, 28)
    generator = SimpleNamespace(logits=lambda z: z[..., :1, None, None] + ruler, d=2)
    top, bottom = slice(0, 14), slice(14, 28)
    whole = {
        "that of the whole image": [
            [-663.332, -866.968],
            [-606.635, -746.732],
            [-1201.78, -662.665],
        ],
        "one in which unseen pixels count as white": [
            [-794.834, -1128.8],
            [-607.136, -943.065],
            [-1595.29, -793.498],
        ],
    }
    seen = [[-266.917, -287.613], [-319.189, -265.897], [-396.7, -265.582]]
    expect(half_loglik(generator, top, x, z), seen, "log p(top | z) of each image", whole)
    seen = [[-396.414, -579.355], [-287.445, -480.835], [-805.084, -397.083]]
    expect(half_loglik(generator, bottom, x, z), seen, "log p(bottom | z) of each image")
    shared = half_loglik(generator, top, x, z[:, :1])
    expect_shape(shared, (3, 2), "with shared points one per image")


@shows("probnn.models.conditional.ConditionalBernoulliImageGenerator.logits")
def check_conditional_logits(logits):
    linear = nn.Linear(13, 784, bias=False)
    linear.weight.data[:] = torch.arange(13) / 10  # 0 for the first input, 1.2 for the last
    network = nn.Sequential(linear, nn.Unflatten(1, (1, 28, 28)), nn.Sigmoid())
    model, y = SimpleNamespace(f=network, d=3), torch.tensor([7, 0, 9])
    z = torch.tensor([[[1.0, 2.0, 3.0]], [[0.0, -1.0, 5.0]]]).expand(2, 3, 3)
    found = logits(model, z, y)
    expect_shape(found, (2, 3, 1, 28, 28), "logits of an image for each z and label")
    swapped = {"those of the label before z": [[7.5, 6.8, 7.7], [5.6, 4.9, 5.8]]}
    expect(
        found.mean((2, 3, 4)),
        [[1.8, 1.1, 2.0], [1.9, 1.2, 2.1]],
        "the network's logits for its own label",
        swapped,
        1e-3,
    )


@shows("probnn.models.conditional.ConditionalBernoulliImageGenerator.loglik")
def check_conditional_loglik(loglik):
    x, y = (torch.arange(2 * 784) % 3 == 0).float().view(2, 1, 28, 28), torch.tensor([3, 8])
    logits = torch.linspace(-2, 3, 3 * 2 * 784).view(3, 2, 1, 28, 28)
    generator = SimpleNamespace(logits=lambda z, y: logits, d=3)
    found = loglik(generator, x, torch.zeros(3, 2, 3), y)
    wrong = {
        "a mean over the pixels": [
            [-0.720011, -0.642668],
            [-0.71501, -0.953618],
            [-1.3292, -1.79811],
        ],
        "-784 log 2": torch.full((3, 2), -543.427),
    }
    expect(
        found,
        [[-564.489, -503.852], [-560.568, -747.636], [-1042.09, -1409.72]],
        "one for each image and z",
        wrong,
    )


@shows("probnn.models.conditional.ConditionalGaussianEncoder.forward")
def check_conditional_forward(forward):
    weights = torch.linspace(-1, 1, 794 * 4).view(794, 4)
    model = SimpleNamespace(g=lambda rows: rows @ weights, d=2)
    x, y = torch.zeros(2, 1, 28, 28), torch.tensor([7, 0])
    x[:, :, 5, 3:9], x[1, :, 20, 11] = 0.5, 1.0
    mu, sigma = forward(model, x, y)
    expect(
        mu,
        [[-0.907087, -0.904567], [-0.485984, -0.482835]],
        "the network's first d outputs as means",
        by=1e-3,
    )
    wrong = {
        "the variances": [[0.405738, 0.406762], [0.618978, 0.620931]],
        "log variances": [[-0.902047, -0.899528], [-0.479685, -0.476536]],
    }
    expect(
        sigma, [[0.636976, 0.637779], [0.786752, 0.787992]], "the standard deviations", wrong, 1e-3
    )


@shows("probnn.models.images.GaussianEncoder.forward")
def check_encoder_forward(forward):
    outputs = torch.tensor([[0.5, -1.0, 0.2, -2.0], [3.0, 0.1, 1.0, 0.0], [-0.4, 2.0, -1.5, 0.7]])
    model = SimpleNamespace(g=lambda x: outputs, d=2)
    mu, sigma = forward(model, torch.zeros(3, 1, 28, 28))
    second = {"the second half": [[0.2, -2.0], [1.0, 0.0], [-1.5, 0.7]]}
    expect(mu, [[0.5, -1.0], [3.0, 0.1], [-0.4, 2.0]], "the first half as means", second)
    wrong = {
        "the variances": [[1.2214, 0.135335], [2.71828, 1.0], [0.22313, 2.01375]],
        "log variances": second["the second half"],
    }
    expect(
        sigma,
        [[1.10517, 0.367879], [1.64872, 1.0], [0.472367, 1.41907]],
        "the standard deviations",
        wrong,
    )


@shows("probnn.models.images.mlp_generator")
def check_mlp_generator(mlp_generator):
    f = mlp_generator(2, hidden=(20,), activation=nn.Tanh).f
    assert isinstance(f[-1], nn.Sigmoid), "a sigmoid expected as the last layer"
    linear = [layer for layer in f if isinstance(layer, nn.Linear)]
    widths = [(layer.in_features, layer.out_features) for layer in linear]
    assert widths == [(2, 20), (20, 784)], (
        f"linear layers (2, 20), (20, 784) expected, {widths} got"
    )
    expect_shape(f(torch.zeros(3, 2)), (3, 1, 28, 28), "images")
    for number in f.parameters():
        nn.init.constant_(number, 0.1)
    logits = f[:-1](torch.tensor([[1.0, 2.0], [-30.0, 4.0]])).mean((1, 2, 3))
    expect(
        logits,
        [0.859898, -1.87323],
        "with all parameters 0.1, logits of one hidden layer of tanh units",
    )


@shows("probnn.models.images.mlp_encoder")
def check_mlp_encoder(mlp_encoder):
    g = mlp_encoder(SimpleNamespace(d=3), hidden=(20,), activation=nn.Tanh).g
    linear = [layer for layer in g if isinstance(layer, nn.Linear)]
    widths = [(layer.in_features, layer.out_features) for layer in linear]
    assert widths == [(784, 20), (20, 6)], (
        f"linear layers (784, 20), (20, 6) expected, {widths} got"
    )
    for number in g.parameters():
        nn.init.constant_(number, 0.01)
    found = g(torch.linspace(0, 1, 2 * 784).view(2, 1, 28, 28))
    expect_shape(found, (2, 6), "2d numbers for each image")
    expect(
        found[:, 0],
        [0.20235, 0.209997],
        "with all parameters 0.01, that of one hidden layer of tanh units",
    )
