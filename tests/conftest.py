import multiprocessing.forkserver
import os
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "agg")

import pytest
import torch


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def processes():
    """New processes, of one thread each, that need not import torch again, where the system can do that. They import the package themselves."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "torchvision", "torch._dynamo", "matplotlib.pyplot", "pandas", "scipy.stats", "sklearn.manifold"])
    with pytest.MonkeyPatch.context() as patch:  # their environment is that of when their server starts
        patch.setenv("PROBNN_DATA", str(Path(__file__).parents[1] / "data"))
        patch.setenv("OMP_NUM_THREADS", "1")
        multiprocessing.forkserver.ensure_running()
    return context
