"""Training that can be interrupted, looked at and resumed exactly. Knows no model.

    batches = enumerate_cycle((images, labels), batch_size=100)    # one cell
    optimizer = optim.Adam(model.parameters())

    with Interruptable() as check_interrupted:                     # the next cell: interrupt it, look around, run it again
        for (epoch, batch_num), (x, y) in batches:
            check_interrupted()
            ...

The model is then bit-identical to that of an uninterrupted run (same machine, torch version and thread count; on a CPU),
whatever random numbers were drawn in between. To keep the optimiser's state too, create it outside the training cell, as
above, or hand it to `probnn.resuming.resume`, which also carries everything over to another process.
"""

from __future__ import annotations

import signal
import threading
from typing import Callable

import torch  # noqa: F401 (for the examples)

from probnn.batches import Batches
from probnn.cycles import Cycle, here


class Interrupted(KeyboardInterrupt):
    """Training stopped between two steps. Shown as one line in Jupyter, where it keeps queued cells from running."""

    def _render_traceback_(self) -> list[str]:  # IPython's protocol
        return [str(self)]


class Interruptable:
    """Turns Kernel > Interrupt, or Ctrl-C, into a clean stop at the next call of the check that `with` hands out.

    Further interrupts before that call change nothing. The check raises `Interrupted` after giving the batches drawn since
    the last check back to their cycles, so call it first in the loop's body; a `while` loop without a cycle may call it
    anywhere. Outside the main thread, where Python delivers no signals, the check never fires.

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
        here.drawn.clear()
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
        drawn = list(here.drawn)
        here.drawn.clear()
        if not self._requested:
            return
        for cycle in drawn:
            cycle.give_back()
        message = "".join(f" before epoch {cycle.epoch}, batch {cycle.batch_num}" for cycle in drawn[:1])
        message = f"Interrupted{message}. Run this cell again to go on from there."
        try:
            for cycle in drawn:
                cycle.write()
        except Exception as error:  # the state in memory is intact
            message += f" It was NOT saved to the checkpoint: {error}"
        raise Interrupted(message)


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
