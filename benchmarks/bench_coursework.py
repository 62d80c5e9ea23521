"""The whole coursework from scratch, against the coursework's own ways.

    python benchmarks/bench_coursework.py

Every part that has a counterpart there, on a slice of it, in turns, scaled; the coursework's ways
in a process of their own (processes.py). Not in it, on either side: the names and the exact
posteriors, which the coursework has no way of its own for, checks and figures.
"""

from __future__ import annotations

import sys
import time
from functools import cache

import baselines
import bench_training
import torch
from processes import other_process

from probnn.data import load_mnist, load_xkcd
from probnn.runtime import tune_process
from probnn.tsne import TsneObjective, symmetric_gauss_neighbour_probability

xkcd = cache(load_xkcd)


@cache
def thousand_images() -> torch.Tensor:
    """The first of the training set; loaded when they are wanted, after the process is tuned."""
    return load_mnist("train").images[:1000]


def decoded(theirs: bool, images: int = 100, samples: int = 100) -> float:
    """Seconds for that many samples of that many images."""
    if theirs:
        return baselines.monte_carlo_log_likelihood(images, samples)[0]
    return bench_training.score(thousand_images()[:images], samples)[0]


def steps(theirs: bool, model: str, batch_size: int, n: int = 60) -> float:
    """Seconds for n training steps."""
    return (baselines if theirs else bench_training).train(model, batch_size, n)


def maps(theirs: bool) -> float:
    """Seconds for 2 steps of t-SNE.

    Ours without the probabilities of the data, which we compute once.
    """
    images = thousand_images()
    if theirs:
        return baselines.tsne(images, 2)
    objective = TsneObjective(symmetric_gauss_neighbour_probability(images.flatten(1), sigma=10.0))
    y = torch.randn(1000, 2)
    begin = time.perf_counter()
    for _ in range(2):
        y -= 10.0 * objective.gradient(y)
        objective.kl(y)
    return time.perf_counter() - begin


def regression(theirs: bool, starts: int) -> float:
    """Seconds for 1,000 steps of one model, or of 24 starts."""
    if theirs:
        return starts * baselines.regression(*xkcd(), 1000)
    ours = bench_training.regression if starts == 1 else bench_training.regression_starts
    return ours(*xkcd(), 1000)


PARTS = {  # what, how many slices, seconds of a slice
    "Cambridge (a): 2 runs of 50,000 steps": (2 * 50, lambda theirs: regression(theirs, 1)),
    "Cambridge (a): 48 starts of 50,000 steps": (2 * 50, lambda theirs: regression(theirs, 24)),
    "Cambridge (c): 5 epochs": (
        5 * 540 / 60,
        lambda theirs: steps(theirs, "convolutional", 100),
    ),
    "Cambridge (d): 11.4 million samples of an image, and 2 million": (1340, decoded),
    "Cambridge (e): d = 4 and d = 20, 5 epochs": (
        2 * 5 * 540 / 60,
        lambda theirs: steps(theirs, "convolutional", 100),
    ),
    "Cambridge (e): the PyTorch example, 10 epochs": (
        10 * 422 / 60,
        lambda theirs: steps(theirs, "PyTorch", 128),
    ),
    "Cambridge (f): 5 epochs": (
        5 * 540 / 60,
        lambda theirs: steps(theirs, "conditional", 100),
    ),
    "Toronto 2: 100 epochs of 10,000": (
        100 * 100 / 60,
        lambda theirs: steps(theirs, "Toronto", 100),
    ),
    "Oslo 1: 6 trainings of 50 epochs, 4 of 5": (
        320 * 235 / 60,
        lambda theirs: steps(theirs, "Oslo 1", 256),
    ),
    "Oslo 2: 2 of 50 epochs": (100 * 469 / 60, lambda theirs: steps(theirs, "Oslo 2", 128)),
    "2-D: an autoencoder, 50,000 steps of 200": (
        50_000 / 60,
        lambda theirs: steps(theirs, "2-D autoencoder", 200),
    ),
    "2-D: a VAE, 50,000 steps of 200": (50_000 / 60, lambda theirs: steps(theirs, "2-D", 200)),
    "Oslo 3: 7 maps of 1,000 images, 700 steps": (7 * 700 / 2, maps),
}


def theirs_of(name: str) -> float:
    """A slice of a part in the coursework's way."""
    return PARTS[name][1](True)


def main() -> None:
    print(tune_process(), file=sys.stderr)
    total = [0.0, 0.0]
    print("| part | coursework, minutes | probnn, minutes | times as fast |\n|---|---|---|---|")
    with other_process() as there:
        for name, (times, slice_of) in PARTS.items():
            rounds = [
                (there(theirs_of, name), slice_of(False))
                for _ in range(1 if slice_of is maps else 3)
            ]
            theirs, ours = (
                times / 60 * sorted(seconds)[len(seconds) // 2]
                for seconds in zip(*rounds, strict=True)
            )
            if slice_of is maps:
                print(
                    f"| all of these | {total[0]:.1f} | {total[1]:.1f} | "
                    f"{total[0] / total[1]:.1f} |"
                )
            total = [total[0] + theirs, total[1] + ours]
            print(f"| {name} | {theirs:.1f} | {ours:.1f} | {theirs / ours:.1f} |", flush=True)
    print(f"| all | {total[0]:.0f} | {total[1]:.0f} | {total[0] / total[1]:.0f} |")


if __name__ == "__main__":
    main()
