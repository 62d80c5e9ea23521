"""What speeds up a process that trains, and makes it alike in every run: by one call."""

import os
import platform
import subprocess
import sys

import pytest
import torch

from probnn.runtime import flush_denormals, keep_memory
from probnn.runtime.tuning import ELEMENTARY

can_flush = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64", "aarch64", "arm64"),
    reason="the processor may not be able to",
)
has_glibc = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or "LD_PRELOAD" in os.environ,
    reason="another allocator than glibc's",
)


def printed(code):
    """What a new process prints, without settings of memory and threads in its environment."""
    ours = ("MALLOC_", "GLIBC_TUNABLES", "OMP_", "MKL_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


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


@has_glibc
def test_memory_freed_in_one_step_is_there_for_the_next():
    before, after = map(int, printed(FAULTS).split())
    assert after < before / 10


@has_glibc
def test_tuning_the_process_keeps_its_memory():
    code = FAULTS.replace("import keep_memory", "import tune_process")
    before, after = map(int, printed(code.replace("keep_memory()", "tune_process()")).split())
    assert after < before / 10


@pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES", "LD_PRELOAD"])
def test_settings_of_ones_own_are_left_alone(name, monkeypatch):
    monkeypatch.setenv(name, "200000")
    assert not keep_memory()


CALLS = f"""
import torch
calls = []
for name in {ELEMENTARY}:
    def note(x, name=name, function=getattr(torch, name)):
        calls.append((name, x.dtype, x.numel()))
        return function(x)
    setattr(torch, name, note)
every = {{(name, kind, 1) for name in {ELEMENTARY} for kind in (torch.float32, torch.float64)}}
"""


def test_tuning_calls_every_elementary_function_before_threads_do():
    code = """
from probnn.runtime import tune_process
tune_process()
print(set(calls) == every)
"""
    assert printed(CALLS + code) == "True\n"


def test_a_training_loop_alone_calls_every_elementary_function_before_its_first_batch():
    code = """
from probnn.training import enumerate_cycle
class Batches(list):
    def __getitem__(self, i):
        print(set(calls) == every)
        return super().__getitem__(i)
print(len(calls))
for _ in enumerate_cycle(Batches([1]), epochs=1):
    pass
"""
    assert printed(CALLS + code) == "0\nTrue\n"


def test_elementary_functions_are_settled_once_in_a_process():
    code = """
from probnn.runtime import settle_elementary_functions, tune_process
from probnn.training import enumerate_cycle
tune_process()
before = len(calls)
tune_process()
settle_elementary_functions()
list(enumerate_cycle([1, 2], epochs=2))
print(before == len(every), len(calls) - before)
"""
    assert printed(CALLS + code) == "True 0\n"


DENORMALS = """
import torch
from probnn.runtime import tune_process
torch.set_num_threads(4)
tune_process()
normal = torch.full((4_000_000,), 2e-38)
print(bool(normal.all()), bool((normal * 0.1).view(torch.int32).any()))
"""


@can_flush
def test_denormal_numbers_are_zero_in_every_thread_of_a_process_that_is_tuned():
    assert printed(DENORMALS) == "True False\n"
    without = DENORMALS.replace("tune_process()\n", "")
    assert printed(without) == "True True\n"  # else the test shows nothing


SAID = """
import torch
from probnn.runtime import tune_process
torch.set_num_threads(4)
{before}
print(tune_process())
"""


@can_flush
@has_glibc
def test_tuning_says_what_it_has_done():
    assert printed(SAID.format(before="")) == (
        "This process: numbers below 1e-38 count as zero; freed memory is kept for the next step.\n"
    )


@can_flush
def test_tuning_says_that_it_came_too_late_for_threads_that_torch_had_started():
    assert printed(SAID.format(before="torch.ones(4_000_000) * 0.9")).startswith(
        "This process: numbers below 1e-38 count as zero, in this thread only: "
        "torch had started its others"
    )


@can_flush
def test_the_mean_gradient_of_a_weight_that_gets_none_becomes_zero():
    flush_denormals()
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.Adam([weight])
    for step in range(1000):
        weight.grad = torch.full((1,), float(step == 0))
        optimizer.step()
    mean = optimizer.state[weight]["exp_avg"].view(torch.int32)
    assert mean.item() == 0  # without the setting it stays at 6e-45
