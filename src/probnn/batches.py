"""Where batches come from: a list, tensors cut into pieces, or a DataLoader; each can start in the middle of an epoch."""

from __future__ import annotations

import random
import signal
from functools import partial
from typing import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from probnn.random_streams import preserved_random_state


class Batches:
    """Batches from anything with a length and an index; and the common shape of all sources of batches."""

    @staticmethod
    def of(g, batch_size: int | None = None) -> Batches:
        """The source of batches that g is: see `training.enumerate_cycle`.

        Example:
            >>> len(Batches.of(torch.zeros(5), batch_size=2))
            3
        """
        if isinstance(g, DataLoader):
            if batch_size is not None:
                raise ValueError(f"expected a DataLoader, which has a batch size of its own, without batch_size=, got batch_size={batch_size}")
            source = LoaderBatches(g)
        elif batch_size is not None:
            source = TensorBatches(g, batch_size)
        else:
            source = Batches(g)
        if len(source) == 0:
            raise ValueError("expected at least one batch, got none")
        return source

    def __init__(self, batches):
        if not (hasattr(batches, "__len__") and hasattr(batches, "__getitem__")) or isinstance(batches, dict):
            raise ValueError(f"expected a list of batches, a DataLoader, or tensors with batch_size=, got {type(batches).__name__}")
        self._items = batches

    def __len__(self) -> int:
        return len(self._items)

    @property
    def size(self) -> int:
        """Number of data, of which a position in an epoch counts the batches."""
        return len(self._items)

    def draw_order(self, generator: torch.Generator | None) -> Tensor | list:
        """The order of one epoch, permuted by the generator, or unchanged where that is None."""
        n = len(self._items)
        return torch.arange(n, device="cpu") if generator is None else torch.randperm(n, generator=generator, device="cpu")

    def batches(self, order, start: int) -> Iterator:
        """The batches of an epoch in this order, from number `start` on."""
        return (self._items[i] for i in order[start:].tolist())

    def state_dict(self) -> list[Tensor]:
        """States of the random generators that the source has of its own."""
        return []

    def load_state_dict(self, state: list[Tensor]) -> None:
        pass


class TensorBatches(Batches):
    """Batches cut from tensors of equal length, drawn by index."""

    def __init__(self, data, batch_size: int):
        if isinstance(data, TensorDataset):
            data = data.tensors
        self._bare = isinstance(data, Tensor)
        tensors = (data,) if self._bare else data
        if not (isinstance(tensors, tuple) and all(isinstance(t, Tensor) for t in tensors)):
            raise ValueError(f"expected a tensor, a tuple of tensors or a TensorDataset with batch_size=, got {type(data).__name__}: put a DataLoader around it")
        lengths = [len(t) for t in tensors]
        if len(set(lengths)) != 1:
            raise ValueError(f"expected tensors of one length to go with batch_size=, got {lengths}")
        if batch_size < 1:
            raise ValueError(f"expected batch_size >= 1, got {batch_size}")
        self._tensors, self._items, self._batch_size = tensors, tensors[0], batch_size

    def __len__(self) -> int:
        return -(-len(self._items) // self._batch_size)

    def batches(self, order: Tensor, start: int) -> Iterator:
        for chosen in order.split(self._batch_size)[start:]:
            yield self._items[chosen] if self._bare else tuple(t[chosen] for t in self._tensors)


class LoaderBatches(Batches):
    """Batches of a DataLoader, taken up in the middle of an epoch without reading what came before."""

    def __init__(self, loader: DataLoader):
        if loader.batch_sampler is None or isinstance(loader.dataset, IterableDataset):
            raise ValueError("expected a DataLoader with a batch_size over a data set with an index, got one without")
        self._loader = loader
        holders = (loader, loader.sampler, loader.batch_sampler, getattr(loader.batch_sampler, "sampler", None))
        generators = [getattr(holder, "generator", None) for holder in holders]
        self._generators = list(dict.fromkeys(g for g in generators if g is not None))

    def __len__(self) -> int:
        return len(self._loader)

    @property
    def size(self) -> int:
        return len(self._loader.dataset)

    def draw_order(self, generator: torch.Generator | None) -> list:
        with torch.device("cpu"):  # samplers have generators of the CPU, whatever the default device
            order = list(self._loader.batch_sampler)
        if generator is not None:
            order = [order[i] for i in torch.randperm(len(order), generator=generator, device="cpu").tolist()]
        if self._loader.num_workers:  # which worker will draw a batch is not known: a seed for each batch
            order = list(zip(torch.randint(2**32, (len(order),), device="cpu").tolist(), order))
        return order

    def batches(self, order: list, start: int) -> Iterator:
        loader = self._loader
        same = ("num_workers", "collate_fn", "pin_memory", "timeout", "multiprocessing_context", "prefetch_factor")
        rest = DataLoader(
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
        for generator, its_state in zip(self._generators, state):
            generator.set_state(its_state)


class _Seeded(Dataset):
    """A data set inside a worker: draws each batch after seeding the worker's random streams with the batch's own seed."""

    def __init__(self, dataset: Dataset):
        self._dataset = dataset

    def __getitems__(self, seed_and_keys: tuple[int, list]) -> list:
        seed, keys = seed_and_keys
        torch.manual_seed(seed), np.random.seed(seed), random.seed(seed)
        if hasattr(self._dataset, "__getitems__"):
            return self._dataset.__getitems__(keys)
        return [self._dataset[key] for key in keys]


def _ignore_interrupts(then: Callable[[int], None] | None, worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Jupyter signals the whole process group
    if then is not None:
        then(worker)
