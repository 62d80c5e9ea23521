"""What each letter of a name costs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

__all__ = ["letter_costs"]

END = "·"


def letter_costs(ax: Axes, names: Sequence[str], costs: Tensor, top: float = 9.0) -> Axes:
    """Names, one a row, each letter on the colour of its cost: dark is cheap, bright is dear.

    The END of a name is drawn as a dot, and what the whole name costs stands before it, as log p.

    Args:
        ax: where to draw; its image is `ax.images[0]`, for a colour bar.
        names: N of them.
        costs: (N, T) nats, of each letter and then of the END; what follows is not drawn.
        top: nats from which on the colour stays the same.

    Returns:
        The axes.

    Example:
        >>> from matplotlib import pyplot as plt
        >>> ax = letter_costs(plt.figure().gca(), ["ABE", "DO"], torch.ones(2, 4))
        >>> [text.get_text() for text in ax.texts], [t.get_text() for t in ax.get_yticklabels()]
        (['A', 'B', 'E', '·', 'D', 'O', '·'], ['-4.0', '-3.0'])
    """
    values = torch.as_tensor(costs).detach().cpu().numpy()
    drawn = np.full((len(names), 1 + max(map(len, names))), np.nan)
    for row, name in enumerate(names):
        for column, letter in enumerate(name + END):
            cost = drawn[row, column] = values[row, column]
            colour = "white" if cost < 0.55 * top else "black"
            ax.text(column, row, letter, ha="center", va="center", color=colour, fontsize=9)
    ax.imshow(np.ma.masked_invalid(drawn), cmap="cividis", vmin=0, vmax=top, aspect="auto")
    ax.set_yticks(range(len(names)), [f"{-np.nansum(row):.1f}" for row in drawn])
    ax.set(xticks=[], ylabel="log p(name), nats")
    ax.spines[:].set_visible(False)
    ax.grid(False)
    return ax
