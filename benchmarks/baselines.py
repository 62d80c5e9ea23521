"""The coursework's own ways, written out plainly: what the package is measured against.

Not for use. The networks have the layers and weights of the package's, so that nothing but the way
of working differs. What is timed runs in a process of its own, which is left as it comes, and
refuses to run in a tuned one (processes.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import torch
from processes import check_untouched
from torch import nn, optim
from torch.utils.data import DataLoader, Dataset, Subset

from probnn.data import mnist_dataset
from probnn.models import (
    Autoencoder,
    BernoulliImageGenerator,
    ConditionalBernoulliImageGenerator,
    ConditionalGaussianEncoder,
    GaussianEncoder,
    mlp_encoder,
    mlp_generator,
)
from probnn.training import load


def as_written(network: nn.Sequential) -> nn.Sequential:
    """The same layers and weights as the coursework writes them: in torch's default layout."""
    plain = nn.Sequential(
        *(nn.Flatten(1) if isinstance(layer, nn.Flatten) else layer for layer in network)
    )
    return plain.to(memory_format=torch.contiguous_format)


class Generator(nn.Module):
    """The worked answers' BernoulliImageGenerator: logarithms of probabilities, our network."""

    def __init__(self, model: BernoulliImageGenerator):
        super().__init__()
        self.f = as_written(model.f)

    def loglik(self, x, z):
        xr = self.f(z)
        return (x * torch.log(xr) + (1 - x) * torch.log(1 - xr)).sum((1, 2, 3))


class Encoder(nn.Module):
    """The worked answers' GaussianEncoder."""

    def __init__(self, model: GaussianEncoder):
        super().__init__()
        self.d, self.f, self.g = model.d, Generator(model.f), as_written(model.g)

    def forward(self, x):
        out = self.g(x)
        return out[:, : self.d], torch.exp(out[:, self.d :] / 2)

    def loglik_lb(self, x):
        mu, sigma = self(x)
        kl = 0.5 * (mu**2 + sigma**2 - torch.log(sigma**2) - 1).sum(1)
        return self.f.loglik(x, mu + sigma * torch.randn_like(sigma)) - kl


MODELS = {
    "convolutional": lambda: GaussianEncoder(BernoulliImageGenerator(d=4)),
    "Toronto": lambda: mlp_encoder(mlp_generator(2, (500,), nn.Tanh), (500,), nn.Tanh),
    "Oslo 2": lambda: mlp_encoder(mlp_generator(10, (64, 128)), (128, 64)),
    "2-D": lambda: mlp_encoder(mlp_generator(2, (128, 256)), (256, 128)),
    "PyTorch": lambda: mlp_encoder(mlp_generator(20)),
    "conditional": lambda: ConditionalGaussianEncoder(ConditionalBernoulliImageGenerator(d=4)),
    "Oslo 1": lambda: Autoencoder(32, (128,)),
    "2-D autoencoder": lambda: Autoencoder(2, (256, 128), nn.ReLU, nn.Identity),
}


@cache
def dataset() -> Dataset:
    """Images that go one by one through PIL and ToTensor, as in every course's first cell."""
    return mnist_dataset()


def network(model: str, ours: bool = False) -> tuple[nn.Module, Callable]:
    """A network by its name, and its loss of a batch, a function of (network, images, labels).

    With the worked answers' likelihoods, or with ours.
    """
    net = MODELS[model]()
    if isinstance(net, Autoencoder):
        return net, lambda net, imgs, lbls: nn.functional.mse_loss(net(imgs)[1], imgs)
    if isinstance(net, ConditionalGaussianEncoder):
        net.f.f = net.f.f if ours else as_written(net.f.f)
        return net, lambda net, imgs, lbls: -net.loglik_lb(imgs, lbls).mean()
    return net if ours else Encoder(net), lambda net, imgs, lbls: -net.loglik_lb(imgs).mean()


def warm_up(model: str) -> int:
    """Steps before the time is taken: a thousand where denormal numbers slow down later ones."""
    return 10 if model in ("convolutional", "conditional") else 1000


def seconds(running: Iterator, steps: int) -> float:
    """Of that many steps of a training."""
    begin = time.perf_counter()
    for _ in range(steps):
        next(running)
    return time.perf_counter() - begin


@cache
def training(model: str, batch_size: int) -> Iterator:
    """The training loop, DataLoader, float32, plain Adam, past its first steps; step by step."""

    def loop():
        torch.manual_seed(0)
        net, loss_of = network(model)
        optimizer = optim.Adam(net.parameters())
        while True:
            for imgs, lbls in DataLoader(dataset(), batch_size=batch_size, shuffle=True):
                optimizer.zero_grad()
                loss = loss_of(net, imgs, lbls)
                loss.backward()
                optimizer.step()
                loss.item()
                yield

    running = loop()
    seconds(running, warm_up(model))
    return running


def train(model: str, batch_size: int, steps: int) -> float:
    """Seconds for the next steps of that training."""
    check_untouched()
    return seconds(training(model, batch_size), steps)


def trained() -> GaussianEncoder:
    """The shipped model of Cambridge (c)."""
    model = MODELS["convolutional"]()
    model.load_state_dict(load("cambridge/c_autoencoder.pt")["model"])
    return model


def monte_carlo_log_likelihood(
    images: int, samples: int, batch_size: int = 100
) -> tuple[float, torch.Tensor]:
    """The worked answers' loop over samples and batches. Seconds, and the estimates.

    With gradients on as there; its mean replaced by the log-mean-exp that was wanted.
    """
    check_untouched()
    model, result = Encoder(trained()), []
    begin = time.perf_counter()
    for x, _ in DataLoader(Subset(mnist_dataset(train=False), range(images)), batch_size):
        mu, sigma = model(x)
        logs = []
        for _ in range(samples):
            eps = torch.randn_like(sigma)
            z = mu + eps * sigma
            log_prior = (-0.5 * z**2 - 0.5 * np.log(2 * np.pi)).sum(1)
            log_q = (-0.5 * eps**2 - torch.log(sigma) - 0.5 * np.log(2 * np.pi)).sum(1)
            logs.append(model.f.loglik(x, z) + log_prior - log_q)
        result.append(torch.logsumexp(torch.stack(logs), 0) - np.log(samples))
    return time.perf_counter() - begin, torch.cat(result).detach()


class Wiggle(nn.Module):
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


class RWiggle(nn.Module):
    """The worked answers' model with constant noise."""

    def __init__(self):
        super().__init__()
        self.mu = Wiggle()
        self.pre = nn.Parameter(torch.tensor(1.0))

    @property
    def sigma(self):
        return nn.functional.softplus(self.pre)

    def forward(self, y, x):
        sigma2 = torch.pow(self.sigma, 2)
        return -0.5 * torch.log(2 * np.pi * sigma2) - torch.pow(y - self.mu(x), 2) / (2 * sigma2)


def regression(x: torch.Tensor, y: torch.Tensor, steps: int) -> float:
    """The worked answers' full-batch loop, which keeps tensors with their graphs. Seconds."""
    check_untouched()
    rwiggle = RWiggle()
    optimiser = optim.Adam(rwiggle.parameters())
    kept = {"mu": [], "sigma": [], "loglik": []}
    begin = time.perf_counter()
    for _ in range(steps):
        optimiser.zero_grad()
        loglik = torch.mean(rwiggle(y, x))
        kept["mu"].append(rwiggle.mu(x))
        kept["sigma"].append(rwiggle.sigma.item())
        kept["loglik"].append(loglik)
        (-loglik).backward()
        optimiser.step()
    return time.perf_counter() - begin


def tsne(
    images: torch.Tensor, steps: int, sigma: float = 10.0, learning_rate: float = 10.0
) -> float:
    """The exercise's loop: both sets of probabilities from all differences, each step. Seconds."""
    check_untouched()

    def differences(points):
        return (points[:, None] - points[None]).square().sum(2)

    off_diagonal = 1 - torch.eye(len(images))
    map_points = torch.randn(len(images), 2, requires_grad=True)
    begin = time.perf_counter()
    for _ in range(steps):
        p = torch.exp(-differences(images.flatten(1)) / (2 * sigma**2)) * off_diagonal
        p = p / p.sum(1, keepdim=True)
        p_ij = (p + p.T) / (2 * len(p))
        q = off_diagonal / (1 + differences(map_points))
        q_ij = q / q.sum()
        loss = (p_ij * ((p_ij + 1e-30) / (q_ij + 1e-30)).log()).sum()
        loss.backward()
        with torch.no_grad():
            map_points -= learning_rate * map_points.grad
            map_points.grad.zero_()
    return time.perf_counter() - begin
