"""Runs side by side: the same results on one core, on all, and on a Dask cluster.

The cluster loses a worker in the middle.
"""

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch
from joblib import parallel_config

from probnn.runtime import run_all

PROCESSES = {"processes": True, "dashboard_address": None}  # of a Dask cluster
needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None,
    reason="needs Dask: pip install 'dask[distributed]'",
)


def study(folder, steps):
    """A function that trains a small model from a random start, noting when it begins and ends.

    It is sent to workers by value.
    """

    def train(seed):
        import os
        from pathlib import Path

        import torch

        from probnn.densities import DiagonalGaussian, log_normal
        from probnn.training import enumerate_cycle

        with open(Path(folder) / f"{seed}", "a") as log:
            log.write(f"{os.getpid()} begins\n")
        torch.manual_seed(seed)
        mu = torch.randn(50, 4, requires_grad=True)
        log_sigma = torch.zeros(50, 4, requires_grad=True)
        optimizer = torch.optim.Adam([mu, log_sigma])
        for _, x in enumerate_cycle([torch.randn(50, 4)], epochs=steps):
            q = DiagonalGaussian(mu, log_sigma.exp())
            elbo = log_normal(x, q.sample()).sum(-1) - q.kl_from_prior()
            optimizer.zero_grad()
            (-elbo.mean()).backward()
            optimizer.step()
        with open(Path(folder) / f"{seed}", "a") as log:
            log.write(f"{os.getpid()} ends, {torch.get_num_threads()} thread\n")
        return seed, mu.detach(), elbo.mean().item()

    return train


def same(results, expected):
    pairs = zip(results, expected, strict=True)
    return all(a == b and torch.equal(m, n) and e == f for (a, m, e), (b, n, f) in pairs)


def test_all_cores_give_what_one_gives_bit_for_bit(tmp_path):
    train = study(tmp_path, steps=20)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    expected = [train(seed) for seed in range(6)]
    torch.set_num_threads(threads)
    assert same(run_all(train, [(seed,) for seed in range(6)]), expected)
    lines = [line for path in tmp_path.iterdir() for line in path.read_text().splitlines()]
    processes = {line.split()[0] for line in lines}
    assert str(os.getpid()) in processes and len(processes) > 1
    assert torch.get_num_threads() == threads


def test_a_run_has_one_thread_and_leaves_as_many_as_there_were():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with parallel_config(backend="sequential"):  # in this process
            assert run_all(torch.get_num_threads, [()]) == [1]
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_run_may_make_runs_of_its_own():
    code = (
        "from probnn.runtime import run_all\n"
        "print(run_all(lambda k: run_all(pow, [(k, 2), (k, 3)]), [(2,), (3,)]))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    assert done.stdout == "[[4, 8], [9, 27]]\n"


def test_an_error_in_one_run_is_told(tmp_path):
    def fails(seed):
        raise ValueError(f"seed {seed}")

    with pytest.raises(ValueError, match="seed 3"):
        run_all(fails, [(3,)])


@needs_dask
@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # Dask's own
def test_a_cluster_that_loses_a_worker_gives_every_result_once_and_the_same(tmp_path):
    from distributed import LocalCluster

    alone, together, seeds = tmp_path / "alone", tmp_path / "cluster", [(k,) for k in range(8)]
    alone.mkdir()
    together.mkdir()
    expected = run_all(study(alone, steps=400), seeds)
    killed = []

    def begun():
        return [path for path in together.iterdir() if "begins" in path.read_text()]

    def kill_one():
        patience = time.monotonic() + 60
        while time.monotonic() < patience and not killed:
            for path in begun():
                lines = path.read_text().splitlines()
                if len(lines) == 1:  # begun, and not ended
                    os.kill(int(lines[0].split()[0]), signal.SIGKILL)
                    killed.append(path.name)
                    break
            time.sleep(0.002)

    with LocalCluster(n_workers=2, threads_per_worker=1, **PROCESSES) as cluster:
        killer = threading.Thread(target=kill_one)
        killer.start()
        results = run_all(study(together, steps=400), seeds, cluster=cluster.scheduler_address)
        killer.join()
    assert same(results, expected)
    assert len(killed) == 1
    # begun by the one that was killed, and again
    assert (together / killed[0]).read_text().count("begins") == 2
    assert all("1 thread" in path.read_text() for path in begun())


@needs_dask
@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # Dask's own
def test_a_worker_of_several_threads_gives_what_one_thread_gives():
    from distributed import LocalCluster

    def draw(seed):
        torch.manual_seed(seed)
        before = torch.rand(3)
        time.sleep(0.05)
        return torch.cat([before, torch.rand(3)])

    expected = [draw(seed) for seed in range(6)]
    with LocalCluster(n_workers=1, threads_per_worker=3, **PROCESSES) as cluster:
        results = run_all(draw, [(seed,) for seed in range(6)], cluster=cluster.scheduler_address)
    assert all(torch.equal(a, b) for a, b in zip(results, expected, strict=True))
