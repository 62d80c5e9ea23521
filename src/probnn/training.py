"""Training that can be interrupted, looked at and resumed exactly. Knows no model.

    batches = enumerate_cycle((images, labels), batch_size=100)    # one cell
    optimizer = optim.Adam(model.parameters())

    with Interruptable() as check_interrupted:                     # the next cell: interrupt it, look around, run it again
        for (epoch, batch_num), (x, y) in batches:
            check_interrupted()
            ...

The model is then bit-identical to that of an uninterrupted run (same machine, torch version and thread count; on a CPU),
whatever random numbers were drawn in between. To keep the optimiser's state too, create it outside the training cell, as
above, or hand it to `probnn.checkpoints.resume`, which also carries everything over to another process.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any, Callable, Iterator

import torch

from probnn.batches import Batches
from probnn.random_streams import random_state, set_random_state

_loops = threading.local()  # .open: the cycles whose loops are running in this thread, outermost first


class Interrupted(KeyboardInterrupt):
    """Training stopped between two steps. Shown as one line in Jupyter, where it keeps queued cells from running."""

    def _render_traceback_(self) -> list[str]:  # IPython's protocol
        return [str(self)]


class Interruptable:
    """Turns Kernel > Interrupt, or Ctrl-C, into a clean stop at the next call of the check that `with` hands out.

    Further interrupts before that call change nothing. The check raises `Interrupted` after giving the batch just drawn
    back to its cycle, so call it first in the loop's body; a `while` loop without a cycle may call it anywhere. Outside the
    main thread, where Python delivers no signals, the check never fires.

    Source:
        Cambridge coursework, appendix; its own helper loses the batch drawn at the interrupt.

    Example:
        >>> with Interruptable() as check_interrupted:
        ...     for (epoch, batch_num), x in enumerate_cycle(["a", "b"], shuffle=False, epochs=1):
        ...         check_interrupted()
        ...         print(epoch, batch_num, x)
        0 0 a
        0 1 b
    """

    def __enter__(self) -> Callable[[], None]:
        self._requested = False
        self._in_main_thread = threading.current_thread() is threading.main_thread()
        if self._in_main_thread:
            self._previous = signal.signal(signal.SIGINT, self._request)
        return self._check_interrupted

    def __exit__(self, exception, *_) -> None:
        if self._in_main_thread:
            signal.signal(signal.SIGINT, self._previous or signal.SIG_DFL)
        if self._requested and exception is None:  # asked for during the last step
            raise Interrupted("Interrupted at the end of the loop.")

    def _request(self, signum, frame) -> None:
        self._requested = True

    def _check_interrupted(self) -> None:
        if not self._requested:
            return
        where = ""
        for cycle in getattr(_loops, "open", []):
            cycle.give_back()
            where = f" before epoch {cycle.epoch}, batch {cycle.batch_num}"
        raise Interrupted(f"Interrupted{where}. Run this cell again to go on from there.")


def enumerate_cycle(g, shuffle: bool = True, epochs: int | None = None, batch_size: int | None = None, seed: int | None = None) -> Cycle:
    """Cycles over batches, yielding ((epoch, batch_num), batch), both counted from 0.

    A loop over the result that was left, by an interrupt, a break or an error, is taken up by the next loop where it was,
    with the random streams as they were. A finished cycle's loop falls straight through; raise `.epochs` to go on.

    Args:
        g: a list of batches; or a DataLoader, whose own shuffling and workers are kept; or, with `batch_size`, a tensor, a
            tuple of tensors or a TensorDataset to cut into batches. Full-batch training is a list of one batch.
        shuffle: permute the order anew each epoch: of the batches, or of the data where `batch_size` is given.
        epochs: how often to go through g; for ever by default.
        batch_size: data per batch; the last batch of an epoch may be smaller.
        seed: of the permutations; drawn from torch's random stream when the first loop starts, by default.

    Returns:
        A Cycle.

    Raises:
        ValueError: if g is empty, of unequal lengths, or not one of the above.

    Source:
        Cambridge coursework, appendix.

    Example:
        >>> for (epoch, batch_num), x in enumerate_cycle(torch.arange(5), shuffle=False, epochs=1, batch_size=2):
        ...     print(epoch, batch_num, x)
        0 0 tensor([0, 1])
        0 1 tensor([2, 3])
        0 2 tensor([4])
    """
    return Cycle(Batches.of(g, batch_size), shuffle, epochs, seed)


class Cycle:
    """What `enumerate_cycle` returns: an iterable with a position, which survives interrupts, and processes by `state_dict`.

    Attributes:
        epoch, batch_num: of the batch to be drawn next.
        epochs: after how many the loop ends, or None.
        steps: batches drawn so far.
        save: called every `save_every` seconds between steps, at an interrupt and at the end; set by `checkpoints.resume`,
            with `parts`, what it keeps.
    """

    def __init__(self, source: Batches, shuffle: bool, epochs: int | None, seed: int | None):
        self.epoch = self.batch_num = 0
        self.epochs = epochs
        self.save: Callable[[], None] | None = None
        self.parts: dict[str, Any] = {}
        self.save_every = 20.0
        self._source, self._shuffle, self._seed = source, shuffle, seed
        self._cut_short = int(os.environ.get("PROBNN_CUT_SHORT", 0))  # tests end every training loop after so many steps
        self._generator: torch.Generator | None = None  # of the permutations
        self._order = None  # of this epoch; None until it is drawn
        self._batches: Iterator | None = None  # the rest of this epoch
        self._left: dict | None = None  # the random streams when the loop was last left
        self._before: tuple = ()  # where to go back to when the batch just drawn is given back
        self._loop: object | None = None  # identifies the running loop
        self._saved_at, self._unsaved = time.monotonic(), False

    @property
    def steps(self) -> int:
        return self.epoch * len(self._source) + self.batch_num

    @property
    def total_steps(self) -> int | None:
        return None if self.epochs is None else self.epochs * len(self._source)

    @property
    def finished(self) -> bool:
        """Whether all epochs are done."""
        return self.epochs is not None and self.epoch >= self.epochs

    def __iter__(self) -> Iterator[tuple[tuple[int, int], Any]]:
        self._loop = this_loop = object()
        if not hasattr(_loops, "open"):
            _loops.open = []
        _loops.open.append(self)
        try:
            while not self.finished and not 0 < self._cut_short <= self.steps:
                yield self._draw()
            if self._unsaved:
                self._save()
        finally:  # the loop is over, or was left at the yield
            _loops.open.remove(self)
            if self._loop is this_loop:
                self._loop = self._batches = None
                self._left = self._left or random_state()

    def __next__(self) -> tuple[tuple[int, int], Any]:
        if self._loop is not None:  # inside a loop over this very cycle
            return self._draw()
        for drawn in self:
            return drawn
        raise StopIteration

    def _draw(self) -> tuple[tuple[int, int], Any]:
        if self._left is not None:
            set_random_state(self._left)
            self._left = None
        if self._unsaved and time.monotonic() - self._saved_at >= self.save_every:
            self._save()
        if self._generator is None:
            seed = torch.randint(2**62, ()).item() if self._seed is None else self._seed
            self._generator = torch.Generator().manual_seed(seed)
        if self._order is None:
            self._order = self._source.draw_order(self._generator if self._shuffle else None)
        if self._batches is None:
            self._batches = self._source.batches(self._order, self.batch_num)
        self._before = self.epoch, self.batch_num, self._order, random_state()
        batch = next(self._batches)
        position = self.epoch, self.batch_num
        self.batch_num += 1
        if self.batch_num == len(self._source):
            self.epoch, self.batch_num, self._order, self._batches = self.epoch + 1, 0, None, None
        self._unsaved = True
        return position, batch

    def give_back(self) -> None:
        """Undoes the last draw, also in the random streams, and saves; the next loop draws that batch again."""
        self.epoch, self.batch_num, self._order, self._left = self._before
        self._batches = None
        self._save()

    def _save(self) -> None:
        if self.save is not None:
            self.save()
            self._saved_at, self._unsaved = time.monotonic(), False

    def state_dict(self) -> dict:
        """Position, this epoch's order, and random streams: of now inside a loop, of when the loop was left outside."""
        return {
            "epoch": self.epoch,
            "batch_num": self.batch_num,
            "batches_per_epoch": len(self._source),
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
        if state["batches_per_epoch"] != len(self._source):
            raise ValueError(f"expected a position among {len(self._source)} batches per epoch, got one among {state['batches_per_epoch']}")
        self.epoch, self.batch_num, self._order = state["epoch"], state["batch_num"], state.get("order")
        self._batches = None
        self._saved_at, self._unsaved = time.monotonic(), False
        if state.get("generator") is not None:
            self._generator = torch.Generator()
            self._generator.set_state(state["generator"])
        if state.get("source") is not None:
            self._source.load_state_dict(state["source"])
        if state.get("random") is not None:
            self._left = state["random"]
