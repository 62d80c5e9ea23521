"""Time per iteration of t-SNE, against scikit-learn (exact, Barnes-Hut) and openTSNE, in one process run.

    python benchmarks/bench_tsne.py [rounds]

At 1,000 and 4,000 MNIST images, perplexity 30. An iteration is one gradient of the KL divergence and one update of the points. The
contestants take turns (A B C D, A B C D, ...); printed are the medians over the rounds, with lowest and highest, and the ratios
of each to ours with momentum and gains, as scikit-learn has it. openTSNE is left out if it is not installed (pip install openTSNE).
"""

from __future__ import annotations

import platform
import statistics
import sys
import time
from functools import partial
from typing import Callable

import torch
from scipy.spatial.distance import squareform
from sklearn.manifold import _t_sne
from sklearn.neighbors import NearestNeighbors

from probnn import MomentumWithGains, TsneObjective, load_mnist, symmetric_gauss_neighbour_probability

STEPS = 20


def ours(x: torch.Tensor, start: torch.Tensor, optimiser: Callable = partial(MomentumWithGains, lr=50.0, momentum=0.8)):
    objective = TsneObjective(symmetric_gauss_neighbour_probability(x, wanted=30.0))
    points = start.clone().requires_grad_()
    optimizer = optimiser([points])

    def run() -> None:
        for _ in range(STEPS):
            points.grad = objective.gradient(points)
            optimizer.step()

    return run


def scikit_learn(x: torch.Tensor, start: torch.Tensor, exact: bool):
    if exact:
        P = squareform(symmetric_gauss_neighbour_probability(x, wanted=30.0).double().numpy(), checks=False)
        objective, extra = _t_sne._kl_divergence, {}
    else:
        neighbours = NearestNeighbors(n_neighbors=91).fit(x.numpy()).kneighbors_graph(mode="distance")
        neighbours.data **= 2
        P, objective = _t_sne._joint_probabilities_nn(neighbours, 30.0, verbose=0), _t_sne._kl_divergence_bh
        extra = {"angle": 0.5, "skip_num_points": 0, "verbose": 0, "num_threads": torch.get_num_threads()}
    points = start.numpy().ravel().copy()

    def run() -> None:  # scikit-learn's own descent; the KL is asked for only where it would
        _t_sne._gradient_descent(objective, points.copy(), 0, STEPS, momentum=0.8, learning_rate=50.0, n_iter_check=50, args=[P, 1.0, len(x), 2], kwargs=extra)

    return run


def open_tsne(x: torch.Tensor, start: torch.Tensor):
    try:
        from openTSNE import TSNEEmbedding, affinity
    except ImportError:
        return None
    embedding = TSNEEmbedding(start.double().numpy(), affinity.PerplexityBasedNN(x.numpy(), perplexity=30, n_jobs=torch.get_num_threads()), n_jobs=torch.get_num_threads(), negative_gradient_method="fft")

    def run() -> None:
        embedding.optimize(STEPS, learning_rate=50.0, momentum=0.8)

    return run


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, {rounds} rounds of {STEPS} iterations after a warm-up")
    for n in (1000, 4000):
        x = load_mnist("train").images[:n].flatten(1)
        start = 10 * torch.randn(n, 2, generator=torch.Generator().manual_seed(0))  # as wide as a finished map
        contestants = {
            "probnn, exact": ours(x, start),
            "probnn, gradient descent": ours(x, start, partial(torch.optim.SGD, lr=10.0)),
            "probnn, Adam": ours(x, start, partial(torch.optim.Adam, lr=0.1)),
            "scikit-learn, exact": scikit_learn(x, start, exact=True),
            "scikit-learn, Barnes-Hut": scikit_learn(x, start, exact=False),
            "openTSNE, FFT": open_tsne(x, start),
        }
        contestants = {name: run for name, run in contestants.items() if run}
        times = {name: [] for name in contestants}
        for round_number in range(rounds + 1):
            for name, run in contestants.items():
                begin = time.perf_counter()
                run()
                if round_number:
                    times[name].append((time.perf_counter() - begin) / STEPS * 1000)
        for name, values in times.items():
            ratios = [value / own for value, own in zip(values, times["probnn, exact"])]
            print(f"{n:5,} images  {name:25} {statistics.median(values):8.2f} ms per iteration ({min(values):.2f} to {max(values):.2f}), {statistics.median(ratios):6.2f} times ours ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
