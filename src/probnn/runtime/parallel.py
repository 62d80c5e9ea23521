"""Many independent runs at once: on all cores of this machine, or on a Dask cluster.

The work is joblib's; results do not depend on where it was done.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from probnn.runtime.settings import cluster_address

__all__ = ["run_all"]


def run_all(f: Callable, arguments: Iterable[tuple], cluster: str | None = None) -> list[Any]:
    """f(*a) for every a of the arguments, in their order, computed side by side.

    Each call runs on one thread, one call of a process at a time, so its result does not depend on
    how many there are, nor on who computes it. On a Dask cluster a call whose worker is lost is
    made again, elsewhere; give it a checkpoint (`resume`) on a shared disk if it is long. f must
    seed its random streams.

    Args:
        f: a function of pickleable arguments that returns something pickleable.
        arguments: one tuple for each call.
        cluster: address of a Dask scheduler, as tcp://host:8786; by default PROBNN_CLUSTER, and if
            that is not set all cores of this machine.

    Returns:
        The results, one for each tuple.

    Raises:
        ImportError: if a cluster is named, but Dask is not installed.
        joblib's TerminatedWorkerError: if a process on this machine is killed, for want of memory,
            say.

    Example:
        >>> run_all(pow, [(2, 3), (3, 2)])
        [8, 9]
    """
    from joblib import Parallel, delayed

    with _on(cluster or cluster_address()):
        return Parallel(n_jobs=-1)(delayed(_on_one_thread)(f, a) for a in arguments)


_one_at_a_time = threading.RLock()  # the threads of a Dask worker share torch's random streams


def _on_one_thread(f: Callable, arguments: tuple) -> Any:
    from joblib import parallel_config

    # calls of run_all within f run in this thread: another would wait for the lock
    with _one_at_a_time, parallel_config(backend="sequential"):
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return f(*arguments)
        finally:
            torch.set_num_threads(before)


@contextmanager
def _on(cluster: str | None) -> Iterator[None]:
    if not cluster:
        yield
        return
    try:
        from distributed import Client
    except ImportError:
        raise ImportError(
            f"expected Dask for the cluster {cluster}, got none: pip install 'dask[distributed]'"
        ) from None
    from joblib import parallel_config

    with Client(cluster), parallel_config(backend="dask"):
        yield
