"""The cycle over batches: its position and random streams survive breaks, errors and interrupts."""

import gc
import signal
import weakref

import pytest
import torch
from runs import Run, inspect

from probnn.training import Interruptable, Interrupted, enumerate_cycle


def test_break_and_errors_count_the_batch_as_consumed():
    cycle = enumerate_cycle(list("abcd"), shuffle=False, epochs=1)
    for _ in cycle:
        break
    with pytest.raises(ZeroDivisionError):
        for _ in cycle:
            raise ZeroDivisionError
    assert [x for _, x in cycle] == ["c", "d"]


def test_a_state_taken_in_the_body_counts_the_batch_as_consumed():
    cycle = enumerate_cycle(list("abcd"), shuffle=False, epochs=1)
    for _, x in cycle:
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
    run = Run("tensor").train_to_the_end()
    assert list(run.batches) == []
    inspect()
    run.batches.epochs = 3
    run.train()
    longer = Run("tensor")
    longer.batches.epochs = 3
    assert run == longer.train_to_the_end()


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


def test_a_position_among_other_batches_is_a_clear_error():
    with pytest.raises(ValueError, match="among 3 batches of 3 data, got one among 2 of 2"):
        enumerate_cycle([1, 2, 3]).load_state_dict(enumerate_cycle([1, 2]).state_dict())
    with pytest.raises(ValueError, match="among 3 batches of 12 data, got one among 3 of 9"):
        enumerate_cycle(torch.zeros(12), batch_size=4).load_state_dict(
            enumerate_cycle(torch.zeros(9), batch_size=4).state_dict()
        )
