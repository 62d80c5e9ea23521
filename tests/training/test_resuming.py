"""Trainings that go on exactly, also after a process was killed, and results that are kept."""

import datetime
import os
import signal
import time
from contextlib import suppress
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch
from runs import SOURCES, STEPS, Run, inspect, new_adam, owned, uninterrupted
from torch import nn, optim

from probnn.training import (
    CheckpointError,
    Interruptable,
    Interrupted,
    enumerate_cycle,
    load,
    resume,
    ship,
    stored,
)


@pytest.mark.parametrize("step", range(STEPS))
@pytest.mark.parametrize("source", SOURCES)
def test_a_new_process_resumes_from_the_checkpoint_of_any_step(source, step, tmp_path):
    first = Run(source)
    resume(tmp_path / "run.pt", **first.parts())
    with pytest.raises(Interrupted):
        first.train(step)
    second = Run(source)  # same code, other objects, and random streams somewhere else
    inspect()
    resume(tmp_path / "run.pt", **second.parts())
    assert second.history == first.history
    second.train()
    assert second == uninterrupted(source)


@pytest.mark.parametrize("step", [0, 2, 3, 4, 7])
@pytest.mark.parametrize("source", SOURCES)
def test_a_checkpoint_written_between_steps_resumes_exactly(source, step, tmp_path):
    killed = Run(source)
    resume(tmp_path / "run.pt", save_every=0, **killed.parts())
    for position, x in killed.batches:  # until the process is killed after `step` whole steps
        if len(killed.history) == step:
            break
        killed.step(position, x)
    again = Run(source)
    resume(tmp_path / "run.pt", **again.parts())
    assert len(again.history) == step
    again.train()
    assert again == uninterrupted(source)


def test_an_optimiser_made_anew_in_the_training_cell_keeps_its_state(tmp_path):
    run = Run("list")
    resume(tmp_path / "run.pt", **run.parts())
    with pytest.raises(Interrupted):
        run.train(interrupt_at=3)
    stepped = run.state()
    run.optimizer = new_adam(run.model.parameters())
    resume(tmp_path / "run.pt", **run.parts())
    for before, after in zip(stepped[0], run.state()[0], strict=True):
        assert torch.equal(before, after)
    run.train()
    assert run == uninterrupted("list")


def test_an_optimiser_of_another_class_starts_afresh_and_the_line_says_so(tmp_path):
    run = Run("list")
    parts = {"model": run.model, "batches": run.batches, "history": run.history}
    resume(tmp_path / "run.pt", optimizer=run.optimizer, **parts)
    with pytest.raises(Interrupted):
        run.train(interrupt_at=3)
    run.optimizer = optim.SGD(run.model.parameters(), lr=0.01, momentum=0.9)
    said = resume(tmp_path / "run.pt", optimizer=run.optimizer, **parts)
    assert str(said) == "goes on at epoch 0, batch 3 (the new SGD starts afresh)"
    assert not run.optimizer.state and run.optimizer.param_groups[0]["lr"] == 0.01
    run.train()
    assert len(run.history) == STEPS


def test_resume_says_that_a_new_optimiser_takes_up_the_state_of_the_one_before(tmp_path):
    run = Run("list")
    resume(tmp_path / "run.pt", **run.parts())
    with pytest.raises(Interrupted):
        run.train(interrupt_at=3)
    run.optimizer = new_adam(run.model.parameters())
    said = "goes on at epoch 0, batch 3 (the new Adam takes up the moments of the one before it)"
    assert str(resume(tmp_path / "run.pt", **run.parts())) == said


def test_resume_says_two_things_in_one_line(tmp_path):
    run = Run("list")
    resume(tmp_path / "run.pt", **run.parts())
    with pytest.raises(Interrupted):
        run.train(interrupt_at=3)
    run.optimizer = new_adam(run.model.parameters())
    assert str(resume(tmp_path / "run.pt", fresh=True, **run.parts())) == (
        "goes on at epoch 0, batch 3 (fresh=True is for a new model and cycle: run the cell that "
        "makes them first; the new Adam takes up the moments of the one before it)"
    )


def test_resume_has_no_more_to_say_of_an_optimiser_that_is_still_the_same(tmp_path):
    run = Run("list")
    resume(tmp_path / "run.pt", **run.parts())
    with pytest.raises(Interrupted):
        run.train(interrupt_at=3)
    assert str(resume(tmp_path / "run.pt", **run.parts())) == "goes on at epoch 0, batch 3"


def test_a_list_made_anew_in_the_training_cell_gets_the_entries_of_the_one_before(tmp_path):
    batches, history = enumerate_cycle([1, 2, 3], epochs=1), []
    resume(tmp_path / "run.pt", batches=batches, history=history)
    for _ in batches:
        history.append("one step")
        break
    anew = []
    resume(tmp_path / "run.pt", batches=batches, history=anew)
    assert anew == ["one step"]


def test_what_resume_did_can_be_read_field_by_field(tmp_path):
    first, second = Run("list"), Run("list")
    resume(tmp_path / "run.pt", **first.parts())
    with pytest.raises(Interrupted):
        first.train(interrupt_at=5)
    did = resume(tmp_path / "run.pt", **second.parts())
    assert (did.epoch, did.batch_num, did.finished) == (1, 1, False)
    assert did.origin == f"from {tmp_path / 'run.pt'}, in progress"
    assert (did.missing, did.note) == ((), "")


def test_what_resume_did_cannot_be_altered(tmp_path):
    did = resume(tmp_path / "run.pt", batches=enumerate_cycle([1]))
    with pytest.raises(FrozenInstanceError):
        did.epoch = 3


def train(path, said):
    """A training that writes its checkpoint at every step, as a process of its own.

    It sends what `resume` says, and in the end an error, if any.
    """
    try:
        torch.manual_seed(0)
        model = nn.Linear(50, 50)
        optimizer = optim.Adam(model.parameters())
        batches = enumerate_cycle(torch.randn(40, 50), batch_size=4, epochs=30)
        history = []
        parts = dict(model=model, optimizer=optimizer, history=history)
        said.send(str(resume(path, batches=batches, save_every=0, **parts)))
        with Interruptable() as check_interrupted:
            for _, x in batches:
                check_interrupted()
                loss = (model(x) - torch.randn(50)).square().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                history.append(loss.item())
        torch.save([model.state_dict(), optimizer.state_dict(), history], f"{path}.end")
    except KeyboardInterrupt:  # Interrupted is one
        pass
    except BaseException as error:
        said.send(repr(error))
        raise


def start(processes, path):
    heard, said = processes.Pipe(duplex=False)
    process = processes.Process(target=train, args=(path, said))
    process.start()
    said.close()
    return process, heard


def end_of(path):
    model, optimizer, history = torch.load(f"{path}.end")
    moments = [t for slot in optimizer["state"].values() for t in slot.values()]
    return [*model.values(), *moments, torch.tensor(history)]


@pytest.mark.slow
def test_processes_killed_at_any_moment_lose_nothing_and_change_nothing(processes, tmp_path):
    alone, heard = start(processes, tmp_path / "alone.pt")
    alone.join()
    assert alone.exitcode == 0 and heard.recv() == "starts at epoch 0"
    delays, kills, resumed = torch.rand(100, generator=torch.Generator().manual_seed(1)), 0, []
    while not (tmp_path / "killed.pt.end").exists():
        process, heard = start(processes, tmp_path / "killed.pt")
        resumed.append(heard.recv())  # it writes a file at every step: most kills fall into a write
        longer = 0.03 * (1 + kills)  # each time, to get to the end
        time.sleep(longer * (0.5 + delays[kills].item()))
        with suppress(ProcessLookupError):  # it has come to its end
            os.kill(process.pid, signal.SIGKILL if kills % 2 == 0 else signal.SIGINT)
        process.join()
        kills += 1
        with suppress(EOFError):  # nothing more was said
            pytest.fail(heard.recv())
        if (tmp_path / "in-progress/killed.pt").exists():
            load(tmp_path / "in-progress/killed.pt")  # whole, whatever happened
    assert kills >= 3 and any("goes on at epoch" in line for line in resumed)
    for a, b in zip(end_of(tmp_path / "alone.pt"), end_of(tmp_path / "killed.pt"), strict=True):
        assert torch.equal(a, b)


REMEDY = (
    r"\. Name another file for another model; or move this one away, or pass fresh=True, to start "
    "over$"
)


def trained(path, width=1, epochs=2, stop_after=None, **options):
    model, history = nn.Linear(1, width), []
    batches = enumerate_cycle([torch.ones(1, 1)] * 3, epochs=epochs)
    optimizer = optim.Adam(model.parameters())
    parts = dict(model=model, optimizer=optimizer, history=history)
    said = str(resume(path, batches=batches, **parts, **options))
    for _, x in batches:
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()
        history.append(1.0)
        if len(history) == stop_after:
            batches.write()
            break
    return said, model, history


def test_a_checkpoint_of_another_model_is_a_clear_error_and_stays(tmp_path):
    trained(tmp_path / "x.pt")
    before = (tmp_path / "in-progress/x.pt").read_bytes()
    said = f"its model does not fit .*size mismatch.*{REMEDY}"
    with pytest.raises(CheckpointError, match=said):
        trained(tmp_path / "x.pt", width=2)
    assert (tmp_path / "in-progress/x.pt").read_bytes() == before


def test_a_checkpoint_that_does_not_fit_leaves_model_and_cycle_as_they_were(tmp_path):
    trained(tmp_path / "x.pt")
    model, batches = nn.Linear(1, 2), enumerate_cycle([torch.ones(1, 1)] * 3, epochs=2)
    weight, history = model.weight.clone(), ["mine"]
    parts = dict(model=model, optimizer=optim.Adam(model.parameters()), history=history)
    for _ in range(2):  # also when the cell is run again
        with pytest.raises(CheckpointError, match="its model does not fit"):
            resume(tmp_path / "x.pt", batches=batches, **parts)
    assert torch.equal(model.weight, weight) and history == ["mine"]
    said = str(resume(tmp_path / "x.pt", batches=batches, fresh=True, **parts))
    assert said == "starts at epoch 0"


@pytest.mark.parametrize("name", "abcdefgh")
def test_of_a_checkpoint_that_fits_nowhere_the_position_is_not_what_is_told(name, tmp_path):
    batches = enumerate_cycle([1, 2, 3])
    resume(tmp_path / "x.pt", batches=batches, **{name: nn.Linear(1, 1)})
    batches.write()
    with pytest.raises(CheckpointError, match=f"its {name} does not fit"):
        resume(tmp_path / "x.pt", batches=enumerate_cycle([1, 2]), **{name: nn.Linear(1, 2)})


def test_a_training_that_another_process_trains_is_not_loaded(tmp_path):
    trained(tmp_path / "x.pt", stop_after=2)
    model, batches = nn.Linear(1, 1), enumerate_cycle([torch.ones(1, 1)] * 3)
    before = model.weight.clone()
    other = owned(tmp_path / "in-progress/x.pt")
    with pytest.raises(CheckpointError) as refusal:
        resume(tmp_path / "x.pt", batches=batches, model=model)
    assert str(refusal.value) == (
        f"{tmp_path / 'x.pt'}: {other} trains into this file at the moment. Shut down its kernel, "
        "or name another file here, or start over with a new model and cycle and fresh=True (the "
        "other then goes on in a file of its own)"
    )
    assert torch.equal(model.weight, before) and batches.steps == 0
    said = str(resume(tmp_path / "x.pt", batches=batches, model=model, fresh=True))
    assert said.startswith(f"starts at epoch 0 ({other} goes on in x.aside-")


def test_a_file_that_another_process_has_begun_to_train_into_is_refused(tmp_path):
    batches = enumerate_cycle([1, 2])
    other = owned(tmp_path / "in-progress/x.pt")
    with pytest.raises(CheckpointError, match=rf"/x\.pt: {other} trains into"):
        resume(tmp_path / "x.pt", batches=batches, history=[])


def test_a_training_that_began_without_a_file_or_a_part_is_kept_with_them_from_now_on(tmp_path):
    batches, history, notes = enumerate_cycle([1, 2, 3], epochs=1), [1.5], ["new"]
    next(batches)
    said = str(resume(tmp_path / "x.pt", batches=batches, history=history))
    assert said == "goes on at epoch 0, batch 1"
    resume(tmp_path / "x.pt", batches=batches, history=history, notes=notes)
    batches.write()
    parts = load(tmp_path / "x.pt")
    assert parts["history"] == [1.5] and parts["notes"] == ["new"]


def test_a_checkpoint_without_a_part_that_is_asked_for_is_a_clear_error(tmp_path):
    trained(tmp_path / "x.pt")
    said = rf"expected batches, net in it, got batches, model, optimizer, history{REMEDY}"
    with pytest.raises(CheckpointError, match=said):
        resume(tmp_path / "x.pt", batches=enumerate_cycle([1] * 3, epochs=2), net=nn.Linear(1, 1))


def test_fresh_starts_over(tmp_path):
    trained(tmp_path / "x.pt")
    said, _, _ = trained(tmp_path / "x.pt")
    assert said == f"finished after 2 epochs, from {tmp_path / 'x.pt'}, in progress"
    said, _, history = trained(tmp_path / "x.pt", fresh=True)
    assert said == "starts at epoch 0" and len(history) == 6


def test_a_training_of_no_epochs_writes_nothing(tmp_path):
    batches = enumerate_cycle([1, 2], epochs=0)
    resume(tmp_path / "x.pt", batches=batches, history=[])
    assert list(batches) == [] and not (tmp_path / "in-progress").exists()


def test_a_finished_training_whose_cell_is_run_again_is_not_written_again(tmp_path):
    batches, file = enumerate_cycle([1, 2], epochs=1), tmp_path / "in-progress/x.pt"
    for _ in range(2):
        resume(tmp_path / "x.pt", batches=batches, history=[])
        list(batches)
        os.utime(file, (0, 0))
    list(batches)
    assert file.stat().st_mtime == 0


def test_fresh_says_so_when_it_comes_too_late(tmp_path):
    batches = enumerate_cycle([1], epochs=1)
    resume(tmp_path / "x.pt", batches=batches, history=[])
    list(batches)
    said = str(resume(tmp_path / "x.pt", batches=batches, fresh=True, history=[]))
    assert "fresh=True is for a new model and cycle" in said


def test_what_cannot_be_kept_is_told_before_training(tmp_path):
    with pytest.raises(CheckpointError, match="lists or dicts, got float"):
        resume(tmp_path / "x.pt", batches=enumerate_cycle([1]), lr=0.1)


def test_lists_and_dicts_taken_up_are_on_the_default_device(tmp_path):
    kept, found = [torch.ones(2)], {"best": torch.ones(2)}
    batches = enumerate_cycle([1, 2], epochs=1)
    resume(tmp_path / "x.pt", batches=batches, kept=kept, found=found)
    list(batches)
    again, found_again = [], {}
    with torch.device("meta"):
        batches = enumerate_cycle([1, 2], epochs=1)
        resume(tmp_path / "x.pt", batches=batches, kept=again, found=found_again)
    assert again[0].device.type == found_again["best"].device.type == "meta"


def test_what_is_shipped_holds_the_finished_model_and_nothing_to_train_with(tmp_path, monkeypatch):
    monkeypatch.setenv("PROBNN_CHECKPOINTS", str(tmp_path / "run"))
    _, model, _ = trained("course/x.pt")
    ship("course/x.pt", tmp_path / "shipped")
    parts = load(tmp_path / "shipped/course/x.pt")
    assert sorted(parts) == ["batches", "history", "model"]
    position = dict(epoch=2, batch_num=0, batches_per_epoch=3, data=3, finished=True)
    assert parts["batches"] == position
    monkeypatch.setenv("PROBNN_CHECKPOINTS", str(tmp_path / "shipped"))
    said, loaded, history = trained("course/x.pt")
    assert said == "finished after 2 epochs, from course/x.pt, shipped"
    assert torch.equal(loaded.weight, model.weight) and len(history) == 6
    assert not (tmp_path / "shipped/course/in-progress/x.pt").exists()  # nothing new to keep


def test_a_training_without_an_optimiser_is_shipped(tmp_path, monkeypatch):
    monkeypatch.setenv("PROBNN_CHECKPOINTS", str(tmp_path))
    batches = enumerate_cycle([1, 2], epochs=1)
    resume("x.pt", batches=batches, history=[])
    list(batches)
    assert sorted(load(ship("x.pt", tmp_path))) == ["batches", "history"]


def test_a_shipped_model_goes_on_when_epochs_are_raised_and_says_that_it_is_not_exact(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("PROBNN_CHECKPOINTS", str(tmp_path))
    trained("x.pt")
    ship("x.pt", tmp_path)
    (tmp_path / "in-progress/x.pt").unlink()
    said, _, history = trained("x.pt", epochs=3)
    assert said == (
        "goes on at epoch 2, batch 0, from x.pt, shipped "
        "(not bit for bit: no optimizer, random streams in it)"
    )
    assert len(history) == 9


def test_unfinished_training_is_not_shipped(tmp_path, monkeypatch):
    monkeypatch.setenv("PROBNN_CHECKPOINTS", str(tmp_path))
    trained("x.pt", stop_after=2)
    with pytest.raises(CheckpointError, match="expected a finished training, got one at epoch 0"):
        ship("x.pt", tmp_path)


def test_stored_results_are_recomputed_when_what_made_them_changed(tmp_path):
    calls = []

    def scores(model, **settings):
        def compute():
            calls.append(1)
            return {"scores": torch.full((2,), float(len(calls)))}

        return stored(tmp_path / "scores.pt", compute, model=model, **settings)["scores"][0].item()

    model = nn.Linear(2, 2)
    assert [scores(model, samples=100) for _ in range(2)] == [1, 1]
    assert scores(model, samples=200) == 2
    with torch.no_grad():
        model.weight[0, 0] += 1e-6
    assert [scores(model, samples=200) for _ in range(2)] == [3, 3]
    long = [torch.zeros(5000), np.zeros(5000)]
    assert scores(model, data=long) == 4
    long[1][2500] = 1  # a place that repr() does not print
    assert scores(model, data=long) == 5
    with pytest.raises(ValueError, match="got data of type date"):
        scores(model, data=datetime.date(2020, 1, 1))


def test_a_shipped_result_is_found_behind_another_one_in_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("PROBNN_CHECKPOINTS", str(tmp_path))
    stored("x.pt", lambda: {"k": torch.tensor(1)}, samples=1)
    ship("x.pt", tmp_path)
    stored("x.pt", lambda: {"k": torch.tensor(2)}, samples=2)
    for k in (1, 2):
        found = stored("x.pt", lambda: pytest.fail("computed again"), samples=k)
        assert found["k"].item() == k


def test_a_result_that_cannot_be_kept_is_returned_all_the_same(tmp_path):
    with pytest.warns(UserWarning, match="not kept"):
        made = {"scores": torch.ones(2), "model": object()}
        result = stored(tmp_path / "x.pt", lambda: made, samples=1)
    assert torch.equal(result["scores"], torch.ones(2))
