"""The cycle over batches: a position, with its random streams, that survives interrupts."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from typing import Any

import torch
from torch.optim import Optimizer

from probnn.runtime.random_streams import random_state, set_random_state
from probnn.runtime.tuning import settle_elementary_functions
from probnn.training.batches import Batches
from probnn.training.keeping import TrainingFile
from probnn.training.optimizers import SteppingOptimizers, watch_steps

__all__ = ["Cycle", "enumerate_cycle", "take_drawn"]


class _Here(threading.local):
    """What is going on in this thread."""

    def __init__(self) -> None:
        self.loops: list[Cycle] = []  # the cycles whose loops are running, outermost first
        # the cycles that a batch was drawn from since the last check, in order
        self.drawn: weakref.WeakKeyDictionary[Cycle, bool] = weakref.WeakKeyDictionary()


_here = _Here()


def take_drawn() -> list[Cycle]:
    """The cycles that a batch was drawn from in this thread since the last call, in order."""
    drawn = list(_here.drawn)
    _here.drawn.clear()
    return drawn


def _notice(optimizer: Optimizer) -> None:
    """Tells the cycles whose loops are running that an optimiser steps in their bodies."""
    for cycle in _here.loops:
        cycle._optimizers.notice(optimizer, cycle.steps, cycle._tell)


class Cycle:
    """What `enumerate_cycle` returns: an iterable whose position survives, in files, too.

    Attributes:
        epoch, batch_num: of the batch to be drawn next.
        epochs: after how many the loop ends, or None.
        file: what keeps the training on disk, if `resume` was called: written every so many seconds
            between steps, at an interrupt and at the end.
    """

    def __init__(
        self, source: Batches, shuffle: bool, epochs: int | None, seed: int | None
    ) -> None:
        self.epoch = self.batch_num = 0
        self.epochs = epochs
        self.file: TrainingFile | None = None
        self._source, self._shuffle, self._seed = source, shuffle, seed
        self._optimizers = SteppingOptimizers()
        self._generator: torch.Generator | None = None  # of the permutations
        self._order: Any = None  # of this epoch; None until it is drawn
        self._batches: Iterator[Any] | None = None  # the rest of this epoch
        self._left: dict[str, Any] | None = None  # the random streams when the loop was last left
        self._before: tuple[Any, ...] = ()  # to go back to when the batch just drawn is given back
        self._unsaved = False

    @property
    def steps(self) -> int:
        """Batches drawn so far."""
        return self.epoch * len(self._source) + self.batch_num

    @property
    def batches_per_epoch(self) -> int:
        """Steps of one epoch."""
        return len(self._source)

    @property
    def total_steps(self) -> int | None:
        """Steps of all epochs; None if the cycle has no end."""
        return None if self.epochs is None else self.epochs * len(self._source)

    @property
    def finished(self) -> bool:
        """Whether all epochs are done."""
        return self.epochs is not None and self.epoch >= self.epochs

    def __iter__(self) -> Iterator[tuple[tuple[int, int], Any]]:
        open_loops = _here.loops  # a loop may be ended by another thread than began it
        open_loops.append(self)
        watch_steps(_notice)
        try:
            while (drawn := next(self, None)) is not None:
                yield drawn
            # a loop that has ended has nothing to give back, unlike the one around it
            _here.drawn.pop(self, None)
        finally:  # the loop is over, or was left at the yield
            self._optimizers.keep()
            open_loops.remove(self)
            if not open_loops:  # a loop inside another leaves the random streams to that one
                self._left = self._left or random_state()

    def __next__(self) -> tuple[tuple[int, int], Any]:
        """Draws one batch, without a loop: streams are put back only after an interrupt or load."""
        if self.finished:
            if self._unsaved:
                self.write()
            raise StopIteration
        return self._draw()

    def _draw(self) -> tuple[tuple[int, int], Any]:
        settle_elementary_functions()
        if self._left is not None:
            set_random_state(self._left)
            self._left = None
        if self._unsaved and self.file and self.file.write_if_due(self):
            self._unsaved = False
        if self._generator is None:
            seed = int(torch.randint(2**62, ())) if self._seed is None else self._seed
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
                raise ValueError(
                    f"expected {len(self._source)} batches in an epoch, got {self.batch_num}"
                ) from None
            raise
        _here.drawn[self] = True
        position = self.epoch, self.batch_num
        self.batch_num += 1
        if self.batch_num == len(self._source):
            self.epoch, self.batch_num, self._order, self._batches = self.epoch + 1, 0, None, None
        self._unsaved = True
        return position, batch

    def give_back(self) -> None:
        """Undoes the last draw, also in the random streams: the next loop draws it again."""
        self.epoch, self.batch_num, self._order, self._left = self._before
        self._batches = None

    def keep_in(self, file: TrainingFile) -> None:
        """Has the training kept in this file from now on."""
        self.file = file

    def write(self) -> None:
        """Writes the training's file now, if there is one."""
        if self.file is not None:
            self.file.write(batches=self)
            self._unsaved = False

    def _tell(self, what: str) -> None:
        epoch, batch_num, *_ = self._before
        print(f"Goes on at epoch {epoch}, batch {batch_num}: {what}.")

    def state_dict(self) -> dict[str, Any]:
        """Position, this epoch's order, random streams (outside a loop: of when it was left)."""
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

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up the position of `state_dict()`.

        One stripped to epoch and batch_num continues, but not bit for bit.

        Raises:
            ValueError: if it comes from a cycle with another number of batches.
        """
        expected = len(self._source), self._source.size
        got = state["batches_per_epoch"], state["data"]
        if expected != got:
            raise ValueError(
                f"expected a position among {expected[0]} batches of {expected[1]} data, "
                f"got one among {got[0]} of {got[1]}"
            )
        self.epoch, self.batch_num = state["epoch"], state["batch_num"]
        self._order = state.get("order")
        self._batches = None
        self._unsaved = False
        self._generator = None
        if state.get("generator") is not None:
            self._generator = torch.Generator()
            self._generator.set_state(state["generator"])
        if state.get("source") is not None:
            self._source.load_state_dict(state["source"])
        if state.get("random") is not None:
            self._left = state["random"]


def enumerate_cycle(
    g: Any,
    shuffle: bool = True,
    epochs: int | None = None,
    batch_size: int | None = None,
    seed: int | None = None,
) -> Cycle:
    """Cycles over batches, yielding ((epoch, batch_num), batch), both counted from 0.

    A loop over the result that was left, by an interrupt, a break or an error, is taken up by the
    next loop where it was, with the random streams as they were. A finished cycle's loop falls
    straight through; raise `.epochs` to go on.

    Args:
        g: a list of batches; or a DataLoader, whose own shuffling and workers are kept; or, with
            `batch_size`, a tensor, a tuple of tensors or a TensorDataset to cut into batches.
            Full-batch training is a list of one batch.
        shuffle: permute the order anew each epoch: of the batches, or of the data where
            `batch_size` is given.
        epochs: how often to go through g; for ever by default.
        batch_size: data per batch; the last batch of an epoch may be smaller.
        seed: of the permutations; by default drawn from torch's stream when the first loop starts.

    Returns:
        A Cycle.

    Raises:
        ValueError: if g is empty, of unequal lengths, or not one of the above.

    Source:
        Cambridge coursework, appendix.

    Example:
        >>> batches = enumerate_cycle(torch.arange(5), shuffle=False, epochs=1, batch_size=2)
        >>> for (epoch, batch_num), x in batches:
        ...     print(epoch, batch_num, x)
        0 0 tensor([0, 1])
        0 1 tensor([2, 3])
        0 2 tensor([4])
    """
    return Cycle(Batches.of(g, batch_size), shuffle, epochs, seed)
