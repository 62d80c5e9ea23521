"""Cambridge (h)'s study: do many samples of z help in training?

One network, that of Burda et al., trained on the mean of K log weights (the ELBO) and on their
log-mean-exp (the importance-weighted bound), for equally many steps and for equally long.
"""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn, optim

from probnn.data import load_mnist, treat_pixels
from probnn.display import progress
from probnn.inference import log_weights
from probnn.models import GaussianEncoder, mlp_encoder, mlp_generator
from probnn.runtime import tune_process
from probnn.training import Interruptable, enumerate_cycle, resume

__all__ = ["BOUNDS", "SCHEDULE", "Run", "burda_model", "train_run"]


def mean_of_bounds(log_w: Tensor) -> Tensor:
    """(B,) the ELBO, estimated by K samples."""
    return log_w.mean(0)


def importance_weighted(log_w: Tensor) -> Tensor:
    """(B,) the K-sample bound of importance weighted autoencoders."""
    return log_w.logsumexp(0) - math.log(len(log_w))


BOUNDS = {"mean": mean_of_bounds, "importance": importance_weighted}


class Run(NamedTuple):
    """What is trained: on which bound, with how many samples, for how many epochs, from where."""

    bound: str
    samples: int
    epochs: int
    seed: int

    @property
    def name(self) -> str:
        """The name of its files."""
        return f"{self.bound}_{self.samples}_epochs_{self.epochs}_seed_{self.seed}"


# Epochs of training with 1, 5 and 50 samples: equally many steps, and equally long (a step with 1,
# 5 and 50 samples takes 2.2, 3.2 and 18 ms on one thread).
SCHEDULE = {"steps": {1: 5, 5: 5, 50: 5}, "time": {1: 40, 5: 27, 50: 5}}


def burda_model() -> GaussianEncoder:
    """784-200-200-50 and back, its last bias at the means of the pixels."""
    means = load_mnist("train").images.mean(0)
    model = mlp_encoder(mlp_generator(50, (200, 200), nn.Tanh, means), (200, 200), nn.Tanh)
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
    return model


def train_run(run: Run, folder: Path) -> dict[str, Tensor]:
    """The trained weights, and the seconds of processor time that they took."""
    tune_process()
    torch.manual_seed(run.seed)
    model, images = burda_model(), load_mnist("train")
    optimizer = optim.Adam(model.parameters(), lr=3e-3)
    steps = run.epochs * len(images.images) // 20
    schedule = optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    batches = enumerate_cycle(images, batch_size=20, epochs=run.epochs)
    history: list[float] = []
    said = resume(
        folder / f"cambridge/h_{run.name}.pt",
        model=model,
        optimizer=optimizer,
        schedule=schedule,
        batches=batches,
        history=history,
    )
    print(run, said, file=sys.stderr)
    before, seconds = time.process_time(), []
    with Interruptable() as check_interrupted:
        for _, (grey, _) in progress(batches, history):
            check_interrupted()
            x = treat_pixels(grey, "sampled")
            bound = BOUNDS[run.bound](log_weights(model.f.loglik, x, model(x), run.samples)).mean()
            optimizer.zero_grad()
            (-bound).backward()
            optimizer.step()
            schedule.step()
            history.append(bound.item())
            seconds.append(time.process_time() - before)
    return {**model.state_dict(), "seconds": torch.tensor(seconds[-1:])}
