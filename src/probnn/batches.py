"""Where batches come from: a list, tensors cut into pieces, or a DataLoader; each can start in the middle of an epoch."""

from __future__ import annotations

import signal
from functools import partial
from typing import Callable, Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

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
            source = LoaderBatches(g)
        elif batch_size is not None:
            source = TensorBatches(g, batch_size)
        else:
            source = Batches(g)
        if len(source) == 0:
            raise ValueError("expected at least one batch, got none")
        return source

    def __init__(self, batches):
        if not (hasattr(batches, "__len__") and hasattr(batches, "__getitem__")):
            raise ValueError(f"expected a list of batches, a DataLoader, or tensors with batch_size=, got {type(batches).__name__}")
        self._items = batches

    def __len__(self) -> int:
        return len(self._items)

    def draw_order(self, generator: torch.Generator | None) -> Tensor | list:
        """The order of one epoch, permuted by the generator, or unchanged where that is None."""
        n = len(self._items)
        return torch.arange(n, device="cpu") if generator is None else torch.randperm(n, generator=generator, device="cpu")

    def batches(self, order, start: int) -> Iterator:
        """The batches of an epoch in this order, from number `start` on."""
        return (self._items[i] for i in order[start:].tolist())

    def state_dict(self) -> Tensor | None:
        """State of a random generator of the source's own, if it has one."""
        return None

    def load_state_dict(self, state: Tensor) -> None:
        pass


class TensorBatches(Batches):
    """Batches cut from tensors of equal length, drawn by index."""

    def __init__(self, data, batch_size: int):
        if isinstance(data, TensorDataset):
            data = data.tensors
        self._bare = isinstance(data, Tensor)
        tensors = (data,) if self._bare else tuple(data)
        lengths = [len(t) if isinstance(t, Tensor) else type(t).__name__ for t in tensors]
        if len(set(lengths)) != 1 or not isinstance(lengths[0], int):
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
        if loader.batch_sampler is None:
            raise ValueError("expected a DataLoader with a batch_size over a data set with an index, got one without batches")
        self._loader = loader

    def __len__(self) -> int:
        return len(self._loader)

    def draw_order(self, generator: torch.Generator | None) -> list:
        order = list(self._loader.batch_sampler)
        return order if generator is None else [order[i] for i in torch.randperm(len(order), generator=generator, device="cpu").tolist()]

    def batches(self, order: list, start: int) -> Iterator:
        loader = self._loader
        same = ("num_workers", "collate_fn", "pin_memory", "timeout", "multiprocessing_context", "prefetch_factor")
        rest = DataLoader(
            loader.dataset,
            batch_sampler=order[start:],
            worker_init_fn=partial(_ignore_interrupts, loader.worker_init_fn),
            **{name: getattr(loader, name) for name in same},
        )
        with preserved_random_state():  # iter() draws a seed for the workers
            return iter(rest)

    def state_dict(self) -> Tensor | None:
        generator = self._own_generator()
        return None if generator is None else generator.get_state()

    def load_state_dict(self, state: Tensor) -> None:
        if (generator := self._own_generator()) is not None:
            generator.set_state(state)

    def _own_generator(self) -> torch.Generator | None:
        return self._loader.generator or getattr(self._loader.sampler, "generator", None)


def _ignore_interrupts(then: Callable[[int], None] | None, worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Jupyter signals the whole process group
    if then is not None:
        then(worker)
