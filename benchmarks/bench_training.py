"""Training and scoring, against the coursework's own ways (baselines.py): one run, in turns.

    python benchmarks/bench_training.py [rounds]

The contestants take turns, A B A B, on the same cores; the baselines in a process of their own, since how memory is allocated is settled per
process. Printed are medians after a warm-up with lowest and highest, the ratios within rounds, and what share of the machine's fastest matrix
product the convolutional training reaches.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from typing import Callable, Iterator

import baselines
import torch
from torch import nn, optim
from torch.utils.flop_counter import FlopCounterMode

from probnn import RWiggle, Starts, enumerate_cycle, load_mnist, load_xkcd, log_marginal, mean_and_se, over_batches, reduced_precision

IMAGES, SAMPLES = 500, 100


def float32(model: nn.Module) -> nn.Module:
    """The model as it is."""
    return model


@cache
def training(model: str, batch_size: int, precision: Callable, fused: bool) -> Iterator:
    """The notebooks' loop, without its bar, past its first steps; step by step. Adam fused where the notebook has it so."""

    def loop():
        torch.manual_seed(0)
        net, loss_of = baselines.network(model, ours=True)
        optimizer = optim.Adam(precision(net).parameters(), fused=fused)
        batches, history = enumerate_cycle(load_mnist("train"), batch_size=batch_size), []
        for _, (imgs, lbls) in batches:
            loss = loss_of(imgs, lbls)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            history.append(loss.item())
            yield

    running = loop()
    baselines.seconds(running, baselines.warm_up(model))
    return running


def train(model: str, batch_size: int, steps: int, precision: Callable = float32, fused: bool = False) -> float:
    """Seconds for the next steps of that training."""
    return baselines.seconds(training(model, batch_size, precision, fused), steps)


def score(images: torch.Tensor, samples: int, precision: Callable = float32) -> tuple[float, torch.Tensor]:
    """The notebooks' call of Cambridge (d). Seconds, and the estimates."""
    model = precision(baselines.trained())
    begin = time.perf_counter()
    result = over_batches(lambda x: log_marginal(model.f.loglik, x, model(x), samples).estimate, images)
    return time.perf_counter() - begin, result


def regression(x: torch.Tensor, y: torch.Tensor, steps: int) -> float:
    """The notebook's loop of Cambridge (a). Seconds."""
    model, history = RWiggle(), []
    optimizer = optim.Adam(model.parameters())
    begin = time.perf_counter()
    for _ in enumerate_cycle([(y, x)], epochs=steps):
        loglik = model(y, x).mean()
        optimizer.zero_grad()
        (-loglik).backward()
        optimizer.step()
        history.append(loglik.item())
    return time.perf_counter() - begin


def regression_starts(x: torch.Tensor, y: torch.Tensor, steps: int) -> float:
    """The notebook's loop for 24 random starts at once. Seconds."""
    model, history = Starts([RWiggle() for _ in range(24)]), []
    optimizer = optim.Adam(model.parameters(), fused=True)
    begin = time.perf_counter()
    for _ in enumerate_cycle([(y, x)], epochs=steps):
        loglik = model(y, x).mean((1, 2))
        optimizer.zero_grad()
        (-loglik.sum()).backward()
        optimizer.step()
        history.append(loglik.tolist())
    return time.perf_counter() - begin


def fastest_product(dtype: torch.dtype) -> float:
    """The highest rate of this machine's matrix products, in operations per second."""
    best = 0.0
    for n in (512, 1024, 2048):
        a, b = (torch.randn(n, n).to(dtype) for _ in range(2))
        for _ in range(6):
            begin = time.perf_counter()
            a @ b
            best = max(best, 2 * n**3 / (time.perf_counter() - begin))
    return best


def operations_of_a_step(model: str, batch_size: int) -> int:
    vae = baselines.MODELS[model]()
    with FlopCounterMode(display=False) as counter:
        vae.loglik_lb(torch.rand(batch_size, 1, 28, 28)).mean().backward()
    return counter.get_total_flops()


def other_process() -> ProcessPoolExecutor:
    """A process for the coursework's way, without what importing the package settles: the allocator and denormal numbers are left as they are."""
    os.environ["MALLOC_ARENA_MAX"] = str(8 * (os.cpu_count() or 1))  # the default; that it is set keeps the package from changing the allocator there
    return ProcessPoolExecutor(1, get_context("spawn"), initializer=baselines.keep_denormals)


def compare(name: str, ours: Callable[[], float], theirs: Callable[[], float], rounds: int) -> float:
    """Runs both in turns, prints a row of the table, and returns our median time."""
    pairs = [(theirs(), ours()) for _ in range(rounds + 1)][1:]
    told = [f"{statistics.median(t):.2f} ({min(t):.2f} to {max(t):.2f})" for t in zip(*pairs)]
    ratios = [b / a for b, a in pairs]
    print(f"| {name} | {told[0]} | {told[1]} | {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |", flush=True)
    return statistics.median(a for _, a in pairs)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    x, y = load_xkcd()
    images = load_mnist("test").images[:IMAGES]
    with other_process() as pool:
        theirs = lambda function, *arguments: pool.submit(function, *arguments).result()  # noqa: E731
        theirs(baselines.train, "Oslo 2", 10, 1)
        peak = {name: fastest_product(dtype) for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16))}
        print(f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, {rounds} rounds; fastest matrix product {peak['float32'] / 1e9:.0f} Gflop/s in float32, {peak['bfloat16'] / 1e9:.0f} in bfloat16\n")
        print("| work | coursework, seconds | probnn, seconds | times as fast |\n|---|---|---|---|")
        bfloat16 = reduced_precision
        for model, batch_size, fused in (("Toronto", 100, False), ("Oslo 2", 128, True), ("2-D", 256, True)):
            baseline = lambda: theirs(baselines.train, model, batch_size, 200)  # noqa: E731
            compare(f"{model}: 200 steps of {batch_size}", lambda: train(model, batch_size, 200, float32, fused), baseline, rounds)
            compare(f"{model}, bfloat16 and fused Adam", lambda: train(model, batch_size, 200, bfloat16, True), baseline, rounds)
        operations = 40 * operations_of_a_step("convolutional", 100)
        for name, precision, fused in (("float32", float32, False), ("bfloat16", bfloat16, True)):
            label = "convolutional, float32: 40 steps of 100" if precision is float32 else "convolutional, bfloat16 and fused Adam"
            seconds = compare(label, lambda: train("convolutional", 100, 40, precision, fused), lambda: theirs(baselines.train, "convolutional", 100, 40), rounds)
            print(f"  ({operations / seconds / 1e9:.0f} Gflop/s, {operations / seconds / peak[name]:.0%} of the fastest {name} product)", file=sys.stderr)
        results = {}

        def timed(who, run):
            seconds, results[who] = run()
            return seconds

        for name, precision in (("float32", float32), ("bfloat16", bfloat16)):
            baseline = lambda: timed("theirs", lambda: theirs(baselines.monte_carlo_log_likelihood, IMAGES, SAMPLES))  # noqa: E731
            compare(f"{SAMPLES}-sample log p(x) of {IMAGES} images, {name}", lambda: timed("ours", lambda: score(images, SAMPLES, precision)), baseline, rounds)
            print("  (ours minus theirs: {:.3f} ± {:.3f} nats per image)".format(*mean_and_se(results["ours"] - results["theirs"])), file=sys.stderr)
        compare("regression, 3,000 steps", lambda: regression(x, y, 3000), lambda: theirs(baselines.regression, x, y, 3000), rounds)
        compare("regression, 24 starts (theirs: 24 times one)", lambda: regression_starts(x, y, 3000), lambda: 24 * theirs(baselines.regression, x, y, 3000), rounds)


if __name__ == "__main__":
    main()
