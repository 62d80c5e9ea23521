"""What importing the package settles for the whole process."""

import os
import platform
import subprocess
import sys

import pytest

from probnn.runtime import ELEMENTARY

FAULTS = """
import resource, torch
if {keep}:
    from probnn.runtime import keep_memory
    assert keep_memory()
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def step():
    return [torch.ones(1_000_000) for _ in range(10)]
step()
before = faults()
for _ in range(20):
    step()
print(faults() - before)
"""


def faults(keep):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_TUNABLES"))}
    return int(subprocess.run([sys.executable, "-c", FAULTS.format(keep=keep)], env=environment, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc" or "LD_PRELOAD" in os.environ, reason="another allocator than glibc's")
def test_memory_freed_in_one_step_is_there_for_the_next():
    assert faults(keep=True) < faults(keep=False) / 10


def test_settings_of_ones_own_are_left_alone():
    code = "import probnn.runtime as r; print(r.keep_memory())"
    for name in ("MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"):
        value = "glibc.malloc.trim_threshold=200000" if name == "GLIBC_TUNABLES" else "200000"
        assert subprocess.run([sys.executable, "-c", code], env={**os.environ, name: value}, capture_output=True, text=True, check=True).stdout == "False\n"


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
