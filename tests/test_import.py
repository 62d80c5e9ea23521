"""Importing the package, and each of its modules, changes nothing in the process."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

import probnn

PACKAGE = Path(probnn.__file__).parent

LOOK = """
import gc, logging, os, random, resource, signal, sys, threading, warnings
import IPython, joblib, matplotlib.pyplot, numpy, pandas, platformdirs
import torch, torchvision, tqdm.auto
from torch.optim import optimizer


def faults():  # whether memory is given back at every step, as glibc does unless told
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(5):
            kept = [torch.ones(10_000_000) for _ in range(2)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before > 20_000


def look():
    return {
        "denormal numbers": (torch.tensor([1e-39]) * 0.9).view(torch.int32).item(),
        "memory given back": faults(),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "other threads": threading.active_count(),
        "random streams": (str(random.getstate()), str(numpy.random.get_state())),
        "torch's random stream": torch.get_rng_state().tolist(),
        "environment": dict(os.environ),
        "warnings": list(warnings.filters),
        "device and type": (torch.get_default_device(), torch.get_default_dtype()),
        "gradients": torch.is_grad_enabled(),
        "algorithms": torch.are_deterministic_algorithms_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "signals": [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)],
        "hooks of optimisers": dict(optimizer._global_optimizer_pre_hooks),
        "drawing": (dict(matplotlib.rcParams), matplotlib.get_backend()),
        "tables": pandas.get_option("display.max_rows"),
        "paths": (list(sys.path), os.getcwd()),
        "logging": (logging.getLogger().handlers[:], logging.getLogger().level),
        "garbage": gc.isenabled(),
        "end of the process": (sys.excepthook, sys.displayhook, sys.settrace),
    }


before = look()
CHANGE
after = look()
print(sorted(name for name in before if before[name] != after[name]))
"""


def modules():
    names = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ("probnn", *path.relative_to(PACKAGE).with_suffix("").parts)
        names.append(".".join(parts).removesuffix(".__init__"))
    return [name for name in names if not name.endswith("__main__")]


def changed_by(code):
    """What a new process finds changed by a piece of code."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_TUN"))}
    command = [sys.executable, "-c", LOOK.replace("CHANGE", code)]
    run = subprocess.run(command, env=plain, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts page faults")
def test_importing_the_package_and_all_of_its_modules_changes_nothing_in_the_process():
    assert len(modules()) > 30
    assert changed_by("\n".join(f"import {name}" for name in modules())) == "[]"


@pytest.mark.slow
@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or platform.machine() not in ("x86_64", "aarch64"),
    reason="another allocator, or a processor that may not be able to",
)
def test_the_test_above_sees_what_tune_process_changes():
    tune = "import probnn; probnn.tune_process()"
    assert changed_by(tune) == "['denormal numbers', 'memory given back']"


def test_the_star_gives_the_names_of_all_and_no_modules():
    names = {}
    exec("from probnn import *", names)
    del names["__builtins__"]
    assert sorted(names) == sorted(probnn.__all__) and 20 <= len(names) <= 30
    assert not [name for name, value in names.items() if isinstance(value, type(sys))]


def test_no_name_is_both_a_module_and_something_else():
    for name in modules():
        *parent, last = name.split(".")
        if parent:
            value = getattr(sys.modules[".".join(parent)], last, None)
            assert value is None or isinstance(value, type(sys)), name


def test_every_module_says_what_is_public_and_has_it():
    for name in modules():
        module = __import__(name, fromlist=["_"])
        assert all(hasattr(module, public) for public in module.__all__), name
