"""Training and scoring, against the coursework's own ways (baselines.py): one run, in turns.

    python benchmarks/bench_training.py [rounds [threads]]

The contestants take turns, A B A B, on the same cores; ours in this process, which is tuned first,
the baselines in one of their own, which is left as it comes (processes.py). Printed are medians
after a warm-up with lowest and highest, the ratios within rounds, and ours as a multiple of what
its matrix products and convolutions alone take, measured in the same rounds (arithmetic.py).
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
from arithmetic import arithmetic, seconds_of
from processes import other_process
from torch import nn, optim

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
def training(model: str, batch_size: int, precision: Callable) -> Iterator:
    """The notebooks' loop, without its bar, past its first steps; step by step."""

    def loop():
        torch.manual_seed(0)
        net, loss_of = baselines.network(model, ours=True)
        net = precision(net)
        optimizer = optim.Adam(net.parameters(), fused=True)
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


def train(model: str, batch_size: int, steps: int, precision: Callable = float32) -> float:
    """Seconds for the next steps of that training."""
    return baselines.seconds(training(model, batch_size, precision), steps)


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
    optimizer = optim.Adam(model.parameters(), fused=True)
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


def products_of_steps(model: str, batch_size: int, steps: int, dtype: torch.dtype) -> Callable:
    """What gives the seconds of the products alone of that many steps."""
    net, loss_of = baselines.network(model, ours=True)
    images, labels = load_mnist("train")
    batch = images[:batch_size], labels[:batch_size]
    make = arithmetic(net, lambda: loss_of(net, *batch), dtype, backwards=True)
    return lambda: seconds_of(make, steps)


def products_of_scores(images: torch.Tensor, samples: int, dtype: torch.dtype) -> Callable:
    """What gives the seconds of the products alone of scores; a thousand decoded at a time."""
    model = baselines.trained()
    encode = arithmetic(model.g, lambda: model(images), dtype, backwards=False)
    z = torch.randn(1000, model.d)
    decode = arithmetic(model.f, lambda: model.f.logits(z), dtype, backwards=False)
    times = len(images) * samples // 1000
    return lambda: seconds_of(encode, 1) + seconds_of(decode, times)


def compare(
    name: str,
    ours: Callable[[], float],
    theirs: Callable[[], float],
    rounds: int,
    products: Callable[[], float] | None = None,
) -> None:
    """Runs both in turns, and ours' products alone, and prints a row of the table."""
    turns = [
        (theirs(), ours(), products() if products else float("nan")) for _ in range(rounds + 1)
    ][1:]
    columns = [list(column) for column in zip(*turns, strict=True)]
    columns.append([b / a for b, a, _ in turns])
    columns.append([a / p for _, a, p in turns])
    told = [
        f"{statistics.median(t):.2f} ({min(t):.2f} to {max(t):.2f})" if t[0] == t[0] else "-"
        for t in columns
    ]
    print(f"| {name} | {' | '.join(told[i] for i in (0, 1, 3, 2, 4))} |", flush=True)


PRECISIONS = {
    "float32": (float32, torch.float32),
    "bfloat16": (reduced_precision, torch.bfloat16),
}


def compare_trainings(theirs: Callable, rounds: int) -> None:
    """The rows of the trainings of image models."""
    for model, batch_size, steps in (
        ("Toronto", 100, 200),
        ("Oslo 2", 128, 200),
        ("2-D", 200, 200),
        ("2-D autoencoder", 200, 200),
        ("convolutional", 100, 40),
    ):
        baseline = partial(theirs, baselines.train, model, batch_size, steps)
        for name, (precision, dtype) in PRECISIONS.items():
            compare(
                f"{model}, {name}: {steps} steps of {batch_size}",
                partial(train, model, batch_size, steps, precision),
                baseline,
                rounds,
                products_of_steps(model, batch_size, steps, dtype),
            )


def compare_scores(theirs: Callable, rounds: int) -> None:
    """The rows of the Monte Carlo log likelihoods, and how far the two sides' estimates differ."""
    images, results = load_mnist("test").images[:IMAGES], {}

    def timed(who: str, f: Callable, *arguments) -> float:
        seconds, results[who] = f(*arguments)
        return seconds

    for name, (precision, dtype) in PRECISIONS.items():
        compare(
            f"{SAMPLES}-sample log p(x) of {IMAGES} images, {name}",
            partial(timed, "ours", score, images, SAMPLES, precision),
            partial(timed, "theirs", theirs, baselines.monte_carlo_log_likelihood, IMAGES, SAMPLES),
            rounds,
            products_of_scores(images, SAMPLES, dtype),
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
    threads = int(sys.argv[2]) if len(sys.argv) > 2 else torch.get_num_threads()
    torch.set_num_threads(threads)
    print(tune_process(), file=sys.stderr)
    with other_process() as theirs:
        theirs(torch.set_num_threads, threads)
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
        print("| work | coursework, s | probnn, s | times as fast | products alone, s | times |")
        print("|---|---|---|---|---|---|")
        compare_trainings(theirs, rounds)
        compare_scores(theirs, rounds)
        compare_regressions(theirs, rounds)


if __name__ == "__main__":
    main()
