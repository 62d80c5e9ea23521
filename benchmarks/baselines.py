"""The coursework's own ways, written out plainly: what the package is measured against. Not for use.

The models are those of the package, so that nothing but the way of working differs.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn, optim
from torch.utils.data import DataLoader

from probnn import mnist_dataset


def loader(batch_size: int) -> DataLoader:
    """Images one by one through PIL and ToTensor, as in every course's first cell."""
    return DataLoader(mnist_dataset(), batch_size=batch_size, shuffle=True)


def train(model, batch_size: int, steps: int) -> None:
    """The training loop: DataLoader, float32, plain Adam."""
    optimizer = optim.Adam(model.parameters())
    for step, (imgs, _) in enumerate(loader(batch_size)):
        if step == steps:
            return
        optimizer.zero_grad()
        loglik_lb = model.loglik_lb(imgs).mean()
        (-loglik_lb).backward()
        optimizer.step()
        loglik_lb.item()


def monte_carlo_log_likelihood(model, images: torch.Tensor, samples: int, batch_size: int = 100) -> torch.Tensor:
    """The worked answers' loop over samples and batches, with gradients on as there; its mean replaced by the log-mean-exp that was wanted."""
    result = []
    for x in images.split(batch_size):
        mu, sigma = model(x)
        logs = []
        for _ in range(samples):
            eps = torch.randn_like(sigma)
            z = mu + eps * sigma
            log_prior = (-0.5 * z**2 - 0.5 * np.log(2 * np.pi)).sum(1)
            log_q = (-0.5 * eps**2 - torch.log(sigma) - 0.5 * np.log(2 * np.pi)).sum(1)
            logs.append(model.f.loglik(x, z) + log_prior - log_q)
        result.append(torch.logsumexp(torch.stack(logs), 0) - np.log(samples))
    return torch.cat(result).detach()


class Wiggle(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(1, 4), nn.LeakyReLU(), nn.Linear(4, 20), nn.LeakyReLU(), nn.Linear(20, 20), nn.LeakyReLU(), nn.Linear(20, 1))

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


def regression(x: torch.Tensor, y: torch.Tensor, steps: int) -> None:
    """The worked answers' full-batch loop, which keeps tensors with their graphs."""
    rwiggle = RWiggle()
    optimiser = optim.Adam(rwiggle.parameters())
    kept = {"mu": [], "sigma": [], "loglik": []}
    for _ in range(steps):
        optimiser.zero_grad()
        loglik = torch.mean(rwiggle(y, x))
        kept["mu"].append(rwiggle.mu(x))
        kept["sigma"].append(rwiggle.sigma.item())
        kept["loglik"].append(loglik)
        (-loglik).backward()
        optimiser.step()
