import importlib.util
import multiprocessing.forkserver
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "agg")

import pytest
import torch

from probnn.runtime import tune_process

TUNED = tune_process()


def pytest_report_header() -> str:
    return TUNED


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture
def elsewhere():
    """A context in which tensors are by default on another device, and in float64.

    What is made from given ones must be where they are, and of their type, all the same.
    """

    @contextmanager
    def context():
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            with torch.device("meta"):
                yield
        finally:
            torch.set_default_dtype(before)

    return context


@pytest.fixture(scope="session")
def processes():
    """New processes, of one thread each, that need not import torch again, where that can be had.

    They import the package themselves.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        [
            "torch",
            "torchvision",
            "torch._dynamo",
            "matplotlib.pyplot",
            "pandas",
            "scipy.stats",
            "sklearn.manifold",
        ]
    )
    with (
        pytest.MonkeyPatch.context() as patch
    ):  # their environment is that of when their server starts
        patch.setenv("PROBNN_DATA", str(Path(__file__).parents[1] / "data"))
        patch.setenv("OMP_NUM_THREADS", "1")
        multiprocessing.forkserver.ensure_running()
    return context


@pytest.fixture(scope="session")
def pretended(tmp_path_factory):
    """The environment in which a new process has the device of `pretended/pretended_device.py`.

    Empty where that cannot be compiled.
    """
    if not sys.platform.startswith("linux") or shutil.which("g++") is None:
        return {}
    spec = importlib.util.spec_from_file_location(
        "pretended_device", Path(__file__).parent / "pretended/pretended_device.py"
    )
    device = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(device)
    folder = tmp_path_factory.mktemp("pretended")
    try:
        device.build(folder)
    except (
        subprocess.CalledProcessError
    ):  # its message is on the screen; another compiler, or a torch whose headers differ
        return {}
    return {"PYTHONPATH": str(folder), "PROBNN_DEVICE": "pretended"}
