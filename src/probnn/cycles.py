"""The cycle over batches: a position that survives interrupts, errors and processes, with the random streams that belong to it."""

from __future__ import annotations

import os
import threading
import time
import weakref
from typing import Any, Callable, Iterator

import torch

from probnn.batches import Batches
from probnn.random_streams import random_state, set_random_state


class _Here(threading.local):
    """What is going on in this thread."""

    def __init__(self):
        self.loops: list[Cycle] = []  # the cycles whose loops are running, outermost first
        self.drawn = weakref.WeakKeyDictionary()  # the cycles that a batch was drawn from since the last check, in order


here = _Here()


class Cycle:
    """What `enumerate_cycle` returns: an iterable with a position, which survives interrupts, and processes by `state_dict`.

    Attributes:
        epoch, batch_num: of the batch to be drawn next.
        epochs: after how many the loop ends, or None.
        steps: batches drawn so far.
        save: called every `save_every` seconds between steps, at an interrupt and at the end; set by `resuming.resume`,
            with `parts`, what it keeps.
    """

    def __init__(self, source: Batches, shuffle: bool, epochs: int | None, seed: int | None):
        self.epoch = self.batch_num = 0
        self.epochs = epochs
        self.save: Callable[[], None] | None = None
        self.parts: dict[str, Any] = {}
        self.save_every = 20.0
        self._source, self._shuffle, self._seed = source, shuffle, seed
        self._cut_short = int(os.environ.get("PROBNN_CUT_SHORT") or 0)  # tests end every training loop after so many steps
        self._generator: torch.Generator | None = None  # of the permutations
        self._order = None  # of this epoch; None until it is drawn
        self._batches: Iterator | None = None  # the rest of this epoch
        self._left: dict | None = None  # the random streams when the loop was last left
        self._before: tuple = ()  # where to go back to when the batch just drawn is given back
        self._saved_at, self._unsaved = time.monotonic(), False

    @property
    def steps(self) -> int:
        return self.epoch * len(self._source) + self.batch_num

    @property
    def batches_per_epoch(self) -> int:
        """Steps of one epoch."""
        return len(self._source)

    @property
    def total_steps(self) -> int | None:
        return None if self.epochs is None else self.epochs * len(self._source)

    @property
    def finished(self) -> bool:
        """Whether all epochs are done."""
        return self.epochs is not None and self.epoch >= self.epochs

    def __iter__(self) -> Iterator[tuple[tuple[int, int], Any]]:
        open_loops = here.loops  # a loop may be ended by another thread than began it
        open_loops.append(self)
        try:
            while (drawn := next(self, None)) is not None:
                yield drawn
            here.drawn.pop(self, None)  # a loop that has ended has nothing to give back, unlike the one around it
        finally:  # the loop is over, or was left at the yield
            open_loops.remove(self)
            if not open_loops:  # a loop inside another leaves the random streams to that one
                self._left = self._left or random_state()

    def __next__(self) -> tuple[tuple[int, int], Any]:
        """Draws one batch, without a loop; random streams are put back only after an interrupt or a load."""
        if self.finished or 0 < self._cut_short <= self.steps:
            if self._unsaved:
                self.write()
            raise StopIteration
        return self._draw()

    def _draw(self) -> tuple[tuple[int, int], Any]:
        if self._left is not None:
            set_random_state(self._left)
            self._left = None
        if self._unsaved and time.monotonic() - self._saved_at >= self.save_every:
            self.write()
        if self._generator is None:
            seed = torch.randint(2**62, ()).item() if self._seed is None else self._seed
            self._generator = torch.Generator().manual_seed(seed)
        if self._order is None:
            self._order = self._source.draw_order(self._generator if self._shuffle else None)
        if self._batches is None:
            self._batches = self._source.batches(self._order, self.batch_num)
        self._before = self.epoch, self.batch_num, self._order, random_state()
        try:
            batch = next(self._batches)
        except BaseException as error:  # nothing was drawn
            self._batches, self._left = None, self._before[3]
            if isinstance(error, StopIteration):
                raise ValueError(f"expected {len(self._source)} batches in an epoch, got {self.batch_num}") from None
            raise
        here.drawn[self] = True
        position = self.epoch, self.batch_num
        self.batch_num += 1
        if self.batch_num == len(self._source):
            self.epoch, self.batch_num, self._order, self._batches = self.epoch + 1, 0, None, None
        self._unsaved = True
        return position, batch

    def give_back(self) -> None:
        """Undoes the last draw, also in the random streams; the next loop draws that batch again."""
        self.epoch, self.batch_num, self._order, self._left = self._before
        self._batches = None

    def write(self) -> None:
        """Calls `save` now, if there is one."""
        if self.save is not None:
            self.save()
            self._saved_at, self._unsaved = time.monotonic(), False

    def state_dict(self) -> dict:
        """Position, this epoch's order, and random streams: of now inside a loop, of when the loop was left outside."""
        return {
            "epoch": self.epoch,
            "batch_num": self.batch_num,
            "batches_per_epoch": len(self._source),
            "data": self._source.size,
            "finished": self.finished,
            "order": self._order,
            "generator": None if self._generator is None else self._generator.get_state(),
            "source": self._source.state_dict(),
            "random": self._left or random_state(),
        }

    def load_state_dict(self, state: dict) -> None:
        """Takes up the position of `state_dict()`; one stripped to epoch and batch_num continues, but not bit for bit.

        Raises:
            ValueError: if it comes from a cycle with another number of batches.
        """
        expected, got = (len(self._source), self._source.size), (state["batches_per_epoch"], state["data"])
        if expected != got:
            raise ValueError(f"expected a position among {expected[0]} batches of {expected[1]} data, got one among {got[0]} of {got[1]}")
        self.epoch, self.batch_num, self._order = state["epoch"], state["batch_num"], state.get("order")
        self._batches = None
        self._saved_at, self._unsaved = time.monotonic(), False
        self._generator = None
        if state.get("generator") is not None:
            self._generator = torch.Generator()
            self._generator.set_state(state["generator"])
        if state.get("source") is not None:
            self._source.load_state_dict(state["source"])
        if state.get("random") is not None:
            self._left = state["random"]
