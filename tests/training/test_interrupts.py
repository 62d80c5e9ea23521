"""Training interrupted everywhere it can be, against the same loop left alone, bit for bit."""

import signal
import threading

import pytest
import torch
from runs import SOURCES, STEPS, Run, inspect, uninterrupted

from probnn.training import Interruptable, Interrupted, TrainingFile, enumerate_cycle, resume


@pytest.mark.parametrize("inside_step", [False, True])
@pytest.mark.parametrize("step", range(STEPS))
@pytest.mark.parametrize("source", SOURCES)
def test_an_interrupt_at_any_step_changes_nothing(source, step, inside_step):
    assert Run(source).train_to_the_end([step], inside_step) == uninterrupted(source)


@pytest.mark.parametrize("source", SOURCES)
def test_interrupts_at_every_step_and_twice_in_a_row_change_nothing(source):
    twice = [step for step in range(STEPS) for _ in range(2)]
    assert Run(source).train_to_the_end(twice) == uninterrupted(source)


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


class UnderFire(TrainingFile):
    """A file whose writing is interrupted before it begins and after it ends."""

    writes = 0

    def write(self, batches):
        signal.raise_signal(signal.SIGINT)
        super().write(batches)
        signal.raise_signal(signal.SIGINT)
        self.writes += 1


def test_more_interrupts_while_the_first_is_honoured_corrupt_nothing(tmp_path):
    run = Run("tensor")
    resume(tmp_path / "run.pt", **run.parts())
    usual = run.batches.file
    under_fire = UnderFire(usual.path, usual.parts, usual.every)
    run.batches.keep_in(under_fire)
    with pytest.raises(Interrupted):
        run.train(interrupt_at=2)
    assert under_fire.writes == 1
    run.batches.keep_in(usual)
    run.train()
    assert run == uninterrupted("tensor")


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
    with pytest.raises(Interrupted, match=r"^Interrupted at the end of the loop\.$"):
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
    assert caught.value._render_traceback_() == [
        "Interrupted before epoch 1, batch 2. Run this cell again to go on from there."
    ]


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
        for _, (_, y) in zip(a, b, strict=True):
            if y == 3:
                signal.raise_signal(signal.SIGINT)
            check_interrupted()
    again, other = cycles()
    resume(tmp_path / "x.pt", batches=again, other=other)
    for left, right in ((a, b), (again, other)):
        rest = [(x, y) for (_, x), (_, y) in zip(left, right, strict=True)]
        assert rest == [("c", 3), ("d", 4)]


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


def test_an_interrupt_gives_nothing_back_of_an_inner_loop_that_has_ended():
    outer, inner = enumerate_cycle([1, 2, 3], False, 1), enumerate_cycle(["a", "b"], False, 1)
    seen = []

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

    with pytest.raises(Interrupted, match=r"^Interrupted before epoch 0, batch 1\. Run this"):
        cell()
    cell()
    assert seen == [1, "a", "b", 2, "a", "b", 3, "a", "b"]


def test_an_interrupt_of_one_training_does_not_touch_another_that_was_left_in_the_middle():
    other = enumerate_cycle(list("abcd"), False, 1)
    iterator = enumerate(other)
    assert next(iterator)[1][1] == "a"
    with pytest.raises(Interrupted), Interruptable() as check_interrupted:
        for _ in enumerate_cycle([1, 2], False, 1):
            signal.raise_signal(signal.SIGINT)
            check_interrupted()
    assert next(iterator)[1][1] == "b"


def test_an_interrupt_that_cannot_be_saved_still_interrupts_and_says_so(tmp_path):
    (tmp_path / "in-progress").write_text("a file where the folder should be")
    batches, history = enumerate_cycle([1, 2], False, 1), []
    resume(tmp_path / "x.pt", batches=batches, history=history)
    said = "NOT saved to the checkpoint: .*cannot be written"
    with pytest.raises(Interrupted, match=said), Interruptable() as check_interrupted:
        for _ in batches:
            signal.raise_signal(signal.SIGINT)
            check_interrupted()
    assert next(batches)[1] == 1


def test_of_two_cycles_that_are_drawn_from_together_the_first_ones_place_is_told():
    first, second = enumerate_cycle([1, 2, 3], seed=0), enumerate_cycle([1, 2], seed=0)
    next(first)
    said = r"^Interrupted before epoch 0, batch 1\. Run this cell again to go on from there\.$"
    with pytest.raises(Interrupted, match=said), Interruptable() as check_interrupted:
        next(first), next(second)
        signal.raise_signal(signal.SIGINT)
        check_interrupted()
    assert (first.batch_num, second.batch_num) == (1, 0)
