"""Training and scoring, against the coursework's own ways (baselines.py), in one process run.

    python benchmarks/bench_training.py [rounds]

The contestants take turns, A B A B; printed are the medians over the rounds after a warm-up, with lowest and highest, the ratios within
rounds, and what share of the machine's fastest matrix product in float32 the training steps reach.
"""

from __future__ import annotations

import platform
import statistics
import sys
import time
from typing import Callable

import baselines
import torch
from torch import optim

from probnn import BernoulliImageGenerator, GaussianEncoder, RWiggle, enumerate_cycle, load_mnist, load_xkcd, log_marginal, mlp_encoder, mlp_generator, over_batches

IMAGES, SAMPLES, REGRESSION_STEPS = 1000, 100, 2000


def train(model, batch_size: int, steps: int) -> None:
    """The notebooks' loop, without its bar."""
    optimizer = optim.Adam(model.parameters(), fused=True)
    batches, history = enumerate_cycle(load_mnist("train"), batch_size=batch_size, epochs=1), []
    for (_, step), (imgs, _) in batches:
        if step == steps:
            return
        loglik_lb = model.loglik_lb(imgs).mean()
        optimizer.zero_grad()
        (-loglik_lb).backward()
        optimizer.step()
        history.append(loglik_lb.item())


def regression(x: torch.Tensor, y: torch.Tensor, steps: int) -> None:
    """The notebook's loop of Cambridge (a)."""
    model, history = RWiggle(), []
    optimizer = optim.Adam(model.parameters(), fused=True)
    for _ in enumerate_cycle([(y, x)], epochs=steps):
        loglik = model(y, x).mean()
        optimizer.zero_grad()
        (-loglik).backward()
        optimizer.step()
        history.append(loglik.item())


def fastest_product(dtype: torch.dtype) -> float:
    """The largest matrix product rate of this machine, in operations per second."""
    best = 0.0
    for n in (512, 1024, 2048):
        a, b = (torch.randn(n, n).to(dtype) for _ in range(2))
        for _ in range(6):
            begin = time.perf_counter()
            a @ b
            best = max(best, 2 * n**3 / (time.perf_counter() - begin))
    return best


def compare(name: str, ours: Callable[[], None], theirs: Callable[[], None], rounds: int) -> None:
    """Runs both in turns and prints the times and their ratio."""
    times = {"ours": [], "theirs": []}
    for number in range(rounds + 1):
        for who, run in (("theirs", theirs), ("ours", ours)):
            begin = time.perf_counter()
            run()
            if number:
                times[who].append(time.perf_counter() - begin)
    ratios = [b / a for a, b in zip(times["ours"], times["theirs"])]
    told = "; ".join(f"{who} {statistics.median(t):.2f} s ({min(t):.2f} to {max(t):.2f})" for who, t in times.items())
    print(f"{name}: {told}; {statistics.median(ratios):.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f})", flush=True)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    rates = {name: fastest_product(dtype) / 1e9 for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16))}
    print(f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, {rounds} rounds after a warm-up; matrix products: {rates['float32']:.0f} Gflop/s in float32, {rates['bfloat16']:.0f} in bfloat16")
    x, y = load_xkcd()
    images = load_mnist("test").images[:IMAGES]
    convolutional = GaussianEncoder(BernoulliImageGenerator(d=4))
    for name, make in (("MLP of the PyTorch example, 100 steps of 128", lambda: mlp_encoder(mlp_generator(20))), ("MLP of Oslo 2, 100 steps of 128", lambda: mlp_encoder(mlp_generator(10, (64, 128)), (128, 64)))):
        compare(name, lambda make=make: train(make(), 128, 100), lambda make=make: baselines.train(make(), 128, 100), rounds)
    compare("convolutional VAE, 40 steps of 100", lambda: train(GaussianEncoder(BernoulliImageGenerator(d=4)), 100, 40), lambda: baselines.train(GaussianEncoder(BernoulliImageGenerator(d=4)), 100, 40), rounds)
    compare(f"{SAMPLES}-sample log likelihood of {IMAGES} images", lambda: over_batches(lambda x: log_marginal(convolutional.f.loglik, x, convolutional(x), SAMPLES).estimate, images), lambda: baselines.monte_carlo_log_likelihood(convolutional, images, SAMPLES), rounds)
    compare(f"regression, {REGRESSION_STEPS} steps", lambda: regression(x, y, REGRESSION_STEPS), lambda: baselines.regression(x, y, REGRESSION_STEPS), rounds)


if __name__ == "__main__":
    main()
