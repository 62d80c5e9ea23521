"""What speed costs: Cambridge (c) in float32, and in bfloat16 with fused Adam.

    python benchmarks/bench_precision.py [pairs]

Pairs of trainings from the same weights, in the same batch order. Five epochs of the 54,000 grey
images; the bound of the 6,000 held out is evaluated in float32 for both, with the same noise.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import torch
from torch import optim

from probnn.data import load_mnist
from probnn.inference import mean_and_se, over_batches
from probnn.models import BernoulliImageGenerator, GaussianEncoder
from probnn.runtime import reduced_precision, tune_process
from probnn.training import enumerate_cycle


def train(seed: int, precision: Callable, fused: bool) -> tuple[torch.Tensor, float]:
    """The bound of each of the 6,000 held-out images after five epochs, and their seconds."""
    torch.manual_seed(seed)
    model = precision(GaussianEncoder(BernoulliImageGenerator(d=4)))
    optimizer, begin = optim.Adam(model.parameters(), fused=fused), time.perf_counter()
    for _, (imgs, _) in enumerate_cycle(load_mnist("fit"), batch_size=100, epochs=5, seed=seed):
        loglik_lb = model.loglik_lb(imgs).mean()
        optimizer.zero_grad()
        (-loglik_lb).backward()
        optimizer.step()
    seconds = time.perf_counter() - begin
    in_float32 = GaussianEncoder(BernoulliImageGenerator(d=4))
    in_float32.load_state_dict(model.state_dict())
    torch.manual_seed(0)
    return over_batches(in_float32.loglik_lb, load_mnist("held_out").images), seconds


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    differences = []
    print(tune_process(), file=sys.stderr)
    print(
        "| start | float32, bound | bfloat16, bound | paired difference | "
        "seconds |\n|---|---|---|---|---|"
    )
    for seed in range(pairs):
        (plain, slow), (reduced, fast) = (
            train(seed, lambda model: model, False),
            train(seed, reduced_precision, True),
        )
        differences.append((reduced - plain).mean())
        bounds = [
            "{:.2f} ± {:.2f}".format(*mean_and_se(values))
            for values in (plain, reduced, reduced - plain)
        ]
        print(f"| {seed} | {' | '.join(bounds)} | {slow:.0f}, {fast:.0f} |", flush=True)
    if pairs > 1:
        print(
            "\nmean difference over starts {:.2f} ± {:.2f} nats per held-out image".format(
                *mean_and_se(torch.stack(differences))
            )
        )


if __name__ == "__main__":
    main()
