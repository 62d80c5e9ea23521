"""Cambridge (h)'s study: do many samples of z help in training?

One network, that of Burda et al., trained on the mean of K log weights (the ELBO) and on their
log-mean-exp (the importance-weighted bound), for equally many steps and for equally long.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn, optim

from probnn.data import load_mnist, treat_pixels
from probnn.densities import DiagonalGaussian
from probnn.display import progress
from probnn.inference import (
    Loglik,
    doubly_reparameterised,
    importance_weighted,
    log_weights,
    mean_and_se,
)
from probnn.models import GaussianEncoder, mlp_encoder, mlp_generator
from probnn.runtime import run_all, tune_process
from probnn.training import Interruptable, enumerate_cycle, resume, save
from tools.bounds import Settings, bound_images

__all__ = [
    "BOUNDS",
    "SCHEDULE",
    "Run",
    "burda_model",
    "judge_run",
    "runs_of",
    "study_many_samples",
    "train_run",
]


def mean_of_bounds(loglik: Loglik, x: Tensor, q: DiagonalGaussian, samples: int) -> Tensor:
    """(B,) the ELBO, estimated as the importance-weighted bound is, but by a mean."""
    return log_weights(loglik, x, q, samples).mean(0)


BOUNDS = {
    "mean": mean_of_bounds,
    "importance": importance_weighted,
    "doubly": doubly_reparameterised,
}


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


# epochs with 1, 5 and 50 samples: equally many steps, and equally long, for a step of them takes
# 2.2, 3.2 and 18 ms on one thread
SCHEDULE = {"steps": {1: 3, 5: 3, 50: 3}, "time": {1: 24, 5: 16, 50: 3}}

JUDGED, HOW = 500, Settings(temperatures=100)  # images of each kind, and how closely


def burda_model() -> GaussianEncoder:
    """784-200-200-50 and back, its last bias at the means of the pixels."""
    means = load_mnist("train").images.mean(0)
    model = mlp_encoder(mlp_generator(50, (200, 200), nn.Tanh, means), (200, 200), nn.Tanh)
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
    return model


def train_run(run: Run, folder: Path) -> tuple[GaussianEncoder, float]:
    """The trained model, and the seconds of processor time that it took."""
    tune_process()
    torch.manual_seed(run.seed)
    model, images = burda_model(), load_mnist("train")
    optimizer = optim.Adam(model.parameters(), lr=3e-3, fused=True)
    steps = run.epochs * len(images.images) // 20
    schedule = optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    batches = enumerate_cycle(images, batch_size=20, epochs=run.epochs)
    history: list[float] = []
    seconds: list[float] = []
    said = resume(
        folder / f"cambridge/h_{run.name}.pt",
        model=model,
        optimizer=optimizer,
        schedule=schedule,
        batches=batches,
        history=history,
        seconds=seconds,
    )
    print(run, said, file=sys.stderr)
    before = time.process_time()
    with Interruptable() as check_interrupted:
        for _, (grey, _) in progress(batches, history):
            check_interrupted()
            x = treat_pixels(grey, "sampled")
            bound = BOUNDS[run.bound](model.f.loglik, x, model(x), run.samples).mean()
            optimizer.zero_grad()
            (-bound).backward()
            optimizer.step()
            schedule.step()
            history.append(bound.item())
            now = time.process_time()
            seconds.append(now - before)
            before = now
    return model, sum(seconds)


def judge_run(run: Run, folder: Path, both: bool, images: int) -> dict[str, Tensor]:
    """What the page needs of a run: of so many test images, pixels sampled, and the time it took.

    "elbo", "sampled" (5,000 samples), "lower" and "lower_error" (annealed), "seconds" of training.
    If both, also on images simulated from the model: "simulated_lower", "simulated_upper".
    """
    model, seconds = train_run(run, folder)
    generator = torch.Generator().manual_seed(0)
    x = load_mnist("test", "sampled", generator).images[:images]
    test = bound_images(model, x, None, HOW, folder / f"bounds/h_{run.name}_test_{images}.pt")
    found = {"elbo": test["curve"][:, 0], "sampled": test["curve"][:, -1]}
    found |= {name: test[name] for name in ("lower", "lower_error")}
    if both:
        torch.manual_seed(1)
        z = torch.randn(images, model.d)
        with torch.no_grad():
            x = torch.bernoulli(model.f(z))
        path = folder / f"bounds/h_{run.name}_simulated.pt"
        simulated = bound_images(model, x, z, HOW, path)
        found |= {f"simulated_{side}": simulated[side] for side in ("lower", "upper")}
    return found | {"seconds": torch.tensor([seconds])}


def runs_of(schedule: dict[str, dict[int, int]], seed: int) -> list[Run]:
    """All runs of a schedule: of one sample the mean only, which is the same as the other."""
    runs = {
        Run(bound, samples, epochs, seed)
        for kind in schedule.values()
        for samples, epochs in kind.items()
        for bound in (("mean", "importance") if samples > 1 else ("mean",))
    }
    return sorted(runs)


def study_many_samples(folder: Path, seeds: int = 3) -> None:
    """Question (h): all runs of the schedule from three seeds, and one of the cure; stored.

    From one seed only the runs, on half as many test images: ten minutes on two cores.
    """
    wanted = [run for seed in range(seeds) for run in runs_of(SCHEDULE, seed)]
    if seeds > 1:
        wanted.append(Run("doubly", 50, SCHEDULE["steps"][50], 0))
    wanted.sort(key=lambda run: -run.epochs * (6 + run.samples))  # the longest first
    images = JUDGED // 2 if seeds == 1 else JUDGED
    how = [(run, folder, seeds > 1 and run.seed == 0, images) for run in wanted]
    found = run_all(judge_run, how)
    for run, result in zip(wanted, found, strict=True):
        lower = mean_and_se(result["lower"])
        print(f"{run.name}: at least {lower[0]:.2f} ± {lower[1]:.2f}", file=sys.stderr)
    save(
        folder / "cambridge/h_runs.pt",
        **{run.name: result for run, result in zip(wanted, found, strict=True)},
    )
