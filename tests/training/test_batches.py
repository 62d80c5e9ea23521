"""Where batches come from: lists, tensors cut into pieces, and DataLoaders, with workers, too."""

import random
import signal

import numpy as np
import pytest
import torch
from runs import DATA, Augmented, inspect, own_generator
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from probnn.training import Interruptable, Interrupted, enumerate_cycle
from probnn.training.batches import LoaderBatches


class RandomItems(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, i):
        return torch.tensor([torch.rand(()).item(), np.random.rand(), random.random()])


def test_workers_draw_new_random_numbers_each_epoch_and_the_same_ones_when_resumed():
    def run(interrupt_at):
        torch.manual_seed(0)
        loader, seen = DataLoader(RandomItems(), batch_size=2, num_workers=2), []
        cycle = enumerate_cycle(loader, False, 2)

        def cell():
            with Interruptable() as check_interrupted:
                for _, x in cycle:
                    if len(seen) == interrupt_at and not again:
                        signal.raise_signal(signal.SIGINT)
                    check_interrupted()
                    seen.append(x.flatten().tolist())

        again = False
        if interrupt_at is not None:
            with pytest.raises(Interrupted):
                cell()
            inspect()
        again = True
        cell()
        return seen

    alone = run(None)
    assert len({x for batch in alone for x in batch}) == 3 * 16
    assert run(3) == alone


class Workers(Dataset):
    """Items that tell where they are drawn: in which worker, and whether it ignores interrupts."""

    number = None

    def __len__(self):
        return 4

    def __getitem__(self, i):
        return i, Workers.number, signal.getsignal(signal.SIGINT) is signal.SIG_IGN


class WorkersOfSeveralItems(Workers):
    def __getitems__(self, keys):
        return [("several", *self[key]) for key in keys]


def set_number(worker):
    Workers.number = worker


@pytest.mark.parametrize("data, told", [(Workers(), ()), (WorkersOfSeveralItems(), ("several",))])
def test_workers_are_those_of_the_loader_and_ignore_interrupts(data, told):
    settings = dict(num_workers=2, worker_init_fn=set_number, collate_fn=tuple)
    loader = DataLoader(data, batch_size=2, **settings)
    seen = [batch for _, batch in enumerate_cycle(loader, shuffle=False, epochs=1)]
    assert seen == [
        ((*told, 0, 0, True), (*told, 1, 0, True)),
        ((*told, 2, 1, True), (*told, 3, 1, True)),
    ]


def test_a_batch_sampler_may_be_a_plain_list():
    loader = DataLoader(torch.arange(5), batch_sampler=[[4, 0], [2]])
    seen = [x.tolist() for _, x in enumerate_cycle(loader, shuffle=False, epochs=1)]
    assert seen == [[4, 0], [2]]


def test_a_loader_with_fewer_batches_than_it_says_is_a_clear_error():
    class Short(list):
        def __len__(self):
            return 3

    loader = DataLoader(torch.arange(5), batch_sampler=Short([[0, 1], [2, 3]]))
    with pytest.raises(ValueError, match="expected 3 batches in an epoch, got 2"):
        list(enumerate_cycle(loader, shuffle=False, epochs=1))


def test_orders_are_drawn_on_the_cpu(elsewhere):
    generator = torch.Generator().manual_seed(0)
    with elsewhere():
        for workers in (0, 2):
            loader = DataLoader(DATA, batch_size=2, num_workers=workers)
            assert len(LoaderBatches(loader).draw_order(generator)) == 4
        for shuffle in (False, True):
            cycle = enumerate_cycle(["a", "b"], shuffle, epochs=1, seed=0)
            assert sorted(x for _, x in cycle) == ["a", "b"]


def test_a_position_without_the_state_of_the_loaders_generator_is_taken_up():
    batches, position = enumerate_cycle(own_generator()), enumerate_cycle(list(DATA.split(2)))
    state = {**position.state_dict(), "batch_num": 3, "data": len(DATA)}
    batches.load_state_dict(state)
    assert batches.batch_num == 3


def test_a_shuffled_dataloader_is_cycled_not_indexed_and_keeps_its_pairs():
    loader = DataLoader(TensorDataset(torch.arange(10), torch.arange(10) * 2), batch_size=4)
    seen = [(x, y) for _, (x, y) in enumerate_cycle(loader, shuffle=True, epochs=1)]
    assert all(torch.equal(2 * x, y) for x, y in seen)
    assert sorted(torch.cat([x for x, _ in seen]).tolist()) == list(range(10))


@pytest.mark.parametrize("kind", [lambda *tensors: tensors, TensorDataset])
def test_tensors_that_go_together_are_cut_alike(kind):
    pair = kind(torch.arange(5), torch.arange(5) * 2)
    seen = [batch for _, batch in enumerate_cycle(pair, batch_size=2, epochs=1)]
    assert [len(x) for x, _ in seen] == [2, 2, 1]
    assert all(torch.equal(2 * x, y) for x, y in seen)


class Endless(IterableDataset):
    def __iter__(self):
        while True:
            yield 1

    def __len__(self):
        return 10


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(g=[]), "at least one batch"),
        (dict(g=iter([1])), "list_iterator"),
        (dict(g=(torch.zeros(3), torch.zeros(4)), batch_size=2), r"one length .* got \[3, 4\]"),
        (dict(g=[torch.zeros(3)], batch_size=2), "got list: put a DataLoader around it"),
        (dict(g=Augmented(), batch_size=2), "got Augmented: put a DataLoader around it"),
        (dict(g=DataLoader(Endless(), batch_size=2)), "DataLoader with a batch_size"),
        (dict(g=torch.zeros(3), batch_size=0), "batch_size >= 1, got 0"),
        (dict(g=DataLoader(DATA, batch_size=2), batch_size=2), "without batch_size="),
        (dict(g={0: "a"}), "got dict"),
        (dict(g={"a"}), "got set"),
        (dict(g=DataLoader(DATA, batch_size=None)), "DataLoader with a batch_size"),
    ],
)
def test_bad_sources_are_clear_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        enumerate_cycle(**arguments)
