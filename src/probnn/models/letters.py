"""Names as rows of letters 1 to 26.

Each closes with END = 0; what follows END is padding, END again, and counts for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from probnn.runtime.devices import to_default_device

__all__ = ["END", "LETTERS", "check_names", "counted", "decode_names", "encode_names"]

END = 0
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def encode_names(names: Sequence[str]) -> Tensor:
    """Names as rows of letters 1 to 26, each closed by END = 0 and padded with it.

    Returns:
        (B, T) int64, T = length of the longest name + 1.

    Raises:
        ValueError: for an empty name, or one with other characters than A to Z; it names the first
            such.

    Example:
        >>> encode_names(["ABE", "DO"])
        tensor([[ 1,  2,  5,  0],
                [ 4, 15,  0,  0]])
    """
    if isinstance(names, str) or len(names) == 0:
        raise ValueError(f"expected a list of names, got {names!r}")
    for name in names:
        if not name:
            raise ValueError("expected names of one letter or more, got an empty one")
        foreign = sorted(set(name) - set(LETTERS))
        if foreign:
            raise ValueError(
                f"expected letters A to Z, got {name!r} with {', '.join(map(repr, foreign))}: "
                "write it in capitals, without accents, spaces and signs"
            )
    rows = [
        torch.tensor([1 + LETTERS.index(letter) for letter in name] + [END], device="cpu")
        for name in names
    ]
    return to_default_device(pad_sequence(rows, batch_first=True, padding_value=END))


def decode_names(x: Tensor) -> list[str]:
    """The names of rows of letters (B, T), each read up to its END.

    Example:
        >>> decode_names(torch.tensor([[1, 2, 5, 0], [4, 15, 0, 0]]))
        ['ABE', 'DO']
    """
    return [
        "".join(LETTERS[letter - 1] for letter in takewhile(END.__ne__, row)) for row in x.tolist()
    ]


def counted(x: Tensor) -> Tensor:
    """Which entries of names (B, T) count: the letters and the first END, not the padding.

    Returns:
        (B, T) bool.

    Example:
        >>> counted(encode_names(["ABE", "DO"])).sum(1)  # letters + 1
        tensor([4, 3])
    """
    return torch.cat([torch.ones_like(x[:, :1], dtype=torch.bool), x[:, :-1] != END], dim=1)


def check_names(x: Tensor, letters: int = 26) -> None:
    """Raises ValueError unless x is a batch of names (B, T), each closed by END and padded with it.

    Example:
        >>> check_names(torch.tensor([[1, 2]]))  # doctest: +NORMALIZE_WHITESPACE
        Traceback (most recent call last):
        ValueError: expected names that close with END = 0, got one that does not:
            make them with encode_names
    """
    if x.ndim != 2 or x.dtype != torch.int64:
        raise ValueError(
            f"expected names as int64 of shape (B, T), got {x.dtype} of shape {tuple(x.shape)}: "
            "make them with encode_names"
        )
    if (x[:, -1] != END).any():
        raise ValueError(
            "expected names that close with END = 0, got one that does not: "
            "make them with encode_names"
        )
    if ((x[:, :-1] == END) & (x[:, 1:] != END)).any() or x.min() < 0 or x.max() > letters:
        raise ValueError(
            f"expected letters 1 to {letters} up to the first END = 0, "
            "got others or letters after it: make them with encode_names"
        )
