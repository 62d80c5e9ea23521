"""Optimisers made anew in the training cell take up the moments of the one before, bit for bit."""

import gc
import pickle
import signal
import subprocess
import sys
import threading
import weakref
from functools import partial

import pytest
import torch
from runs import SOURCES, STEPS, Run, new_adam, seed_everything, uninterrupted
from torch import nn, optim

from probnn.inference import fit_posterior
from probnn.models import mlp_generator
from probnn.training import Interruptable, Interrupted, enumerate_cycle, resume
from probnn.training.optimizers import keep_the_same_moments, take_up
from probnn.tsne import MomentumWithGains

KINDS = {
    "Adam": new_adam,
    "AdamW with amsgrad": partial(optim.AdamW, lr=0.1, amsgrad=True),
    "SGD with momentum": partial(optim.SGD, lr=0.01, momentum=0.9),
    "RMSprop": partial(optim.RMSprop, lr=0.01, momentum=0.5, centered=True),
    "Adagrad": partial(optim.Adagrad, lr=0.1),
    "MomentumWithGains": partial(MomentumWithGains, lr=0.01),
}
TAKEN_UP = "Goes on at epoch 0, batch 3: the new Adam takes up the moments of the one before it.\n"


class TwoCells(Run):
    """The coursework's two cells: the second one makes the optimiser, whenever it is run."""

    def train(self, interrupt_at=None, inside_step=False):
        self.optimizer = self.new_optimizer(self.model.parameters())
        super().train(interrupt_at, inside_step)


FIRST_CELL = """
model = GaussianEncoder(BernoulliImageGenerator(d=4))
iter_mnist = enumerate_cycle(mnist_batched)
"""
SECOND_CELL = """
optimizer = optim.Adam(model.parameters())

with Interruptable() as check_interrupted:
    for (epoch, batch_num), (imgs, lbls) in iter_mnist:
        check_interrupted()
        optimizer.zero_grad()
        loglik_lb = torch.mean(model.loglik_lb(imgs))
        (-loglik_lb).backward()
        optimizer.step()
"""


class Interrupting(list):
    """Batches; the interrupt comes while one is drawn."""

    drawn, interrupt_at = 0, ()

    def __getitem__(self, i):
        if self.drawn in self.interrupt_at:
            signal.raise_signal(signal.SIGINT)
        self.drawn += 1
        return super().__getitem__(i)


def courseworks_cells(*interrupt_at, steps=6):
    """Weights, and what the second cell has left, after so many steps and these interrupts."""
    images = torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    batches = Interrupting((images[[k]], torch.tensor([k])) for k in range(4))
    names = {"mnist_batched": batches, "torch": torch, "optim": optim}
    exec("from probnn import *", names)
    torch.manual_seed(0)
    exec(FIRST_CELL, names)
    for number in (*interrupt_at, steps):  # each interrupt draws its batch once more
        batches.interrupt_at = (number,)
        batches.drawn = names["iter_mnist"].steps
        with pytest.raises(Interrupted):
            exec(SECOND_CELL, names)
        torch.randn(7)
    weights = list(names["model"].parameters())
    return weights, [t for slot in names["optimizer"].state.values() for t in slot.values()]


def test_the_courseworks_cells_as_printed_end_as_if_never_interrupted():
    for alone, resumed in zip(courseworks_cells(), courseworks_cells(0, 1, 2, 2, 4), strict=True):
        assert all(map(torch.equal, alone, resumed)) and len(alone) == len(resumed)


@pytest.mark.parametrize("step", range(STEPS))
@pytest.mark.parametrize("kind", KINDS)
def test_an_optimiser_made_anew_after_an_interrupt_goes_on_as_the_one_before(kind, step):
    alone = Run("list", KINDS[kind]).train_to_the_end()
    assert TwoCells("list", KINDS[kind]).train_to_the_end([step]) == alone


@pytest.mark.parametrize("kind", KINDS)
def test_an_optimiser_made_anew_at_every_step_goes_on_as_the_one_before(kind):
    alone = Run("list", KINDS[kind]).train_to_the_end()
    twice = [step for step in range(STEPS) for _ in range(2)]
    assert TwoCells("list", KINDS[kind]).train_to_the_end(twice) == alone


@pytest.mark.parametrize("source", SOURCES)
def test_whatever_the_batches_come_from_a_new_optimiser_goes_on(source):
    assert TwoCells(source).train_to_the_end([2, 5]) == uninterrupted(source)


def test_after_a_break_and_an_error_a_new_optimiser_goes_on_as_the_one_before():
    run = Run("list")
    for stop in (2, 5, None):
        run.optimizer = new_adam(run.model.parameters())
        try:
            for position, x in run.batches:
                run.step(position, x)
                if len(run.history) == 2:
                    break
                if len(run.history) == stop:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            pass
    assert run == uninterrupted("list")


def halfway(kind=TwoCells):
    """A training that has been interrupted after three steps."""
    run = kind("list")
    with pytest.raises(Interrupted):
        run.train(interrupt_at=3)
    return run


def halfway_with_a_cycle_that_knows_no_optimiser(kind=TwoCells):
    run = halfway(kind)
    cycle = SOURCES["list"]()
    cycle.load_state_dict(run.batches.state_dict())
    run.batches = cycle
    return run


def test_a_new_learning_rate_is_its_own():
    run, changed = halfway(), halfway(Run)
    run.new_optimizer = partial(optim.Adam, lr=0.03)
    run.train()
    changed.optimizer.param_groups[0]["lr"] = 0.03
    changed.train()
    assert run.optimizer.param_groups[0]["lr"] == 0.03 and run == changed


@pytest.mark.parametrize(
    "new_optimizer",
    [
        partial(optim.AdamW, lr=0.1),
        partial(optim.SGD, lr=0.01, momentum=0.9),
        lambda parameters: new_adam(list(parameters)[:1]),
        lambda parameters: new_adam([*parameters, nn.Parameter(torch.zeros(1))]),
    ],
    ids=["AdamW", "SGD", "fewer", "more"],
)
def test_an_optimiser_of_another_class_or_of_other_parameters_starts_afresh(new_optimizer, capsys):
    run, fresh = halfway(), halfway_with_a_cycle_that_knows_no_optimiser()
    for one in (run, fresh):
        one.new_optimizer = new_optimizer
        one.train()
    assert run == fresh and capsys.readouterr().out == ""


def test_the_moments_of_a_replaced_optimiser_are_not_taken_up_later(capsys):
    run = halfway()
    run.new_optimizer = partial(optim.SGD, lr=0.01)
    with pytest.raises(Interrupted):
        run.train(interrupt_at=4)
    run.new_optimizer = new_adam
    run.train()
    assert [slot["step"].item() for slot in run.optimizer.state.values()] == [STEPS - 4] * 2
    assert capsys.readouterr().out == ""


def test_the_optimiser_of_a_new_model_starts_afresh(capsys):
    run, fresh = halfway(), halfway_with_a_cycle_that_knows_no_optimiser()
    for one in (run, fresh):
        torch.manual_seed(5)
        one.model = nn.Linear(3, 1)
        one.train()
    assert run == fresh and capsys.readouterr().out == ""


def test_the_optimiser_of_a_new_cycle_starts_afresh(capsys):
    run, copy = halfway(), halfway()
    weights = copy.model.state_dict()
    copy.model = nn.Linear(3, 1)  # parameters that no cycle has seen
    copy.model.load_state_dict(weights)
    for one in (run, copy):
        seed_everything()
        one.batches = SOURCES["list"]()
        one.train()
    assert run == copy and capsys.readouterr().out == ""


class TwoNetworks(TwoCells):
    """Two networks, each with an optimiser of its own, made in the second cell."""

    def __init__(self, source, new_optimizer=new_adam):
        super().__init__(source, new_optimizer)
        self.other = nn.Linear(3, 1)

    def train(self, interrupt_at=None, inside_step=False):
        self.other_optimizer = optim.Adam(self.other.parameters(), lr=0.02)
        super().train(interrupt_at, inside_step)

    def step(self, position, x, interrupted=False):
        loss = (self.other(x / 10) - self.model(x / 10).detach()).square().mean()
        self.other_optimizer.zero_grad()
        loss.backward()
        self.other_optimizer.step()
        super().step(position, x, interrupted)

    def state(self):
        mine, history = super().state()
        moments = [t for slot in self.other_optimizer.state.values() for t in slot.values()]
        return [*mine, *self.other.parameters(), *moments], history


def test_two_optimisers_in_one_loop_each_take_up_their_own():
    alone = TwoNetworks("list").train_to_the_end()
    assert TwoNetworks("list").train_to_the_end(range(STEPS)) == alone


def test_what_is_taken_up_is_a_copy():
    run = halfway()
    earlier = run.optimizer
    before = [t.clone() for slot in earlier.state.values() for t in slot.values()]
    run.train()
    after = [t for slot in earlier.state.values() for t in slot.values()]
    assert all(map(torch.equal, before, after))


def test_an_optimiser_that_has_stepped_before_the_loop_keeps_its_own_state(capsys):
    run, fresh = halfway(Run), halfway_with_a_cycle_that_knows_no_optimiser(Run)
    for one in (run, fresh):
        one.optimizer = new_adam(one.model.parameters())
        one.model(torch.ones(1, 3)).sum().backward()
        one.optimizer.step()
        one.train()
    assert run == fresh and capsys.readouterr().out == ""


def test_an_optimiser_that_resume_has_given_its_state_is_left_alone(tmp_path, capsys):
    run = TwoCells("list")

    def train(interrupt_at=None):
        run.optimizer = new_adam(run.model.parameters())
        resume(tmp_path / "run.pt", **run.parts())
        Run.train(run, interrupt_at)

    with pytest.raises(Interrupted):
        train(interrupt_at=3)
    train()
    assert run == uninterrupted("list") and capsys.readouterr().out == ""


def test_an_optimiser_that_steps_in_another_thread_is_none_of_the_loops():
    run = halfway()
    theirs = new_adam(run.model.parameters())
    run.model(torch.ones(1, 3)).sum().backward()
    for _ in run.batches:
        thread = threading.Thread(target=theirs.step)
        thread.start()
        thread.join()
        break
    assert [slot["step"].item() for slot in theirs.state.values()] == [1, 1]


@pytest.mark.parametrize(
    "before, after",
    [
        (optim.Adam, partial(optim.Adam, amsgrad=True)),
        (optim.RMSprop, partial(optim.RMSprop, momentum=0.9)),
        (optim.RMSprop, partial(optim.RMSprop, centered=True)),
        (partial(optim.SGD, lr=0.01), partial(optim.SGD, lr=0.01, momentum=0.9)),
    ],
    ids=["Adam, amsgrad", "RMSprop, momentum", "RMSprop, centred", "SGD, momentum"],
)
def test_an_optimiser_that_needs_more_moments_than_the_one_before_starts_afresh(
    before, after, capsys
):
    kind = partial(TwoCells, new_optimizer=before)
    run, fresh = halfway(kind), halfway_with_a_cycle_that_knows_no_optimiser(kind)
    for one in (run, fresh):
        one.new_optimizer = after
        one.train()
    assert run == fresh and capsys.readouterr().out == ""


def test_an_optimiser_without_moments_has_nothing_to_tell(capsys):
    TwoCells("list", partial(optim.SGD, lr=0.01)).train_to_the_end([3])
    assert capsys.readouterr().out == ""


def adams():
    """The optimisers of this class that are alive."""
    gc.collect()
    return sum(type(thing) is optim.Adam for thing in gc.get_objects())


def test_an_optimiser_that_is_gone_is_kept_alive_for_no_longer_than_a_batch():
    gone = []
    for _ in enumerate_cycle([1, 2, 3], epochs=1):
        weight = nn.Parameter(torch.ones(1))
        optimizer = optim.Adam([weight])
        weight.grad = torch.ones(1)
        optimizer.step()
        gone.append(weakref.ref(optimizer))
        del optimizer
        gc.collect()
        assert all(reference() is None for reference in gone[:-1])


def test_of_posteriors_fitted_in_the_loops_body_no_optimiser_but_the_last_is_kept():
    generator, before = mlp_generator(2, (8,)), adams()
    cycle = enumerate_cycle([1, 2, 3], epochs=1)
    for _ in cycle:
        for _ in range(2):
            fit_posterior(generator.loglik, torch.ones(1, 1, 28, 28), steps=2)
        assert adams() <= before + 2
    assert adams() <= before + 2


def test_the_hook_is_there_from_the_first_loop_on_and_once(capsys):
    code = """
import torch
from torch.optim import optimizer
from probnn.training import enumerate_cycle
watched = lambda: len(optimizer._global_optimizer_pre_hooks)
cycle = enumerate_cycle([1, 2, 3], epochs=1)
print(watched())
for _ in cycle:
    break
list(cycle), list(enumerate_cycle([1], epochs=1))
print(watched())
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.split() == ["0", "1"]


def test_loops_that_are_collected_as_garbage_disturb_no_step_and_leave_nothing():
    def left_in_the_middle():
        cycle = enumerate_cycle([1, 2], epochs=1)
        ring = [iter(cycle)]
        next(ring[0])
        ring.append(ring)  # only the collector can end it
        return weakref.ref(cycle)

    weight = nn.Parameter(torch.ones(1))
    optimizer = optim.SGD([weight], lr=0.1)
    optimizer.register_step_pre_hook(lambda *_: gc.collect() and None)
    for _ in enumerate_cycle([1] * 5, epochs=1):
        left = left_in_the_middle()
        weight.grad = torch.ones(1)
        optimizer.step()
    gc.collect()
    assert left() is None


class Restarts(Run):
    """Makes its optimiser anew in the loop, at the beginning of each epoch."""

    def train(self, interrupt_at=None, inside_step=False):
        with Interruptable() as check_interrupted:
            for (epoch, batch_num), x in self.batches:
                if len(self.history) == interrupt_at:
                    signal.raise_signal(signal.SIGINT)
                check_interrupted()
                if batch_num == 0:
                    self.optimizer = new_adam(self.model.parameters())
                loss = (self.model(x / 10) ** 2).mean()
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                self.history.append((epoch, batch_num, loss.item()))


# at step 4, where one is made anew, it cannot be told from one made before the loop
@pytest.mark.parametrize("step", [0, 1, 2, 3, 5, 6, 7])
def test_optimisers_made_anew_in_the_loop_start_afresh_interrupted_or_not(step, capsys):
    assert Restarts("list").train_to_the_end([step]) == Restarts("list").train_to_the_end([])
    assert capsys.readouterr().out == ""


def test_the_settings_of_the_new_optimiser_stay_the_very_objects_that_they_were():
    run = halfway()
    optimizer = run.new_optimizer(run.model.parameters())
    (group,), run.new_optimizer = optimizer.param_groups, lambda _: optimizer
    run.train()
    assert optimizer.param_groups[0] is group


def test_the_order_and_the_groups_of_the_parameters_do_not_matter():
    weights = [nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))]
    groups = [weights, weights[::-1], [{"params": [weights[1]]}, {"params": [weights[0]]}]]
    cycle = enumerate_cycle([1] * 3, epochs=1)
    for number, parameters in enumerate(groups, start=1):
        optimizer = optim.Adam(parameters)
        for _ in cycle:
            for weight in weights:
                weight.grad = torch.ones(1)
            optimizer.step()
            break
        assert [int(optimizer.state[weight]["step"]) for weight in weights] == [number, number]


def test_optimisers_that_share_parameters_each_take_up_their_own():
    weights = [nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))]
    cycle = enumerate_cycle([1] * 3, epochs=1)
    for number in (1, 2, 3):
        both = optim.Adam(weights), optim.Adam(weights[:1]), optim.SGD(weights, 0.1, momentum=0.9)
        for _ in cycle:
            for weight in weights:
                weight.grad = torch.ones(1)
            for optimizer in both:
                optimizer.step()
            break
        steps = [int(optimizer.state[weights[0]]["step"]) for optimizer in both[:2]]
        assert steps == [number, number]
        momentum = both[2].state[weights[0]]["momentum_buffer"].item()
        assert momentum == pytest.approx(sum(0.9**k for k in range(number)))


def test_a_loop_that_is_kept_in_a_name_does_not_lose_the_moments():
    weight, cycle, kept = nn.Parameter(torch.ones(1)), enumerate_cycle([1] * 3, epochs=1), None
    for number in (1, 2, 3):
        optimizer = optim.Adam([weight])  # before the loop of the run before is given up
        kept = iter(cycle)
        for _ in kept:
            weight.grad = torch.ones(1)
            optimizer.step()
            break
        assert int(optimizer.state[weight]["step"]) == number


def test_it_is_told_once_that_moments_are_taken_up(capsys):
    halfway().train()
    assert capsys.readouterr().out == TAKEN_UP


def test_it_is_told_for_each_of_two_optimisers_that_moments_are_taken_up(capsys):
    halfway(TwoNetworks).train()
    assert capsys.readouterr().out == 2 * TAKEN_UP


def test_an_uninterrupted_run_has_nothing_to_tell(capsys):
    TwoCells("list").train()
    assert capsys.readouterr().out == ""


def test_an_optimiser_that_is_still_the_same_has_nothing_to_tell(capsys):
    halfway(Run).train()
    assert capsys.readouterr().out == ""


def test_a_cycle_that_is_sent_elsewhere_takes_its_place_along_and_no_optimiser():
    run = TwoCells("list", optim.Adam)
    with pytest.raises(Interrupted):
        run.train(interrupt_at=3)
    elsewhere = pickle.loads(pickle.dumps(run.batches))
    assert elsewhere.steps == run.batches.steps == 3 and not elsewhere._optimizers._before


def test_the_moments_of_the_later_of_two_that_step_in_turn_are_taken_up():
    weight, cycle, kept = nn.Parameter(torch.ones(1)), enumerate_cycle([1] * 4, epochs=1), []
    for (_, number), _ in cycle:
        if number in (0, 2):
            kept.append(optim.Adam([weight]))
        weight.grad = torch.ones(1)
        kept[-1].step()
        if number == 2:
            break
    optimizer = optim.Adam([weight])
    for _ in cycle:
        optimizer.step()
    assert int(optimizer.state[weight]["step"]) == 2


def test_optimisers_that_are_gone_when_the_loop_is_left_at_their_batch_are_all_taken_up():
    weights = [nn.Parameter(torch.ones(1)) for _ in range(3)]
    cycle, steps = enumerate_cycle([1] * 2, epochs=1), []
    for _ in range(2):
        for _ in cycle:
            for weight in weights:
                weight.grad = torch.ones(1)
                optimizer = optim.Adam([weight])
                optimizer.step()
                steps.append(int(optimizer.state[weight]["step"]))
                del optimizer
            gc.collect()
            break
    assert steps == [1, 1, 1, 2, 2, 2]


def test_an_optimiser_is_not_replaced_by_one_of_other_parameters():
    weights = [nn.Parameter(torch.ones(1)) for _ in range(2)]
    cycle, kept = enumerate_cycle([1] * 3, epochs=1), [optim.Adam([weight]) for weight in weights]
    for (_, number), _ in cycle:
        weights[number].grad = torch.ones(1)
        kept[number].step()
        if number == 1:
            break
    optimizer = optim.Adam(weights[:1])
    for _ in cycle:
        optimizer.step()
    assert int(optimizer.state[weights[0]]["step"]) == 2


@pytest.mark.parametrize(
    "earlier",
    [optim.Adam([torch.ones(2)]), optim.Adagrad([torch.ones(1)])],
    ids=["another shape", "another class"],
)
def test_an_optimiser_does_not_take_up_what_does_not_fit(earlier):
    assert take_up(optim.Adam([torch.ones(1)]), earlier) == "the new Adam starts afresh"


@pytest.mark.parametrize(
    "kind, setting",
    [
        (optim.Adam, {"amsgrad": True}),
        (optim.Adam, {"capturable": True}),
        (optim.Adam, {"fused": True}),
        (optim.RMSprop, {"centered": True}),
        (optim.RMSprop, {"momentum": 0.9}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else next(iter(value)),
)
def test_what_moments_are_kept_depends_on_the_settings(kind, setting):
    weight = nn.Parameter(torch.ones(1))
    assert keep_the_same_moments(kind([weight]), kind([weight], lr=0.5))
    assert not keep_the_same_moments(kind([weight]), kind([weight], **setting))
