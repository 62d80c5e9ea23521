"""Training that is interrupted between two steps, and goes on from there. Knows no model.

    batches = enumerate_cycle((images, labels), batch_size=100)    # one cell

    optimizer = optim.Adam(model.parameters())                     # the next cell: interrupt it,
    with Interruptable() as check_interrupted:                     # look around, run it again
        for (epoch, batch_num), (x, y) in batches:
            check_interrupted()
            ...

The model is then bit-identical to that of an uninterrupted run (same machine, torch version and
thread count; on a CPU), whatever random numbers were drawn in between, and although the second cell
makes its optimiser anew: that takes up the moments of the one before it. `resume` carries all over
to another process.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from probnn.training.cycles import take_drawn

__all__ = ["Interruptable", "Interrupted"]


class Interrupted(KeyboardInterrupt):
    """Training stopped between two steps.

    In Jupyter it is one line, and keeps queued cells from running.
    """

    def _render_traceback_(self) -> list[str]:  # IPython's protocol
        return [str(self)]


class Interruptable:
    """Turns Kernel > Interrupt, or Ctrl-C, into a clean stop between two steps.

    Training stops at the next call of the check that `with` gives; further interrupts before that
    call change nothing. The check raises `Interrupted` after giving the batches drawn since the
    last check back to their cycles, so call it first in the loop's body; a `while` loop without a
    cycle may call it anywhere. Outside the main thread, where Python delivers no signals, the check
    never fires.

    Source:
        Cambridge coursework, appendix; its own helper loses the batch drawn at the interrupt.

    Example:
        >>> from probnn.training import enumerate_cycle
        >>> with Interruptable() as check_interrupted:
        ...     for (epoch, batch_num), x in enumerate_cycle(["a", "b"], shuffle=False, epochs=1):
        ...         check_interrupted()
        ...         print(epoch, batch_num, x)
        0 0 a
        0 1 b
    """

    def __enter__(self) -> Callable[[], None]:
        self._requested = False
        take_drawn()  # of loops before
        self._in_main_thread = threading.current_thread() is threading.main_thread()
        if self._in_main_thread:
            self._previous = signal.signal(signal.SIGINT, self._request)
        return self._check_interrupted

    def __exit__(self, exception: type[BaseException] | None, *_: Any) -> None:
        if self._in_main_thread:
            signal.signal(signal.SIGINT, self._previous or signal.SIG_DFL)
        if self._requested and exception is None:  # asked for during the last step
            raise Interrupted("Interrupted at the end of the loop.")

    def _request(self, signum: int, frame: FrameType | None) -> None:
        self._requested = True

    def _check_interrupted(self) -> None:
        drawn = take_drawn()
        if not self._requested:
            return
        for cycle in drawn:
            cycle.give_back()
        where = "".join(f" before epoch {c.epoch}, batch {c.batch_num}" for c in drawn[:1])
        message = f"Interrupted{where}. Run this cell again to go on from there."
        try:
            for cycle in drawn:
                cycle.write()
        except Exception as error:  # the state in memory is intact
            message += f" It was NOT saved to the checkpoint: {error}"
        raise Interrupted(message)
