"""The loop in a real Jupyter kernel, interrupted as Kernel > Interrupt does it."""

import time

import pytest
from jupyter_client.manager import start_new_kernel

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
state = [*model.parameters(), *[t for s in optimizer.state.values() for t in s.values()], torch.tensor(history)]
print(len(history), hashlib.sha256(b"".join(t.detach().numpy().tobytes() for t in state)).hexdigest())
"""


class Kernel:
    def __init__(self):
        self.manager, self.client = start_new_kernel(kernel_name="python3")

    def run(self, code, interrupt_after=None, queue=()):
        """Runs a cell, interrupts it, and returns (status, what it printed, error lines) of it, and the status of queued cells."""
        first = self.client.execute(code)
        queued = [self.client.execute(c) for c in queue]
        if interrupt_after is not None:
            time.sleep(interrupt_after)
            self.manager.interrupt_kernel()
        printed, errors = "", []
        replies = {}
        while len(replies) < 1 + len(queued):
            reply = self.client.get_shell_msg(timeout=60)
            replies[reply["parent_header"]["msg_id"]] = reply["content"]["status"]
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") != first:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                printed += content["text"]
            elif kind == "error":
                errors += content["traceback"]
            elif kind == "status" and content["execution_state"] == "idle":
                return replies[first], printed, errors, [replies[q] for q in queued]

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
        status, printed, errors, queued = kernel.run(TRAIN, interrupt_after=delay, queue=["print('queued')"])
        if status == "error":
            interrupts += 1
            assert len(errors) == 1 and errors[0].startswith("Interrupted before epoch") and "\n" not in errors[0]
            assert printed == "" and queued == ["aborted"]
        assert kernel.run(INSPECT)[0] == "ok"
    assert kernel.run(TRAIN)[0] == "ok"
    _, interrupted, _, _ = kernel.run(FINGERPRINT)
    assert interrupts >= 2
    assert interrupted == alone and alone.startswith("600 ")


WORKERS = """
import torch
from torch.utils.data import DataLoader
from probnn import *
iter_data = enumerate_cycle(DataLoader(torch.arange(8000), batch_size=2, num_workers=2), shuffle=False, epochs=1)
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
    assert status == "error" and len(errors) == 1 and errors[0].startswith("Interrupted before epoch 0, batch"), (printed, errors)
    assert "KeyboardInterrupt" not in printed
    assert kernel.run(LOOP)[0] == "ok"
    assert kernel.run("print(seen == list(range(8000)))")[1] == "True\n"
