"""What one sees while training: a bar with the current bound, a figure that refreshes in place."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from matplotlib.figure import Figure

from probnn.runtime.random_streams import preserved_random_state
from probnn.runtime.settings import is_headless
from probnn.training.cycles import Cycle

__all__ = ["has_reader", "progress"]


def progress(
    batches: Cycle,
    history: Sequence[float] = (),
    draw: Callable[[], Figure] | None = None,
    every: float = 5.0,
    window: int = 100,
    name: str = "bound",
    unit: str = "nats",
) -> Iterator[tuple[tuple[int, int], Any]]:
    """Loops over the cycle and shows how far it is.

    The loop stays interruptable and exactly resumable. Nothing is shown when nothing is left to do,
    and no figure when the notebook is executed without a reader (PROBNN_HEADLESS set, as the
    commands that execute all notebooks do).

    Args:
        batches: what `enumerate_cycle` returned.
        history: the bounds so far, in nats, or other values by the `name` and in the `unit`; the
            bar shows the mean of the last `window`.
        draw: makes the figure to refresh every `every` seconds; random numbers that it draws do not
            disturb training.

    Example:
        >>> from probnn.training import enumerate_cycle
        >>> cycle = enumerate_cycle(["batch"], epochs=0)
        >>> list(progress(cycle))  # finished: falls straight through
        []
    """
    bar, shown_at = None, time.monotonic()
    live = _LiveFigure(draw) if draw is not None and has_reader() else None
    try:
        for drawn in batches:
            bar = _bar(batches) if bar is None else bar
            yield drawn
            if history:
                recent = history[-window:]
                bar.set_postfix_str(f"{name} {sum(recent) / len(recent):.4g} {unit}", refresh=False)
            bar.update()
            if live and time.monotonic() - shown_at >= every:
                live.refresh()
                shown_at = time.monotonic()
    finally:
        if bar is not None:
            bar.close()
            if live:
                live.refresh()


def has_reader() -> bool:
    """Whether somebody sits before a notebook.

    There is a kernel, and the notebook is not executed by a command.
    """
    try:
        from IPython import get_ipython
    except ImportError:  # a package that is used outside of notebooks
        return False
    return hasattr(get_ipython(), "kernel") and not is_headless()


def _bar(batches: Cycle) -> Any:
    if is_headless():
        # plain text, which the commands that execute all notebooks pass on to the terminal
        from tqdm import tqdm
    else:
        from tqdm.auto import tqdm
    return tqdm(total=batches.total_steps, initial=batches.steps - 1, unit="step", mininterval=0.5)


class _LiveFigure:
    """One output of the running cell, whose figure is replaced."""

    def __init__(self, draw: Callable[[], Figure]) -> None:
        self._draw = draw
        self._handle: Any = None

    def refresh(self) -> None:
        import matplotlib.pyplot as plt
        from IPython.display import display

        with preserved_random_state():
            figure = self._draw()
        if self._handle is None:
            self._handle = display(figure, display_id=True)
        else:
            self._handle.update(figure)
        plt.close(figure)
