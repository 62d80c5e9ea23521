"""How cost grows: log likelihoods with samples and images, t-SNE with points.

    python benchmarks/growth.py

Monte Carlo log likelihoods, and exact t-SNE. Writes growth.png beside this file.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from baselines import trained
from matplotlib import pyplot as plt

from probnn.data import load_mnist
from probnn.inference import log_marginal, over_batches
from probnn.runtime import tune_process
from probnn.tsne import TsneObjective, symmetric_gauss_neighbour_probability

HERE = Path(__file__).resolve().parent


def seconds(run: Callable[[], object]) -> float:
    """The median of three runs after a warm-up."""
    times = []
    for _ in range(4):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return statistics.median(times[1:])


def main() -> None:
    print(tune_process(), file=sys.stderr)
    model, images = trained(), load_mnist("test").images

    def score(n: int, samples: int) -> float:
        """Seconds for the log likelihoods of the first n images."""
        return seconds(
            lambda: over_batches(
                lambda x: log_marginal(model.f.loglik, x, model(x), samples), images[:n]
            )
        )

    curves = {
        "100 images, K samples each": ([10, 30, 100, 300, 1000], lambda k: score(100, k)),
        "N images, 10 samples each": ([100, 300, 1000, 3000, 10_000], lambda n: score(n, 10)),
        "t-SNE of N points, one exact step": (
            [250, 500, 1000, 2000, 4000],
            lambda n: step_of_tsne(images[:n].flatten(1)),
        ),
    }
    fig, ax = plt.subplots(figsize=(6, 4), layout="constrained")
    for name, (sizes, cost) in curves.items():
        costs = [cost(size) for size in sizes]
        slope = (
            torch.linalg.lstsq(
                torch.tensor(sizes).log()[-3:, None] ** torch.tensor([0, 1]),
                torch.tensor(costs).log()[-3:, None],
            )
            .solution[1]
            .item()
        )
        ax.loglog(sizes, costs, marker="o", label=f"{name}: slope {slope:.2f} (last three)")
        print(
            name,
            dict(zip(sizes, (round(cost, 4) for cost in costs), strict=True)),
            f"slope {slope:.2f}",
            flush=True,
        )
    ax.set(xlabel="K or N", ylabel="seconds (two cores)", title="How cost grows")
    ax.legend(fontsize=8, loc="lower right")
    ax.set_ylim(bottom=2e-5)
    fig.savefig(HERE / "growth.png", dpi=100)


def step_of_tsne(x: torch.Tensor) -> float:
    """Seconds for one gradient of a map of these points."""
    objective = TsneObjective(symmetric_gauss_neighbour_probability(x, wanted=30.0))
    y = torch.randn(len(x), 2)
    return seconds(lambda: objective.gradient(y))


if __name__ == "__main__":
    main()
