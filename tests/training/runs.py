"""A short training that can be interrupted before any step, for the tests of this folder."""

import json
import os
import random
import signal
import socket
from dataclasses import asdict
from functools import cache

import numpy as np
import psutil
import torch
from torch import nn, optim
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler

from probnn.training import Interruptable, Interrupted, enumerate_cycle
from probnn.training.claims import Owner, began

DATA = torch.arange(21.0).reshape(7, 3)  # batches of 2: the last one is smaller
STEPS = 8


class Augmented(Dataset):
    """A data set whose items depend on all three random streams, as augmentations do."""

    def __len__(self):
        return len(DATA)

    def __getitem__(self, i):
        return DATA[i] + torch.rand(3) + np.random.rand() + random.random()


def own_batch_sampler():
    sampler = RandomSampler(DATA, generator=torch.Generator().manual_seed(6))
    return DataLoader(DATA, batch_sampler=BatchSampler(sampler, 2, drop_last=False))


def own_generator():
    generator = torch.Generator().manual_seed(5)
    return DataLoader(DATA, batch_size=2, shuffle=True, generator=generator)


SOURCES = {
    "list": lambda: enumerate_cycle(list(DATA.split(2)), epochs=2),
    "unshuffled list": lambda: enumerate_cycle(list(DATA.split(2)), shuffle=False, epochs=2),
    "tensor": lambda: enumerate_cycle(DATA, batch_size=2, epochs=2),
    "one batch": lambda: enumerate_cycle([DATA], epochs=8),
    "DataLoader": lambda: enumerate_cycle(
        DataLoader(DATA, batch_size=2, shuffle=True), shuffle=False, epochs=2
    ),
    "DataLoader, permuted": lambda: enumerate_cycle(
        DataLoader(DATA, batch_size=2), shuffle=True, epochs=2
    ),
    "DataLoader, augmented": lambda: enumerate_cycle(
        DataLoader(Augmented(), batch_size=2, shuffle=True), epochs=2
    ),
    "DataLoader, own batch sampler": lambda: enumerate_cycle(own_batch_sampler(), epochs=2),
    "DataLoader, own generator": lambda: enumerate_cycle(own_generator(), epochs=2),
}


def new_adam(parameters):
    return optim.Adam(parameters, lr=0.1)


class Run:
    """A training that draws from every random stream, and can be interrupted at given steps."""

    def __init__(self, source, new_optimizer=new_adam):
        seed_everything()
        self.model = nn.Linear(3, 1)
        self.new_optimizer = new_optimizer
        self.optimizer = new_optimizer(self.model.parameters())
        self.history = []
        self.batches = SOURCES[source]()

    def parts(self):
        """What `resume` is given."""
        own = ("model", "optimizer", "batches", "history")
        return {name: getattr(self, name) for name in own}

    def train(self, interrupt_at=None, inside_step=False):
        """One run of the training cell; the interrupt comes after drawing, or inside the step."""
        with Interruptable() as check_interrupted:
            for position, x in self.batches:
                interrupted = len(self.history) == interrupt_at
                if interrupted and not inside_step:
                    signal.raise_signal(signal.SIGINT)
                check_interrupted()
                self.step(position, x, interrupted=interrupted and inside_step)

    def step(self, position, x, interrupted=False):
        noise = torch.randn(1) + np.random.randn() + random.gauss(0, 1)
        loss = ((self.model(x / 10) - noise) ** 2).mean()
        self.optimizer.zero_grad()
        loss.backward()
        if interrupted:
            signal.raise_signal(signal.SIGINT)
        self.optimizer.step()
        self.history.append((*position, x.sum().item(), loss.item()))

    def train_to_the_end(self, interrupts=(), inside_step=False):
        for step in interrupts:
            try:
                self.train(step, inside_step)
            except Interrupted:
                pass
            inspect()
        self.train()
        return self

    def state(self):
        slots = self.optimizer.state.values()
        moments = [value for slot in slots for value in slot.values()]
        return [*self.model.parameters(), *moments], self.history

    def __eq__(self, other):
        (mine, my_history), (theirs, their_history) = self.state(), other.state()
        alike = my_history == their_history and len(mine) == len(theirs)
        return alike and all(map(torch.equal, mine, theirs))


def owned(path, **who):
    """Has the parent of this process, which lives, train into a file; says what it is called."""
    parent = psutil.Process(os.getppid())
    owner = Owner("abc", parent.pid, began(parent), socket.gethostname(), "")
    path.parent.mkdir(exist_ok=True)
    path.with_name(path.name + ".owner").write_text(json.dumps({**asdict(owner), **who}))
    return f"process {parent.pid} on {owner.host}"


def seed_everything():
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


def inspect():
    """What a reader does between interrupt and resume."""
    torch.randn(11)
    np.random.rand(3)
    random.random()


@cache
def uninterrupted(source):
    run = Run(source).train_to_the_end()
    assert len(run.history) == STEPS
    return run
