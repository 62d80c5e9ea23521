"""Checks of the networks of image models, layer by layer."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import torch
from torch import nn

from probnn.models.images import BernoulliImageGenerator
from tools.course.handed_in import expect, expect_shape
from tools.course.tables import asks


@asks("probnn.models.networks.mlp")
def check_mlp(mlp, seed, n):
    """The layers of a fully connected network: a list of modules, not yet a network.

    Args:
        widths: numbers of units, from the input to the output, as (784, 400, 4).
        activation: a class of module, as nn.ReLU; one stands between any two linear layers, and
            none at the end.
    """
    widths = (5 + seed, 7, 3, 2)[: n + 1]
    layers = mlp(widths, nn.Tanh)
    kinds = [type(layer).__name__ for layer in layers]
    expected = ["Linear", "Tanh"] * (len(widths) - 2) + ["Linear"]
    assert kinds == expected, f"for the widths {widths} {expected} expected, {kinds} got"
    made = [(layer.in_features, layer.out_features) for layer in layers[::2]]
    assert made == list(pairwise(widths)), f"linear layers of the widths {widths} expected"


@asks("probnn.models.images.mlp_generator")
def check_mlp_generator(mlp_generator, seed, n):
    """The decoder: a fully connected generator of images from z.

    Its last layers make images (N, 1, 28, 28) of the 784 logits, and end in `nn.Sigmoid()`: the
    package takes logits from what goes into that.

    Args:
        d: dimension of z.
        hidden: widths of the hidden layers.
        activation: the class of the activation after each of them.
        pixel_means: you may leave it alone.

    Returns:
        `BernoulliImageGenerator(d, f)` (of `probnn.models`), f an `nn.Sequential`.
    """
    torch.manual_seed(seed)
    generator = mlp_generator(2, hidden=(20 + seed,), activation=nn.Tanh)
    f = generator.f
    assert isinstance(f[-1], nn.Sigmoid), "a sigmoid expected as the last layer"
    linear = [layer for layer in f if isinstance(layer, nn.Linear)]
    widths = [(layer.in_features, layer.out_features) for layer in linear]
    expected = [(2, 20 + seed), (20 + seed, 784)]
    assert widths == expected, f"linear layers {expected} expected, {widths} got"
    z = torch.randn(n, 2)
    expect_shape(f(z), (n, 1, 28, 28), "images")
    first, last = linear
    hidden = torch.tanh(z @ first.weight.T + first.bias)
    logits = (hidden @ last.weight.T + last.bias).view(n, 1, 28, 28)
    expect(f[:-1](z), logits, "logits from one hidden layer of tanh units, row by row of pixels,")


@asks("probnn.models.images.mlp_encoder")
def check_mlp_encoder(mlp_encoder, seed, n):
    """A fully connected encoder: from the pixels of an image to 2d numbers.

    The first d are means, the others log variances: `GaussianEncoder.forward` reads them so.

    Args:
        decoder: the generator, whose `decoder.d` is the dimension of z.
        hidden: widths of the hidden layers.
        activation: the class of the activation after each of them.

    Returns:
        `GaussianEncoder(decoder, g)` (of `probnn.models`), g an `nn.Sequential`.
    """
    torch.manual_seed(seed)
    decoder = BernoulliImageGenerator(3)
    g = mlp_encoder(decoder, hidden=(20 + seed,), activation=nn.Tanh).g
    linear = [layer for layer in g if isinstance(layer, nn.Linear)]
    widths = [(layer.in_features, layer.out_features) for layer in linear]
    expected = [(784, 20 + seed), (20 + seed, 6)]
    assert widths == expected, f"linear layers {expected} expected, {widths} got"
    x = torch.rand(n, 1, 28, 28)
    first, last = linear
    by_hand = torch.tanh(x.view(n, 784) @ first.weight.T + first.bias) @ last.weight.T + last.bias
    expect(g(x), by_hand, "2d numbers for each image, from one hidden layer of tanh units,")


@asks("probnn.models.images.GaussianEncoder.forward")
def check_encoder_forward(forward, seed, n):
    """q(z|x) of a batch of images.

    The first d of the network's outputs are the means, the others the log variances.

    Args:
        self: the encoder, with its network `self.g`.
        x: images (B, 1, 28, 28).

    Returns:
        `DiagonalGaussian(mu, sigma)` (of `probnn.densities`), each (B, d); sigma is the standard
        deviation.
    """
    torch.manual_seed(seed)
    outputs = torch.randn(n, 6)
    mu, sigma = forward(SimpleNamespace(g=lambda x: outputs, d=3), torch.rand(n, 1, 28, 28))
    expect(mu, outputs[:, :3], "the first half as means", {"the second half": outputs[:, 3:]})
    truth = (0.5 * outputs[:, 3:]).exp()
    wrong = {"the variances": truth**2, "log variances": outputs[:, 3:]}
    expect(sigma, truth, "the standard deviations", wrong)


@asks("probnn.models.networks.convolutional_generator")
def check_convolutional_generator(convolutional_generator, seed, n):
    """The generator's network of the appendix, an `nn.Sequential`.

    From (N, inputs): 128, then 1728 units, as 12 channels of 12 x 12; a convolution to 36 channels,
    3 x 3; its 3600 numbers as 4 channels of 30 x 30; convolutions to 4 channels, 3 x 3, and to 1,
    1 x 1; leaky ReLUs between, a sigmoid at the end: probabilities (N, 1, 28, 28).
    """
    torch.manual_seed(seed)
    network = convolutional_generator(4 + seed)
    expect_shape(network(torch.randn(n, 4 + seed)), (n, 1, 28, 28), "images")
    assert isinstance(network[-1], nn.Sigmoid), "a sigmoid expected as the last layer"
    shapes = [tuple(p.shape) for p in network.parameters() if p.ndim > 1]
    expected = [(128, 4 + seed), (1728, 128), (36, 12, 3, 3), (4, 4, 3, 3), (1, 4, 1, 1)]
    assert shapes == expected, f"weights of the shapes {expected} expected, {shapes} got"
    leaky = sum(isinstance(layer, nn.LeakyReLU) for layer in network)
    assert leaky == 4, f"four leaky ReLUs expected, {leaky} got"


@asks("probnn.models.networks.convolutional_encoder")
def check_convolutional_encoder(convolutional_encoder, seed, n):
    """The encoder's network of the appendix, an `nn.Sequential`: images to (N, outputs).

    A convolution to 32 channels, 3 x 3; a leaky ReLU; one to 64 channels, 3 x 3; max pooling by 2;
    the 9216 numbers to 128 units; a leaky ReLU; the outputs.
    """
    torch.manual_seed(seed)
    network = convolutional_encoder(2 + seed)
    expect_shape(
        network(torch.rand(n, 1, 28, 28)), (n, 2 + seed), "a row of outputs for each image"
    )
    shapes = [tuple(p.shape) for p in network.parameters() if p.ndim > 1]
    expected = [(32, 1, 3, 3), (64, 32, 3, 3), (128, 9216), (2 + seed, 128)]
    assert shapes == expected, f"weights of the shapes {expected} expected, {shapes} got"
