"""Time per iteration of t-SNE, against scikit-learn (exact, Barnes-Hut) and openTSNE, in one run.

    python benchmarks/bench_tsne.py [rounds]

At 1,000 and 4,000 MNIST images, perplexity 30. An iteration is one gradient of the KL divergence
and one update of the points. The contestants take turns (A B C D, A B C D, ...): ours in this
process, which is tuned first, the others in one of their own (processes.py). Printed are the
medians over the rounds, with lowest and highest, and the ratios of each to ours with momentum and
gains, as scikit-learn has it. openTSNE is left out if it is not installed (pip install openTSNE).
"""

from __future__ import annotations

import platform
import statistics
import sys
import time
from collections.abc import Callable
from functools import cache, partial
from importlib.util import find_spec

import torch
from processes import check_untouched, other_process
from scipy.spatial.distance import squareform
from sklearn.manifold import _t_sne
from sklearn.neighbors import NearestNeighbors

from probnn.data import load_mnist
from probnn.runtime import tune_process
from probnn.tsne import MomentumWithGains, TsneObjective, symmetric_gauss_neighbour_probability

STEPS = 20


def ours(x: torch.Tensor, start: torch.Tensor, optimiser: Callable) -> Callable[[], None]:
    objective = TsneObjective(symmetric_gauss_neighbour_probability(x, wanted=30.0))
    points = start.clone().requires_grad_()
    optimizer = optimiser([points])

    def run() -> None:
        for _ in range(STEPS):
            points.grad = objective.gradient(points)
            optimizer.step()

    return run


def scikit_learn(x: torch.Tensor, start: torch.Tensor, exact: bool) -> Callable[[], None]:
    check_untouched()
    if exact:
        P = squareform(
            symmetric_gauss_neighbour_probability(x, wanted=30.0).double().numpy(), checks=False
        )
        objective, extra = _t_sne._kl_divergence, {}
    else:
        neighbours = (
            NearestNeighbors(n_neighbors=91).fit(x.numpy()).kneighbors_graph(mode="distance")
        )
        neighbours.data **= 2
        P = _t_sne._joint_probabilities_nn(neighbours, 30.0, verbose=0)
        objective = _t_sne._kl_divergence_bh
        extra = {
            "angle": 0.5,
            "skip_num_points": 0,
            "verbose": 0,
            "num_threads": torch.get_num_threads(),
        }
    points = start.numpy().ravel().copy()

    def run() -> None:  # scikit-learn's own descent; the KL is asked for only where it would
        _t_sne._gradient_descent(
            objective,
            points.copy(),
            0,
            STEPS,
            momentum=0.8,
            learning_rate=50.0,
            n_iter_check=50,
            args=[P, 1.0, len(x), 2],
            kwargs=extra,
        )

    return run


def open_tsne(x: torch.Tensor, start: torch.Tensor) -> Callable[[], None]:
    from openTSNE import TSNEEmbedding, affinity

    check_untouched()
    embedding = TSNEEmbedding(
        start.double().numpy(),
        affinity.PerplexityBasedNN(x.numpy(), perplexity=30, n_jobs=torch.get_num_threads()),
        n_jobs=torch.get_num_threads(),
        negative_gradient_method="fft",
    )

    def run() -> None:
        embedding.optimize(STEPS, learning_rate=50.0, momentum=0.8)

    return run


CONTESTANTS = {
    "probnn, exact": partial(ours, optimiser=partial(MomentumWithGains, lr=50.0, momentum=0.8)),
    "probnn, gradient descent": partial(ours, optimiser=partial(torch.optim.SGD, lr=10.0)),
    "probnn, Adam": partial(ours, optimiser=partial(torch.optim.Adam, lr=0.1)),
    "scikit-learn, exact": partial(scikit_learn, exact=True),
    "scikit-learn, Barnes-Hut": partial(scikit_learn, exact=False),
}
if find_spec("openTSNE"):
    CONTESTANTS["openTSNE, FFT"] = open_tsne


@cache
def data(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """n images, and map points to start from, as wide as a finished map."""
    x = load_mnist("train").images[:n].flatten(1)
    return x, 10 * torch.randn(n, 2, generator=torch.Generator().manual_seed(0))


@cache
def contestant(name: str, n: int) -> Callable[[], None]:
    """What makes `STEPS` iterations with n images in this process."""
    return CONTESTANTS[name](*data(n))


def milliseconds(name: str, n: int) -> float:
    """Per iteration, of the contestant's next `STEPS`."""
    run = contestant(name, n)
    begin = time.perf_counter()
    run()
    return (time.perf_counter() - begin) / STEPS * 1000


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    print(tune_process(), file=sys.stderr)
    print(
        f"{platform.processor() or platform.machine()}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"{rounds} rounds of {STEPS} iterations after a warm-up"
    )
    with other_process() as theirs:
        for n in (1000, 4000):
            compare(n, rounds, theirs)


def compare(n: int, rounds: int, theirs: Callable) -> None:
    """Runs the contestants in turns with n images, and prints a line about each."""
    times: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    for _ in range(rounds + 1):
        for name in CONTESTANTS:
            is_ours = name.startswith("probnn")
            measured = milliseconds(name, n) if is_ours else theirs(milliseconds, name, n)
            times[name].append(measured)
    times = {name: values[1:] for name, values in times.items()}  # without the warm-up
    for name, values in times.items():
        own = times["probnn, exact"]
        ratios = [value / ours for value, ours in zip(values, own, strict=True)]
        print(
            f"{n:5,} images  {name:25} {statistics.median(values):8.2f} ms per "
            f"iteration ({min(values):.2f} to {max(values):.2f}), "
            f"{statistics.median(ratios):6.2f} times ours ({min(ratios):.2f} to "
            f"{max(ratios):.2f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
