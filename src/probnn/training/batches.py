"""Where batches come from: a list, tensors cut into pieces, or a DataLoader.

Each can start in the middle of an epoch.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from probnn.runtime.random_streams import preserved_random_state

__all__ = ["Batches", "LoaderBatches", "TensorBatches"]


class Batches:
    """Batches from anything with a length and an index; and the shape of all sources of batches."""

    @staticmethod
    def of(g: Any, batch_size: int | None = None) -> Batches:
        """The source of batches that g is: see `enumerate_cycle`.

        Example:
            >>> len(Batches.of(torch.zeros(5), batch_size=2))
            3
        """
        if isinstance(g, DataLoader):
            if batch_size is not None:
                raise ValueError(
                    "expected a DataLoader, which has a batch size of its own, without "
                    f"batch_size=, got batch_size={batch_size}"
                )
            source: Batches = LoaderBatches(g)
        elif batch_size is not None:
            source = TensorBatches(g, batch_size)
        else:
            source = Batches(g)
        if len(source) == 0:
            raise ValueError("expected at least one batch, got none")
        return source

    def __init__(self, batches: Any) -> None:
        has_index = hasattr(batches, "__len__") and hasattr(batches, "__getitem__")
        if not has_index or isinstance(batches, dict):
            raise ValueError(
                "expected a list of batches, a DataLoader, or tensors with batch_size=, "
                f"got {type(batches).__name__}"
            )
        self._items = batches

    def __len__(self) -> int:
        return len(self._items)

    @property
    def size(self) -> int:
        """Number of data, of which a position in an epoch counts the batches."""
        return len(self._items)

    def draw_order(self, generator: torch.Generator | None) -> Tensor | list[Any]:
        """The order of one epoch, permuted by the generator, or unchanged where that is None."""
        n = len(self._items)
        if generator is None:
            return torch.arange(n, device="cpu")
        return torch.randperm(n, generator=generator, device="cpu")

    def batches(self, order: Any, start: int) -> Iterator[Any]:
        """The batches of an epoch in this order, from number `start` on."""
        return (self._items[i] for i in order[start:].tolist())

    def state_dict(self) -> list[Tensor]:
        """States of the random generators that the source has of its own."""
        return []

    def load_state_dict(self, state: list[Tensor]) -> None:
        pass


class TensorBatches(Batches):
    """Batches cut from tensors of equal length, drawn by index."""

    def __init__(self, data: Any, batch_size: int) -> None:
        if isinstance(data, TensorDataset):
            data = data.tensors
        self._bare = isinstance(data, Tensor)
        tensors = (data,) if self._bare else data
        if not (isinstance(tensors, tuple) and all(isinstance(t, Tensor) for t in tensors)):
            raise ValueError(
                "expected a tensor, a tuple of tensors or a TensorDataset with batch_size=, "
                f"got {type(data).__name__}: put a DataLoader around it"
            )
        lengths = [len(t) for t in tensors]
        if len(set(lengths)) != 1:
            raise ValueError(
                f"expected tensors of one length to go with batch_size=, got {lengths}"
            )
        if batch_size < 1:
            raise ValueError(f"expected batch_size >= 1, got {batch_size}")
        self._tensors, self._items, self._batch_size = tensors, tensors[0], batch_size

    def __len__(self) -> int:
        return -(-len(self._items) // self._batch_size)

    def batches(self, order: Tensor, start: int) -> Iterator[Any]:
        for chosen in order.split(self._batch_size)[start:]:
            yield self._items[chosen] if self._bare else tuple(t[chosen] for t in self._tensors)


class LoaderBatches(Batches):
    """Batches of a DataLoader, taken up within an epoch without reading what came before."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        if loader.batch_sampler is None or isinstance(loader.dataset, IterableDataset):
            raise ValueError(
                "expected a DataLoader with a batch_size over a data set with an index, "
                "got one without"
            )
        self._loader, self._batch_sampler = loader, loader.batch_sampler
        inner = getattr(loader.batch_sampler, "sampler", None)
        holders = (loader, loader.sampler, loader.batch_sampler, inner)
        generators = [getattr(holder, "generator", None) for holder in holders]
        self._generators = list(dict.fromkeys(g for g in generators if g is not None))

    def __len__(self) -> int:
        return len(self._loader)

    @property
    def size(self) -> int:
        return len(self._loader.dataset)  # type: ignore[arg-type]  # what has an index has a length

    def draw_order(self, generator: torch.Generator | None) -> list[Any]:
        with torch.device("cpu"):  # where samplers' generators are, whatever the default device
            order: list[Any] = list(self._batch_sampler)
        n = len(order)
        if generator is not None:
            permuted = torch.randperm(n, generator=generator, device="cpu").tolist()
            order = [order[i] for i in permuted]
        if self._loader.num_workers:  # no one knows which will draw a batch: a seed for each batch
            seeds = torch.randint(2**32, (n,), device="cpu").tolist()
            order = list(zip(seeds, order, strict=True))
        return order

    def batches(self, order: list[Any], start: int) -> Iterator[Any]:
        loader = self._loader
        same = (
            *("num_workers", "collate_fn", "pin_memory"),
            *("timeout", "multiprocessing_context", "prefetch_factor"),
        )
        rest: DataLoader[Any] = DataLoader(
            _Seeded(loader.dataset) if loader.num_workers else loader.dataset,
            batch_sampler=order[start:],
            worker_init_fn=partial(_ignore_interrupts, loader.worker_init_fn),
            **{name: getattr(loader, name) for name in same},
        )
        with preserved_random_state():  # iter() draws a seed for the workers
            return iter(rest)

    def state_dict(self) -> list[Tensor]:
        return [generator.get_state() for generator in self._generators]

    def load_state_dict(self, state: list[Tensor]) -> None:
        for generator, its_state in zip(self._generators, state, strict=False):
            generator.set_state(its_state)


class _Seeded(Dataset[Any]):
    """A data set inside a worker: seeds its random streams with a batch's own seed, then draws."""

    def __init__(self, dataset: Dataset[Any]) -> None:
        self._dataset = dataset

    def __getitems__(self, seed_and_keys: tuple[int, list[Any]]) -> list[Any]:
        seed, keys = seed_and_keys
        torch.manual_seed(seed), np.random.seed(seed), random.seed(seed)
        if hasattr(self._dataset, "__getitems__"):
            return self._dataset.__getitems__(keys)
        return [self._dataset[key] for key in keys]


def _ignore_interrupts(then: Callable[[int], None] | None, worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Jupyter signals the whole process group
    if then is not None:
        then(worker)
