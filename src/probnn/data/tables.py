"""The tables: 31 points read off a drawing, and the surnames of a census."""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from probnn.data.files import verified

__all__ = ["Surnames", "load_surnames", "load_xkcd"]


class Surnames(NamedTuple):
    """Surnames in capitals, and for each the percentage (N,) of people who bear it.

    It is 0 where fewer than one in 200,000 do.
    """

    names: list[str]
    percent: Tensor


def load_xkcd() -> tuple[Tensor, Tensor]:
    """The 31 points of the regression question, x and y, each (31, 1) float32.

    Source:
        R. Munroe, xkcd 2048 "Curve-Fitting", read off the drawing (CC BY-NC 2.5).

    Example:
        >>> x, y = load_xkcd()
        >>> x.shape, y.shape
        (torch.Size([31, 1]), torch.Size([31, 1]))
    """
    table = pd.read_csv(io.BytesIO(verified("xkcd.csv")))
    x, y = (torch.tensor(table[[name]].to_numpy(), dtype=torch.float32) for name in ("x", "y"))
    return x, y


def load_surnames(part: str) -> Surnames:
    """A part of the 88,799 surnames of the US Census of 1990.

    Every name once, whatever its frequency.

    Args:
        part: "all", or one of a fixed random split by name: "fit" (75,000), "held_out" (5,000) to
            choose with, "test" (8,799) to report.

    Source:
        US Census Bureau, file dist.all.last (public domain).

    Example:
        >>> names, percent = load_surnames("test")
        >>> len(names), names[:3]
        (8799, ['HUEBSCH', 'FANDEL', 'GASTONGUAY'])
    """
    parts = {
        "all": slice(None),
        "fit": slice(13_799, None),
        "held_out": slice(8_799, 13_799),
        "test": slice(8_799),
    }
    if part not in parts:
        raise ValueError(f"expected part {', '.join(map(repr, parts))}, got {part!r}")
    content = io.BytesIO(verified("surnames.csv.gz"))
    table = pd.read_csv(content, keep_default_na=False)  # NULL is a surname
    if part != "all":
        table = table.iloc[np.random.RandomState(0).permutation(len(table))[parts[part]]]
    percent = torch.tensor(table["percent"].to_numpy(), dtype=torch.float32)
    return Surnames(table["name"].tolist(), percent)
