"""What importing the package settles for the whole process."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from probnn import runtime
from probnn.runtime import ELEMENTARY

FAULTS = """
import resource, torch
from probnn.runtime import keep_memory
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def faults_of_steps():
    before = faults()
    for _ in range(20):
        kept = [torch.ones(1_000_000) for _ in range(10)]
    return faults() - before
before = faults_of_steps()
assert keep_memory()
faults_of_steps()
print(before, faults_of_steps())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc" or "LD_PRELOAD" in os.environ, reason="another allocator than glibc's")
def test_memory_freed_in_one_step_is_there_for_the_next():
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_TUNABLES"))}
    code = FAULTS.replace("from probnn.runtime", "from runtime")  # without the package, which would have called it
    plain["PYTHONPATH"] = str(Path(runtime.__file__).parent)
    before, after = map(int, subprocess.run([sys.executable, "-c", code], env=plain, capture_output=True, text=True, check=True).stdout.split())
    assert after < before / 10


@pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES", "LD_PRELOAD"])
def test_settings_of_ones_own_are_left_alone(name, monkeypatch):
    monkeypatch.setenv(name, "200000")
    assert not runtime.keep_memory()


def test_importing_the_package_calls_every_elementary_function_before_threads_do():
    code = f"""
import torch
called = set()
for name in {ELEMENTARY}:
    def note(x, name=name, function=getattr(torch, name)):
        called.add((name, x.dtype, x.numel()))
        return function(x)
    setattr(torch, name, note)
import probnn
print(called == {{(name, dtype, 1) for name in {ELEMENTARY} for dtype in (torch.float32, torch.float64)}})
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "True\n"


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64", "aarch64", "arm64"), reason="the processor may not be able to")
def test_denormal_numbers_are_zero_in_every_thread_of_a_process_that_imports_the_package():
    code = "import probnn, torch; torch.set_num_threads(4); print(bool((torch.full((4_000_000,), 1e-39) * 0.9).view(torch.int32).any()))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
    assert subprocess.run([sys.executable, "-c", code.replace("probnn, ", "")], capture_output=True, text=True, check=True).stdout == "True\n"  # else the test shows nothing


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64", "aarch64", "arm64"), reason="the processor may not be able to")
def test_the_mean_gradient_of_a_weight_that_gets_none_becomes_zero():
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.Adam([weight])
    for step in range(1000):
        weight.grad = torch.full((1,), float(step == 0))
        optimizer.step()
    assert optimizer.state[weight]["exp_avg"].view(torch.int32).item() == 0  # without the setting it stays at 6e-45
