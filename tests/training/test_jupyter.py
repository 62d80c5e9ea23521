"""The loop in a real Jupyter kernel, interrupted as Kernel > Interrupt does it."""

import json
import os
import random
import re
import signal
import time
from pathlib import Path
from queue import Empty

import pytest
from jupyter_client.manager import start_new_kernel

from probnn.training.checkpoints import read

SETUP = """
import torch
from torch import nn, optim
from probnn import *
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(30, 200), nn.Tanh(), nn.Linear(200, 30))
data = torch.randn(50, 30)
iter_data = enumerate_cycle(data, batch_size=5, epochs=60)
optimizer = optim.Adam(model.parameters())
history = []
"""

TRAIN = """
with Interruptable() as check_interrupted:
    for (epoch, batch_num), x in iter_data:
        check_interrupted()
        loss = (model(x + torch.randn(5, 30)) - x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
"""

INSPECT = """
import matplotlib; matplotlib.use("agg")
import matplotlib.pyplot as plt, numpy as np, random
plt.plot(history); plt.close("all")
torch.randn(7), np.random.rand(3), random.random()
"""

FINGERPRINT = """
import hashlib
state = [*model.parameters(), torch.tensor(history)]
state += [t for s in optimizer.state.values() for t in s.values()]
content = b"".join(t.detach().numpy().tobytes() for t in state)
print(len(history), hashlib.sha256(content).hexdigest())
"""

pytestmark = pytest.mark.slow


class Kernel:
    def __init__(self, **settings):
        self.manager, self.client = start_new_kernel(kernel_name="python3", **settings)

    def run(self, code, interrupt_after=None, queue=()):
        """Runs a cell, interrupts it; returns (status, what it printed, error lines, others).

        The interrupt comes so many seconds after the kernel has said that it runs the cell: one
        before that is Jupyter's own affair. If it still strikes before the cell's first line, there
        may be no reply, and the status is "lost". The last are the status of cells that were queued
        behind it.
        """
        first = self.client.execute(code)
        queued = [self.client.execute(c) for c in queue]
        printed, errors = "", []
        while True:
            message = self.client.get_iopub_msg(timeout=300)
            if message["parent_header"].get("msg_id") != first:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "execute_input" and interrupt_after is not None:
                time.sleep(interrupt_after)
                self.manager.interrupt_kernel()
            elif kind == "stream":
                printed += content["text"]
            elif kind == "error":
                errors += content["traceback"]
            elif kind == "status" and content["execution_state"] == "idle":
                break
        status = dict.fromkeys([first, *queued], "lost")
        try:
            while "lost" in status.values():
                reply = self.client.get_shell_msg(timeout=10)
                status[reply["parent_header"]["msg_id"]] = reply["content"]["status"]
        except Empty:
            assert "lost" not in [status[q] for q in queued]
        return status[first], printed, errors, [status[q] for q in queued]

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture
def kernel():
    kernel = Kernel()
    yield kernel
    kernel.close()


def test_interrupts_give_one_plain_line_stop_queued_cells_and_change_nothing(kernel):
    kernel.run(SETUP)
    kernel.run(TRAIN)
    _, alone, _, _ = kernel.run(FINGERPRINT)

    kernel.run(SETUP)
    interrupts = 0
    for delay in (0.02, 0.05, 0.1, 0.03, 0.07, 0.02):
        status, printed, errors, queued = kernel.run(
            TRAIN, interrupt_after=delay, queue=["print('queued')"]
        )
        if status == "error":
            interrupts += 1
            assert (
                len(errors) == 1
                and errors[0].startswith("Interrupted before epoch")
                and "\n" not in errors[0]
            )
            assert printed == "" and queued == ["aborted"]
        assert kernel.run(INSPECT)[0] == "ok"
    assert kernel.run(TRAIN)[0] == "ok"
    _, interrupted, _, _ = kernel.run(FINGERPRINT)
    assert interrupts >= 2
    assert interrupted == alone and alone.startswith("600 ")


# The coursework's two cells as they are printed there, with a model, data and a step filled in.
FIRST_CELL = """
import torch
from torch import nn, optim
from probnn import *
torch.manual_seed(0)
mymodel = nn.Sequential(nn.Linear(30, 200), nn.Tanh(), nn.Linear(200, 30))
mnist_batched = [(torch.randn(5, 30), torch.arange(5)) for _ in range(10)]
history = []
iter_mnist = enumerate_cycle(mnist_batched, shuffle=False, epochs=400)
"""
SECOND_CELL = """
optimizer = optim.Adam(mymodel.parameters())
with Interruptable() as check_interrupted:
    for (epoch,batch_num),(imgs,lbls) in iter_mnist:
        check_interrupted()
        loss = (mymodel(imgs + torch.randn(5, 30)) - imgs).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
"""
BOTH_ENDS = FINGERPRINT.replace("model.p", "mymodel.p")


def test_the_courseworks_cells_as_written_go_on_exactly_where_they_were(kernel):
    kernel.run(FIRST_CELL)
    assert kernel.run(SECOND_CELL)[:2] == ("ok", "")
    _, alone, _, _ = kernel.run(BOTH_ENDS)

    kernel.run(FIRST_CELL)
    moments, taken_up, stepped = random.Random(2), 0, False
    while taken_up < 12:
        delay = moments.uniform(0.03, 0.1)
        status, printed, errors, _ = kernel.run(SECOND_CELL, interrupt_after=delay)
        assert status != "ok", "finished before the twelfth resumption: make it longer"
        told = printed.count(": the new Adam takes up the moments of the one before it.")
        assert printed.count("\n") == told <= stepped  # after a first step there are moments
        taken_up += told
        stepped = kernel.run("print(bool(history))")[1] == "True\n"
        assert kernel.run(INSPECT)[0] == "ok"
    assert kernel.run(SECOND_CELL)[0] == "ok"
    assert kernel.run(BOTH_ENDS)[1] == alone and alone.startswith("4000 ")


WORKERS = """
import torch
from torch.utils.data import DataLoader
from probnn import *
loader = DataLoader(torch.arange(8000), batch_size=2, num_workers=2)
iter_data = enumerate_cycle(loader, shuffle=False, epochs=1)
seen = []
"""

LOOP = """
with Interruptable() as check_interrupted:
    for _, x in iter_data:
        check_interrupted()
        seen.extend(x.tolist())
"""


def test_workers_of_a_dataloader_survive_an_interrupt_of_the_process_group(kernel):
    kernel.run(WORKERS)
    status, printed, errors, _ = kernel.run(LOOP, interrupt_after=0.4)
    assert (
        status == "error"
        and len(errors) == 1
        and errors[0].startswith("Interrupted before epoch 0, batch")
    ), (printed, errors)
    assert "KeyboardInterrupt" not in printed
    assert kernel.run(LOOP)[0] == "ok"
    assert kernel.run("print(seen == list(range(8000)))")[1] == "True\n"


NOTEBOOK = Path(__file__).parents[2] / "notebooks/toronto/2_training.ipynb"
PICTURES = """
from probnn.densities import sample_bernoulli
from probnn.display import plots
from probnn.inference import over_batches
fig, ax = plt.subplots()
plots.image_grid(ax, sample_bernoulli(model.f.logits(torch.randn(10, 2))), 5)
plt.show()
np.random.rand(3), over_batches(model.loglik_lb, test.images[:200]).mean()
"""
EVERYTHING = """
import hashlib
def digest(value):
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{digest(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(digest, value)) + "]"
    if isinstance(value, torch.Tensor):
        return hashlib.sha256(value.detach().numpy().tobytes()).hexdigest()
    return repr(value)
# the page seeds torch only
order = {**batches.state_dict(), "random": batches.state_dict()["random"]["torch"]}
parts = {"weights": model.state_dict(), "optimizer": optimizer.state_dict(), "history": history,
         "examined": examined, "order": order}
short = lambda part: hashlib.sha256(digest(part).encode()).hexdigest()[:12]
print(batches.steps, {name: short(part) for name, part in parts.items()})
"""


def cells(save_every):
    """The cells of a page up to the one that trains, which is the last; twelve epochs of 100."""
    sources = []
    for cell in json.loads(NOTEBOOK.read_text())["cells"]:
        if cell["cell_type"] == "code":
            source = "".join(cell["source"])
            source = source.replace("epochs=100", "epochs=12")
            source = re.sub(
                r'"toronto/2_vae.pt",', f'"toronto/2_vae.pt", save_every={save_every},', source
            )
            sources.append(source)
            if "train" in cell["metadata"].get("tags", []):
                return sources


def open_notebook(folder, save_every=20.0):
    """A new kernel that has run the page from the top, but for its training cell, and that cell."""
    kernel = Kernel(env={**os.environ, "PROBNN_CHECKPOINTS": str(folder)}, cwd=str(NOTEBOOK.parent))
    *before, train = cells(save_every)
    for source in before:
        status, _, errors, _ = kernel.run(source)
        assert status == "ok", errors
    return kernel, train


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """What the end of an uninterrupted run looks like.

    Weights, optimiser, history, order of the batches, random streams.
    """
    kernel, train = open_notebook(tmp_path_factory.mktemp("uninterrupted"))
    kernel.run(train)
    _, everything, _, _ = kernel.run(EVERYTHING)
    kernel.close()
    assert everything.startswith("1200 ")
    return everything


def test_a_notebook_interrupted_at_thirty_random_moments_ends_as_if_it_had_not_been(
    uninterrupted, tmp_path
):
    kernel, train = open_notebook(tmp_path)
    moments, noticed, positions = random.Random(0), 0, []
    for _ in range(30):
        status, printed, errors, queued = kernel.run(
            train, interrupt_after=moments.uniform(0.0, 0.25), queue=["print('queued')"]
        )
        if status == "error":
            noticed += 1
            assert (
                len(errors) == 1
                and errors[0].startswith("Interrupted before epoch")
                and "\n" not in errors[0]
            )
            assert queued == ["aborted"] and "Traceback" not in printed
            positions.append(errors[0])
        assert kernel.run(PICTURES)[0] == "ok"
    assert noticed >= 15 and len(set(positions)) > 10
    assert kernel.run(train)[0] == "ok"
    _, everything, _, _ = kernel.run(EVERYTHING)
    kernel.close()
    assert everything == uninterrupted


def test_a_notebook_whose_kernel_is_killed_at_ten_random_moments_ends_as_if_it_had_not_been(
    uninterrupted, tmp_path
):
    working = tmp_path / "toronto/in-progress/2_vae.pt"
    moments, while_writing, reached = random.Random(1), 0, 0
    for number in range(10):
        kernel, train = open_notebook(tmp_path, save_every=0.2)
        kernel.client.execute(train)
        time.sleep(moments.uniform(0.2, 0.8))
        if number % 2:  # every other time, as soon as a checkpoint is being written
            patience = time.monotonic() + 5
            while time.monotonic() < patience and not (
                partial := set(working.parent.glob("2_vae.pt.*.probnn-partial"))
            ):
                time.sleep(0.0005)
        kernel.manager.signal_kernel(signal.SIGKILL)
        kernel.close()
        while_writing += bool(number % 2 and any(path.exists() for path in partial))
        if working.exists():
            position = read(working)["batches"]  # whole, whatever was going on
            steps = position["epoch"] * position["batches_per_epoch"] + position["batch_num"]
            assert steps >= reached
            reached = steps
    assert while_writing >= 1 and 0 < reached < 1200
    kernel, train = open_notebook(tmp_path, save_every=0.2)
    status, printed, _, _ = kernel.run(train)
    assert status == "ok" and printed.startswith(
        f"goes on at epoch {reached // 100}, batch {reached % 100}, "
        "from toronto/2_vae.pt, in progress"
    )
    _, everything, _, _ = kernel.run(EVERYTHING)
    kernel.close()
    assert everything == uninterrupted
    assert [path.name for path in working.parent.iterdir()] == ["2_vae.pt"]


DAY = """
import gc, os, torch
from torch import nn, optim
from probnn import *
from probnn.runtime import use_device

def memory():
    gc.collect()
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
"""
SWITCH = """
use_device({device!r})
torch.manual_seed({number})
width = {width}
model = nn.Sequential(nn.Linear(30, width), nn.Tanh(), nn.Linear(width, 30))
batches = enumerate_cycle(torch.randn({data}, 30), batch_size=5, epochs=10**6)
history = []
"""
GO_ON = """
optimizer = optim.Adam(model.parameters())
print(resume("mine/{name}.pt", model=model, optimizer=optimizer, batches=batches, history=history))
with Interruptable() as check_interrupted:
    for _, x in progress(batches, history):
        check_interrupted()
        loss = (model(x) - x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history[:] = [*history[-99:], loss.item()]
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read as Linux has it")
def test_a_notebook_left_open_for_a_day_stays_small(pretended, tmp_path):
    """200 interrupts and resumptions, and 50 switches of device, model and data, in one kernel."""
    settings = {"PROBNN_CHECKPOINTS": str(tmp_path), **pretended}
    kernel = Kernel(env={**os.environ, **settings})
    kernel.run(DAY)
    models = [("small", 20, 100), ("wide", 200, 50), ("longer", 50, 500)]
    devices = [settings.get("PROBNN_DEVICE", "cpu"), "cpu"]
    interrupted, sizes = 0, []
    for number in range(50):
        name, width, data = models[number % 3]
        device = devices[number % 2]
        code = SWITCH.format(device=device, number=number, width=width, data=data)
        assert kernel.run(code)[0] == "ok"
        for _ in range(4):
            status, _, errors, _ = kernel.run(GO_ON.format(name=name), interrupt_after=0.05)
            interrupted += status == "error" and errors[0].startswith("Interrupted before epoch")
        sizes.append(float(kernel.run("print(memory())")[1]))
    kernel.close()
    assert interrupted > 150  # the others struck before the loop had begun
    assert sizes[-1] - sizes[9] < 20, sizes
    files = {path.name: path.stat().st_size for path in (tmp_path / "mine/in-progress").iterdir()}
    assert set(files) >= {f"{name}.pt" for name, _, _ in models} and max(files.values()) < 500_000
    assert len(files) <= 4  # the last training's name is there, too, until its kernel has ended
