"""Training and scoring, against the coursework's own ways (baselines.py): one run, in turns.

    python benchmarks/bench_training.py [rounds]

The contestants take turns, A B A B, on the same cores; ours in this process, which is tuned first,
the baselines in one of their own, which is left as it comes (processes.py). Printed are medians
after a warm-up with lowest and highest, the ratios within rounds, and what share of the machine's
fastest matrix product the convolutional training reaches.
"""

from __future__ import annotations

import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache, partial

import baselines
import torch
from processes import other_process
from torch import nn, optim
from torch.utils.flop_counter import FlopCounterMode

from probnn.data import load_mnist, load_xkcd
from probnn.inference import log_marginal, mean_and_se, over_batches
from probnn.models import RWiggle, Starts
from probnn.runtime import reduced_precision, tune_process
from probnn.training import enumerate_cycle

IMAGES, SAMPLES = 500, 100


def float32(model: nn.Module) -> nn.Module:
    """The model as it is."""
    return model


@cache
def training(model: str, batch_size: int, precision: Callable, fused: bool) -> Iterator:
    """The notebooks' loop, without its bar, past its first steps; step by step.

    Adam fused where the notebook has it so.
    """

    def loop():
        torch.manual_seed(0)
        net, loss_of = baselines.network(model, ours=True)
        net = precision(net)
        optimizer = optim.Adam(net.parameters(), fused=fused)
        batches, history = enumerate_cycle(load_mnist("train"), batch_size=batch_size), []
        for _, (imgs, lbls) in batches:
            loss = loss_of(net, imgs, lbls)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            history.append(loss.item())
            yield

    running = loop()
    baselines.seconds(running, baselines.warm_up(model))
    return running


def train(
    model: str, batch_size: int, steps: int, precision: Callable = float32, fused: bool = False
) -> float:
    """Seconds for the next steps of that training."""
    return baselines.seconds(training(model, batch_size, precision, fused), steps)


def score(
    images: torch.Tensor, samples: int, precision: Callable = float32
) -> tuple[float, torch.Tensor]:
    """The notebooks' call of Cambridge (d). Seconds, and the estimates."""
    model = precision(baselines.trained())
    begin = time.perf_counter()
    result = over_batches(
        lambda x: log_marginal(model.f.loglik, x, model(x), samples).estimate, images
    )
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
    """Floating-point operations of one step, forwards and backwards."""
    vae = baselines.MODELS[model]()
    with FlopCounterMode(display=False) as counter:
        vae.loglik_lb(torch.rand(batch_size, 1, 28, 28)).mean().backward()
    return counter.get_total_flops()


def compare(
    name: str, ours: Callable[[], float], theirs: Callable[[], float], rounds: int
) -> float:
    """Runs both in turns, prints a row of the table, and returns our median time."""
    pairs = [(theirs(), ours()) for _ in range(rounds + 1)][1:]
    told = [
        f"{statistics.median(t):.2f} ({min(t):.2f} to {max(t):.2f})"
        for t in zip(*pairs, strict=True)
    ]
    ratios = [b / a for b, a in pairs]
    print(
        f"| {name} | {told[0]} | {told[1]} | "
        f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to "
        f"{max(ratios):.2f}) |",
        flush=True,
    )
    return statistics.median(a for _, a in pairs)


def compare_trainings(theirs: Callable, rounds: int, peak: dict[str, float]) -> None:
    """The rows of the trainings of image models."""
    for model, batch_size, fused in (
        ("Toronto", 100, False),
        ("Oslo 2", 128, True),
        ("2-D", 256, True),
    ):
        baseline = partial(theirs, baselines.train, model, batch_size, 200)
        ours = partial(train, model, batch_size, 200)
        name = f"{model}: 200 steps of {batch_size}"
        compare(name, partial(ours, float32, fused), baseline, rounds)
        name = f"{model}, bfloat16 and fused Adam"
        compare(name, partial(ours, reduced_precision, True), baseline, rounds)
    baseline = partial(theirs, baselines.train, "convolutional", 100, 40)
    ours = partial(train, "convolutional", 100, 40)
    operations = 40 * operations_of_a_step("convolutional", 100)
    for name, dtype, run in (
        ("float32: 40 steps of 100", "float32", partial(ours, float32, False)),
        ("bfloat16 and fused Adam", "bfloat16", partial(ours, reduced_precision, True)),
    ):
        rate = operations / compare(f"convolutional, {name}", run, baseline, rounds)
        share = f"{rate / peak[dtype]:.0%} of the fastest {dtype} product"
        print(f"  ({rate / 1e9:.0f} Gflop/s, {share})", file=sys.stderr)


def compare_scores(theirs: Callable, rounds: int) -> None:
    """The rows of the Monte Carlo log likelihoods, and how far the two sides' estimates differ."""
    images, results = load_mnist("test").images[:IMAGES], {}

    def timed(who: str, f: Callable, *arguments) -> float:
        seconds, results[who] = f(*arguments)
        return seconds

    for name, precision in (("float32", float32), ("bfloat16", reduced_precision)):
        compare(
            f"{SAMPLES}-sample log p(x) of {IMAGES} images, {name}",
            partial(timed, "ours", score, images, SAMPLES, precision),
            partial(timed, "theirs", theirs, baselines.monte_carlo_log_likelihood, IMAGES, SAMPLES),
            rounds,
        )
        print(
            "  (ours minus theirs: {:.3f} ± {:.3f} nats per image)".format(
                *mean_and_se(results["ours"] - results["theirs"])
            ),
            file=sys.stderr,
        )


def compare_regressions(theirs: Callable, rounds: int) -> None:
    """The rows of Cambridge (a), where nearly all of a step is overhead."""
    x, y = load_xkcd()
    baseline = partial(theirs, baselines.regression, x, y, 3000)
    compare("regression, 3,000 steps", partial(regression, x, y, 3000), baseline, rounds)
    compare(
        "regression, 24 starts (theirs: 24 times one)",
        partial(regression_starts, x, y, 3000),
        lambda: 24 * baseline(),
        rounds,
    )


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print(tune_process(), file=sys.stderr)
    with other_process() as theirs:
        theirs(baselines.train, "Oslo 2", 10, 1)
        peak = {
            name: fastest_product(dtype)
            for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16))
        }
        print(
            f"{platform.machine()}, {torch.get_num_threads()} threads, torch "
            f"{torch.__version__}, {rounds} rounds; fastest matrix product "
            f"{peak['float32'] / 1e9:.0f} Gflop/s in float32, "
            f"{peak['bfloat16'] / 1e9:.0f} in bfloat16\n"
        )
        print("| work | coursework, seconds | probnn, seconds | times as fast |\n|---|---|---|---|")
        compare_trainings(theirs, rounds, peak)
        compare_scores(theirs, rounds)
        compare_regressions(theirs, rounds)


if __name__ == "__main__":
    main()
