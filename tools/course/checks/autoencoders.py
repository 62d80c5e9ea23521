"""Checks of plain autoencoders and of what goes with them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import nn
from torch.distributions import Bernoulli, kl_divergence

from tools.course.handed_in import expect, expect_shape
from tools.course.tables import asks


@asks("probnn.models.autoencoders.Autoencoder.__init__")
def check_autoencoder(make, seed, n):
    """Makes the two networks of an autoencoder: sets `self.encoder` and `self.decoder`.

    The encoder takes images (N, 28, 28), (N, 1, 28, 28) or (N, 784) to codes (N, d);
    `FlattenImages()` (of `probnn.models`) makes rows of them. The decoder takes codes to images
    (N, 28, 28), with a sigmoid at the end. (`super().__init__()` is called before.)

    Args:
        d: dimension of the code; keep it as `self.d`.
        hidden: widths of the encoder's hidden layers; the decoder's are the same in reverse.
        activation: the class of the hidden layers' activation.
        code_activation: that of the code.
    """
    torch.manual_seed(seed)
    model: Any = nn.Module()
    make(model, 3, (20 + seed, 9), nn.ReLU, nn.Tanh)
    for x in (torch.rand(n, 28, 28), torch.rand(n, 1, 28, 28), torch.rand(n, 784)):
        expect_shape(model.encoder(x), (n, 3), "a code for each image")
    expect_shape(model.decoder(torch.randn(n, 3)), (n, 28, 28), "an image for each code")
    networks = (model.encoder, model.decoder)
    shapes = [tuple(p.shape)[::-1] for f in networks for p in f.parameters() if p.ndim > 1]
    half = [(784, 20 + seed), (20 + seed, 9), (9, 3)]
    expected = half + [(b, a) for a, b in half[::-1]]
    assert shapes == expected, f"linear layers {expected} expected, {shapes} got"
    codes = model.encoder(100 * torch.rand(n, 784))
    assert codes.abs().max() <= 1, "the code's activation expected after the last layer"
    images = model.decoder(100 * torch.randn(50, 3))
    assert images.min() >= 0 and images.max() <= 1, "a sigmoid expected at the decoder's end"


@asks("probnn.models.autoencoders.Autoencoder.forward")
def check_autoencoder_forward(forward, seed, n):
    """Codes and reconstructions of a batch: a pair, (N, d) and the shape of the images.

    Args:
        self: the autoencoder, with `self.encoder` and `self.decoder`.
        images: (N, 28, 28), (N, 1, 28, 28) or (N, 784).
    """
    torch.manual_seed(seed)
    codes, decoded = torch.randn(n, 2), torch.rand(n, 28, 28)
    model = SimpleNamespace(encoder=lambda x: codes, decoder=lambda z: decoded)
    found = forward(model, torch.rand(n, 1, 28, 28))
    assert len(found) == 2, "a pair expected, codes and reconstructions"
    expect(found[0], codes, "the codes first")
    expect_shape(found[1], (n, 1, 28, 28), "reconstructions of the shape of the images")
    expect(found[1], decoded[:, None], "what the decoder makes of the codes")


@asks("probnn.models.autoencoders.add_noise")
def check_add_noise(add_noise, seed, n):
    """Images with fresh Gaussian noise on every pixel, of standard deviation sigma; not clipped."""
    torch.manual_seed(seed)
    images = torch.rand(n, 1, 28, 28).repeat(100, 1, 1, 1)
    noise = add_noise(images, 0.5) - images
    expect_shape(noise, tuple(images.shape), "noisy images of the same shape")
    expect(noise.mean(), 0.0, "noise of mean 0", by=0.02)
    rand = {"0.14, that of rand": 0.5 / 12**0.5, "0.71, its root": 0.5**0.5, "0.25": 0.25}
    expect(noise.std(), 0.5, "noise of standard deviation 0.5", rand, by=0.02)
    assert not torch.equal(noise[0], noise[n]), "another noise for each image expected"
    expect(add_noise(images).sub(images).std(), 0.2, "0.2 by default", by=0.02)


@asks("probnn.models.autoencoders.sparsity_penalty")
def check_sparsity_penalty(sparsity_penalty, seed, n):
    """How far the code units' mean activations are from rho: a scalar, in nats.

    The sum over units of KL(Bernoulli(rho) || Bernoulli(the unit's mean activation)).

    Args:
        codes: activations of N images, (N, d), from 0 to 1.
        rho: the wanted mean activation.
    """
    torch.manual_seed(seed)
    codes = torch.rand(n, 4)
    wanted, mean = Bernoulli(torch.full((4,), 0.05)), codes.mean(0)
    each = kl_divergence(wanted, Bernoulli(mean))
    wrong = {
        "a mean over the units": each.mean(),
        "one of the mean over all units": kl_divergence(wanted, Bernoulli(mean.mean()))[0],
        "the KL the other way round": kl_divergence(Bernoulli(mean), wanted).sum(),
        "a sum over images": kl_divergence(Bernoulli(0.05), Bernoulli(codes)).sum(),
    }
    expect(sparsity_penalty(codes, rho=0.05), each.sum(), "a sum over the units", wrong, by=1e-3)
    met = sparsity_penalty(torch.tensor([[0.0, 0.02]]), rho=0.01)
    each = kl_divergence(Bernoulli(0.01), Bernoulli(torch.tensor([1e-7, 0.02]))).sum()
    expect(met, each, "units of 0 and 0.02 penalised though their mean is 0.01", {"0": 0.0}, 1e-2)


@asks("probnn.data.mnist.sample_train")
def check_sample_train(sample_train, seed, n):
    """N images drawn at random from MNIST's training set, each independent of the others.

    Args:
        N: how many.
        return_labels: also return their labels.

    Returns:
        (N, 28, 28) grey levels from 0 to 1, float32; with labels, the pair of them and (N,) int64.
        `load_mnist("train")` (of `probnn.data`) has images (60000, 1, 28, 28) and labels.
    """
    torch.manual_seed(seed)
    images = sample_train(n)
    expect_shape(images, (n, 28, 28), "N images")
    assert images.dtype == torch.float32 and 0.9 < images.max() <= 1, "grey levels to 1 expected"
    many, labels = sample_train(2000, return_labels=True)
    expect_shape(labels, (2000,), "with labels, a label for each image")
    assert labels.dtype == torch.int64, f"labels of int64 expected, {labels.dtype} got"
    share = (labels == seed % 10).float().mean().item()
    assert 0.06 < share < 0.15, f"about a tenth of each digit expected, {share:.0%} got"
    assert not torch.equal(many[:n], sample_train(2000)[:n]), "other images at each call expected"
    zeros, ones = (many[labels == k].mean(0)[10:18, 12:16].mean() for k in (0, 1))
    assert ones - zeros > 0.2, "each image with its own label expected"


@asks("probnn.display.reconstructions.plot")
def check_plot(plot, seed, n):
    """A figure of each image beside its reconstruction.

    Args:
        model: called with the samples, returns codes and reconstructions.
        samples: (N, 28, 28); N = 1 for a single pair.

    Returns:
        The matplotlib figure.
    """
    torch.manual_seed(seed)
    samples, seen = torch.rand(n, 28, 28), []

    def model(x):
        seen.append(x)
        return torch.zeros(len(x), 2), 1 - x

    figure = plot(model, samples)
    assert isinstance(figure, Figure), f"a figure expected, {type(figure).__name__} got"
    assert seen, "a call of the model expected"
    drawn = sum(len(ax.get_images()) for ax in figure.axes)
    assert drawn, "images drawn on the figure's axes expected"
