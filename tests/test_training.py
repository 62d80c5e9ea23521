"""The coursework's loop, interrupted everywhere it can be, against the same loop left alone: every comparison is bit for bit."""

import gc
import random
import signal
import threading
import weakref

import numpy as np
import pytest
import torch
from torch import nn, optim
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, RandomSampler, TensorDataset

from probnn import Interruptable, Interrupted, enumerate_cycle, resume
from probnn.cycles import Cycle

DATA = torch.arange(21.0).reshape(7, 3)  # batches of 2: the last one is smaller


class Augmented(Dataset):
    """A data set whose items depend on all three random streams, as augmentations do."""

    def __len__(self):
        return len(DATA)

    def __getitem__(self, i):
        return DATA[i] + torch.rand(3) + np.random.rand() + random.random()


class Endless(IterableDataset):
    def __iter__(self):
        while True:
            yield 1

    def __len__(self):
        return 10


SOURCES = {
    "list": lambda: enumerate_cycle(list(DATA.split(2)), epochs=2),
    "unshuffled list": lambda: enumerate_cycle(list(DATA.split(2)), shuffle=False, epochs=2),
    "tensor": lambda: enumerate_cycle(DATA, batch_size=2, epochs=2),
    "one batch": lambda: enumerate_cycle([DATA], epochs=8),
    "DataLoader": lambda: enumerate_cycle(DataLoader(DATA, batch_size=2, shuffle=True), shuffle=False, epochs=2),
    "DataLoader, permuted": lambda: enumerate_cycle(DataLoader(DATA, batch_size=2), shuffle=True, epochs=2),
    "DataLoader, augmented": lambda: enumerate_cycle(DataLoader(Augmented(), batch_size=2, shuffle=True), epochs=2),
    "DataLoader, own batch sampler": lambda: enumerate_cycle(
        DataLoader(DATA, batch_sampler=BatchSampler(RandomSampler(DATA, generator=torch.Generator().manual_seed(6)), 2, drop_last=False)), epochs=2
    ),
    "DataLoader, own generator": lambda: enumerate_cycle(
        DataLoader(DATA, batch_size=2, shuffle=True, generator=torch.Generator().manual_seed(5)), epochs=2
    ),
}
STEPS = 8


class Run:
    """A short training that uses every random stream in its body, and can be interrupted before given steps."""

    def __init__(self, source: str):
        random.seed(0), np.random.seed(0), torch.manual_seed(0)
        self.model = nn.Linear(3, 1)
        self.optimizer = optim.Adam(self.model.parameters(), lr=0.1)
        self.history = []
        self.batches = SOURCES[source]()

    def train(self, interrupt_at=None, inside_step=False):
        """One run of the training cell; the interrupt comes at step `interrupt_at`, after drawing or inside the step."""
        with Interruptable() as check_interrupted:
            for (epoch, batch_num), x in self.batches:
                if not inside_step and len(self.history) == interrupt_at:
                    signal.raise_signal(signal.SIGINT)
                check_interrupted()
                noise = torch.randn(1) + np.random.randn() + random.gauss(0, 1)
                loss = ((self.model(x / 10) - noise) ** 2).mean()
                self.optimizer.zero_grad()
                loss.backward()
                if inside_step and len(self.history) == interrupt_at:
                    signal.raise_signal(signal.SIGINT)
                self.optimizer.step()
                self.history.append((epoch, batch_num, x.sum().item(), loss.item()))

    def train_to_the_end(self, interrupts, inside_step=False):
        for step in interrupts:
            try:
                self.train(step, inside_step)
            except Interrupted:
                pass
            inspect()
        self.train()
        return self

    def state(self):
        optimizer = [t for slot in self.optimizer.state.values() for t in slot.values()]
        return [*self.model.parameters(), *optimizer], self.history

    def __eq__(self, other):
        (mine, my_history), (theirs, their_history) = self.state(), other.state()
        return my_history == their_history and len(mine) == len(theirs) and all(map(torch.equal, mine, theirs))


def inspect():
    """What a reader does between interrupt and resume."""
    torch.randn(11), np.random.rand(3), random.random()


@pytest.fixture(scope="module", params=SOURCES)
def uninterrupted(request):
    run = Run(request.param).train_to_the_end([])
    assert len(run.history) == STEPS
    run.source = request.param
    return run


@pytest.mark.parametrize("inside_step", [False, True])
@pytest.mark.parametrize("step", range(STEPS))
def test_an_interrupt_at_any_step_changes_nothing(uninterrupted, step, inside_step):
    assert Run(uninterrupted.source).train_to_the_end([step], inside_step) == uninterrupted


def test_interrupts_at_every_step_and_twice_in_a_row_change_nothing(uninterrupted):
    assert Run(uninterrupted.source).train_to_the_end([s for step in range(STEPS) for s in (step, step)]) == uninterrupted


@pytest.mark.parametrize("step", range(STEPS))
def test_a_new_process_resumes_from_the_checkpoint_of_any_step(uninterrupted, step, tmp_path):
    first = Run(uninterrupted.source)
    keep = lambda run: resume(  # noqa: E731
        tmp_path / "run.pt", model=run.model, optimizer=run.optimizer, batches=run.batches, history=run.history
    )
    keep(first)
    with pytest.raises(Interrupted):
        first.train(step)
    second = Run(uninterrupted.source)  # same code, other objects, and random streams somewhere else
    inspect()
    keep(second)
    assert second.history == first.history
    second.train()
    assert second == uninterrupted


@pytest.mark.parametrize("step", [0, 2, 3, 4, 7])
def test_a_checkpoint_written_between_steps_resumes_exactly(uninterrupted, step, tmp_path):
    killed = Run(uninterrupted.source)
    parts = lambda run: dict(model=run.model, optimizer=run.optimizer, batches=run.batches, history=run.history)  # noqa: E731
    resume(tmp_path / "run.pt", save_every=0, **parts(killed))
    for _ in killed.batches:  # as in `train`, until the process is killed in the body after `step` whole steps
        if len(killed.history) == step:
            break
        body_of(killed, _)
    again = Run(uninterrupted.source)
    resume(tmp_path / "run.pt", **parts(again))
    assert len(again.history) == step
    again.train()
    assert again == uninterrupted


def body_of(run, drawn):
    (epoch, batch_num), x = drawn
    noise = torch.randn(1) + np.random.randn() + random.gauss(0, 1)
    loss = ((run.model(x / 10) - noise) ** 2).mean()
    run.optimizer.zero_grad()
    loss.backward()
    run.optimizer.step()
    run.history.append((epoch, batch_num, x.sum().item(), loss.item()))


def test_the_courseworks_two_cells_keep_batch_order_and_position():
    def second_cell(cycle, seen, stop_after):
        with Interruptable() as check_interrupted:
            for (epoch, batch_num), x in cycle:
                check_interrupted()
                seen.append((epoch, batch_num, x.sum().item()))
                if len(seen) == stop_after:
                    signal.raise_signal(signal.SIGINT)

    torch.manual_seed(3)
    alone, cycle = [], SOURCES["list"]()
    second_cell(cycle, alone, stop_after=None)
    torch.manual_seed(3)
    resumed, cycle = [], SOURCES["list"]()
    with pytest.raises(Interrupted):
        second_cell(cycle, resumed, stop_after=3)
    inspect()
    second_cell(cycle, resumed, stop_after=None)
    assert resumed == alone


def test_an_optimiser_made_anew_in_the_training_cell_keeps_its_state(tmp_path):
    def cell(run, interrupt_at=None):
        run.optimizer = optim.Adam(run.model.parameters(), lr=0.1)
        resume(tmp_path / "run.pt", model=run.model, optimizer=run.optimizer, batches=run.batches, history=run.history)
        run.train(interrupt_at)

    run = Run("list")
    with pytest.raises(Interrupted):
        cell(run, interrupt_at=3)
    cell(run)
    assert run == Run("list").train_to_the_end([])


def test_break_and_errors_count_the_batch_as_consumed():
    cycle = enumerate_cycle(list("abcd"), shuffle=False, epochs=1)
    for _, x in cycle:
        break
    with pytest.raises(ZeroDivisionError):
        for _, x in cycle:
            1 / 0
    assert [x for _, x in cycle] == ["c", "d"]


def test_a_state_taken_in_the_body_counts_the_batch_as_consumed():
    cycle = enumerate_cycle(list("abcd"), shuffle=False, epochs=1)
    for (_, batch_num), x in cycle:
        if x == "b":
            state = cycle.state_dict()
            torch.manual_seed(99)
    again = enumerate_cycle(list("abcd"), shuffle=False, epochs=1)
    again.load_state_dict(state)
    assert [x for _, x in again] == ["c", "d"]


def test_random_numbers_drawn_after_a_break_do_not_shift_training():
    def draws(inspecting):
        torch.manual_seed(0)
        cycle, seen = enumerate_cycle([1, 2, 3], epochs=2), []
        while not cycle.finished:
            for _ in cycle:
                seen.append(torch.rand(1).item())
                break
            if inspecting:
                inspect()
        return seen

    assert draws(inspecting=True) == draws(inspecting=False)


def test_more_interrupts_while_the_first_is_honoured_corrupt_nothing(tmp_path):
    run = Run("tensor")
    writes = []
    resume(tmp_path / "run.pt", model=run.model, optimizer=run.optimizer, batches=run.batches, history=run.history)
    save = run.batches.save

    def save_under_fire():
        signal.raise_signal(signal.SIGINT)
        save()
        signal.raise_signal(signal.SIGINT)
        writes.append(1)

    run.batches.save = save_under_fire
    with pytest.raises(Interrupted):
        run.train(interrupt_at=2)
    assert writes == [1]
    run.batches.save = save
    run.train()
    assert run == Run("tensor").train_to_the_end([])


def test_a_second_use_does_not_stop_at_once():
    interruptable = Interruptable()
    with pytest.raises(Interrupted), interruptable as check_interrupted:
        signal.raise_signal(signal.SIGINT)
        check_interrupted()
    with interruptable as check_interrupted:
        check_interrupted()


def test_the_previous_signal_handler_comes_back():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted), Interruptable() as check_interrupted:
        signal.raise_signal(signal.SIGINT)
        check_interrupted()
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_in_the_last_step_still_keeps_queued_cells_from_running():
    with pytest.raises(Interrupted, match="end of the loop"):
        with Interruptable() as check_interrupted:
            for _ in enumerate_cycle([1], epochs=1):
                check_interrupted()
                signal.raise_signal(signal.SIGINT)


def test_a_while_loop_without_a_cycle_is_interruptable():
    steps = 0
    with pytest.raises(Interrupted, match="^Interrupted. Run this cell again"):
        with Interruptable() as check_interrupted:
            while True:
                check_interrupted()
                steps += 1
                if steps == 3:
                    signal.raise_signal(signal.SIGINT)
    assert steps == 3


def test_the_message_is_one_plain_line_that_names_the_position():
    cycle = enumerate_cycle(list("abcd"), shuffle=False)
    with pytest.raises(Interrupted) as caught, Interruptable() as check_interrupted:
        for (epoch, batch_num), _ in cycle:
            if (epoch, batch_num) == (1, 2):
                signal.raise_signal(signal.SIGINT)
            check_interrupted()
    assert caught.value._render_traceback_() == ["Interrupted before epoch 1, batch 2. Run this cell again to go on from there."]


def test_outside_the_main_thread_training_runs_uninterrupted():
    seen = []

    def train():
        with Interruptable() as check_interrupted:
            for _, x in enumerate_cycle(list("ab"), shuffle=False, epochs=1):
                check_interrupted()
                seen.append(x)

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert seen == ["a", "b"]


def test_two_cycles_in_step_both_give_their_batch_back(tmp_path):
    def cycles():
        return enumerate_cycle(list("abcd"), False, 1), enumerate_cycle([1, 2, 3, 4], False, 1)

    a, b = cycles()
    resume(tmp_path / "x.pt", batches=a, other=b)
    with pytest.raises(Interrupted), Interruptable() as check_interrupted:
        for (_, x), (_, y) in zip(a, b):
            if y == 3:
                signal.raise_signal(signal.SIGINT)
            check_interrupted()
    again, other = cycles()
    resume(tmp_path / "x.pt", batches=again, other=other)
    for left, right in ((a, b), (again, other)):
        assert [(x, y) for (_, x), (_, y) in zip(left, right)] == [("c", 3), ("d", 4)]


def test_an_interrupted_evaluation_does_not_repeat_the_training_step_around_it():
    outer, steps = enumerate_cycle(list("abcd"), False, 1), []

    def cell():
        with Interruptable() as check_interrupted:
            for _, x in outer:
                check_interrupted()
                steps.append(x)
                for _, y in enumerate_cycle([1, 2, 3], False, 1):
                    if (x, y, len(steps)) == ("b", 2, 2):
                        signal.raise_signal(signal.SIGINT)
                    check_interrupted()

    with pytest.raises(Interrupted):
        cell()
    cell()
    assert steps == list("abcd")


def test_an_interrupt_of_one_training_does_not_touch_another_that_was_left_in_the_middle():
    other = enumerate_cycle(list("abcd"), False, 1)
    iterator = enumerate(other)
    assert next(iterator)[1][1] == "a"
    with pytest.raises(Interrupted), Interruptable() as check_interrupted:
        for _ in enumerate_cycle([1, 2], False, 1):
            signal.raise_signal(signal.SIGINT)
            check_interrupted()
    assert next(iterator)[1][1] == "b"


def test_an_inner_loop_leaves_the_random_streams_to_the_outer_one():
    torch.manual_seed(0)
    inner, draws = enumerate_cycle([1, 2], seed=0), []
    for _ in enumerate_cycle([1, 2, 3], epochs=1, seed=0):
        draws.append(torch.rand(1).item())
        for _ in inner:
            draws.append(torch.rand(1).item())
            break
    torch.manual_seed(0)
    assert draws == [torch.rand(1).item() for _ in range(6)]


def test_next_in_a_while_loop_draws_new_random_numbers_and_gives_its_batch_back():
    torch.manual_seed(0)
    cycle, seen = enumerate_cycle([1, 2, 3, 4], False, 1, seed=0), []
    with pytest.raises(Interrupted), Interruptable() as check_interrupted:
        while True:
            _, x = next(cycle)
            if x == 3:
                signal.raise_signal(signal.SIGINT)
            check_interrupted()
            seen.append(torch.rand(1).item())
    inspect()
    for _ in range(2):
        next(cycle)
        seen.append(torch.rand(1).item())
    torch.manual_seed(0)
    assert seen == [torch.rand(1).item() for _ in range(4)]


def test_a_draw_that_fails_is_not_counted_and_leaves_the_random_streams():
    class Flaky(list):
        fail = True

        def __getitem__(self, i):
            noise = torch.rand(1).item()
            if i == 1 and self.fail:
                raise OSError("transient")
            return super().__getitem__(i), noise

    def run(fail):
        torch.manual_seed(0)
        data = Flaky("abc")
        data.fail, seen = fail, []
        cycle = enumerate_cycle(data, False, 1, seed=0)
        try:
            seen += [x for _, x in cycle]
        except OSError:
            data.fail = False
            seen = [("a", None)]
            inspect()
            seen += [x for _, x in cycle]
        return seen[1:]

    assert run(fail=True) == run(fail=False)


class RandomItems(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, i):
        return torch.rand(1)


def test_workers_draw_new_random_numbers_each_epoch_and_the_same_ones_when_resumed():
    def run(interrupt_at):
        torch.manual_seed(0)
        cycle, seen = enumerate_cycle(DataLoader(RandomItems(), batch_size=2, num_workers=2), False, 2), []

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
    assert len({x for batch in alone for x in batch}) == 16
    assert run(3) == alone


def test_a_loop_without_a_check_does_not_keep_its_cycle_and_data_alive():
    cycle = enumerate_cycle(torch.zeros(4), batch_size=1, epochs=2)
    list(cycle)
    gone = weakref.ref(cycle)
    del cycle
    gc.collect()
    assert gone() is None


def test_a_state_of_an_unstarted_cycle_starts_over():
    cycle = enumerate_cycle(torch.arange(20), batch_size=5, epochs=1, seed=7)
    state = cycle.state_dict()
    first = [x.tolist() for _, x in cycle]
    cycle.load_state_dict(state)
    assert [x.tolist() for _, x in cycle] == first


def test_next_draws_one_batch_and_keeps_the_place():
    cycle = enumerate_cycle(list("abc"), shuffle=False, epochs=1)
    assert next(cycle) == ((0, 0), "a")
    assert [x for _, x in cycle] == ["b", "c"]
    with pytest.raises(StopIteration):
        next(cycle)


def test_a_finished_cycle_falls_through_and_goes_on_when_epochs_are_raised():
    run = Run("tensor").train_to_the_end([])
    assert list(run.batches) == []
    inspect()
    run.batches.epochs = 3
    run.train()
    longer = Run("tensor")
    longer.batches.epochs = 3
    assert run == longer.train_to_the_end([])


def test_each_epoch_has_its_own_order_and_holds_every_datum_once():
    orders = [[], []]
    for (epoch, _), x in enumerate_cycle(torch.arange(100), batch_size=7, epochs=2):
        orders[epoch].extend(x.tolist())
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(100))


def test_the_order_depends_on_the_seed_alone():
    def order(noise):
        seen = []
        for _, x in enumerate_cycle(torch.arange(20), batch_size=3, epochs=2, seed=7):
            torch.rand(noise)
            seen.extend(x.tolist())
        return seen

    assert order(noise=0) == order(noise=5)


def test_a_shuffled_dataloader_is_cycled_not_indexed_and_keeps_its_pairs():
    loader = DataLoader(TensorDataset(torch.arange(10), torch.arange(10) * 2), batch_size=4)
    seen = [(x, y) for _, (x, y) in enumerate_cycle(loader, shuffle=True, epochs=1)]
    assert all(torch.equal(2 * x, y) for x, y in seen)
    assert sorted(torch.cat([x for x, _ in seen]).tolist()) == list(range(10))


def test_a_tuple_of_tensors_is_cut_alike():
    seen = [b for _, b in enumerate_cycle((torch.arange(5), torch.arange(5) * 2), batch_size=2, epochs=1)]
    assert all(torch.equal(2 * x, y) for x, y in seen)


def test_an_interrupt_gives_nothing_back_of_an_inner_loop_that_has_ended():
    outer, inner, seen = enumerate_cycle([1, 2, 3], False, 1), enumerate_cycle(["a", "b"], False, 1), []

    def cell():
        with Interruptable() as check_interrupted:
            for _, x in outer:
                check_interrupted()
                seen.append(x)
                inner.epochs = x  # the evaluation goes once through its data after each step
                for _, y in inner:
                    seen.append(y)
                    if (x, y) == (1, "b"):
                        signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted, match="before epoch 0, batch 1"):
        cell()
    cell()
    assert seen == [1, "a", "b", 2, "a", "b", 3, "a", "b"]


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
        (dict(g=DataLoader(DATA, batch_size=None)), "DataLoader with a batch_size"),
    ],
)
def test_bad_sources_are_clear_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        enumerate_cycle(**arguments)


def test_a_position_among_other_batches_is_a_clear_error():
    with pytest.raises(ValueError, match="among 3 batches of 3 data, got one among 2 of 2"):
        enumerate_cycle([1, 2, 3]).load_state_dict(enumerate_cycle([1, 2]).state_dict())
    with pytest.raises(ValueError, match="among 3 batches of 12 data, got one among 3 of 9"):
        enumerate_cycle(torch.zeros(12), batch_size=4).load_state_dict(enumerate_cycle(torch.zeros(9), batch_size=4).state_dict())


def test_training_can_be_cut_short_by_one_setting(monkeypatch):
    monkeypatch.setenv("PROBNN_CUT_SHORT", "3")
    cycle: Cycle = enumerate_cycle([1, 2], epochs=5)
    assert len(list(cycle)) == 3 and not cycle.finished and list(cycle) == []
