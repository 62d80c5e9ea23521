"""Two processes and one file: who comes second is told, and nothing of the first is lost."""

import gc
import os
import socket

import psutil
import pytest
import torch
from runs import owned
from torch import nn

from probnn.training import CheckpointError, enumerate_cycle, keeping, load, resume
from probnn.training.checkpoints import read
from probnn.training.claims import Claim, Claimed, Owner, began

HERE = socket.gethostname()


def work(path, orders):
    """A training as a process of its own: does what it is told, and tells what came of it."""
    parts = {}

    def start(epochs=3, **settings):
        torch.manual_seed(0)
        history, batches = [], enumerate_cycle(torch.randn(8, 3), batch_size=2, epochs=epochs)
        parts.update(model=nn.Linear(3, 1), history=history, batches=batches)
        return again(**settings)

    def again(path=path, **settings):
        try:
            return str(resume(path, save_every=0, **parts, **settings))
        except CheckpointError as error:
            return str(error)

    def steps(count):
        for (_, batch_num), _ in parts["batches"]:
            parts["history"].append(batch_num)
            count -= 1
            if not count:
                break
        try:
            parts["batches"].write()
        except CheckpointError as error:
            return str(error)
        return parts["history"]

    while True:
        order, *arguments = orders.recv()
        settings = arguments.pop() if arguments and isinstance(arguments[-1], dict) else {}
        if order == "more":
            parts["batches"].epochs = arguments[0]
            orders.send(None)
            continue
        orders.send({"start": start, "again": again, "steps": steps}[order](*arguments, **settings))


class Worker:
    def __init__(self, processes, path):
        self.pipe, end = processes.Pipe()
        self.process = processes.Process(target=work, args=(path, end), daemon=True)
        self.process.start()
        self.name = f"{HERE}-{self.process.pid}"

    def does(self, *order):
        self.pipe.send(order)
        assert self.pipe.poll(60)
        return self.pipe.recv()

    def dies(self):
        self.process.kill()
        self.process.join()


@pytest.fixture
def workers(processes, tmp_path):
    two = [Worker(processes, tmp_path / "c.pt") for _ in range(2)]
    yield two
    for worker in two:
        worker.dies()


def files(folder):
    return sorted(path.name for path in (folder / "in-progress").iterdir())


def told(first, path):
    return (
        f"{path}: process {first.process.pid} on {HERE} trains into this file at the moment. Shut "
        "down its kernel, or name another file here, or start over with a new model and cycle and "
        "fresh=True (the other then goes on in a file of its own)"
    )


def aside(worker, folder):
    """The histories in the files of a training that has lost its own."""
    kept = (folder / "in-progress").glob(f"c.aside-{worker.name}-*.pt")
    return [read(path)["history"] for path in kept]


@pytest.mark.slow
def test_who_comes_second_is_told_in_one_line_what_to_do(workers, tmp_path):
    first, second = workers
    assert first.does("start") == "starts at epoch 0"
    first.does("steps", 5)
    assert second.does("start") == told(first, tmp_path / "c.pt")
    assert load(tmp_path / "c.pt")["history"] == [0, 1, 2, 3, 0]


@pytest.mark.slow
def test_a_name_of_its_own_and_the_end_of_the_other_are_remedies(workers, tmp_path):
    first, second = workers
    first.does("start")
    first.does("steps", 5)
    second.does("start")
    assert second.does("again", {"path": tmp_path / "mine.pt"}) == "starts at epoch 0"
    first.dies()
    said = f"goes on at epoch 1, batch 1, from {tmp_path / 'c.pt'}, in progress"
    assert second.does("start") == said
    assert second.does("steps", 1) == [0, 1, 2, 3, 0, 1]
    assert files(tmp_path) == ["c.pt", "c.pt.owner"]


@pytest.mark.slow
def test_fresh_takes_the_file_over_and_both_go_on(workers, tmp_path):
    first, second = workers
    first.does("start")
    first.does("steps", 5)
    said = second.does("start", {"fresh": True})
    assert said.startswith(
        f"starts at epoch 0 (process {first.process.pid} on {HERE} goes on in c."
    )
    assert aside(first, tmp_path) == [[0, 1, 2, 3, 0]]
    second.does("steps", 2)
    first.does("steps", 2)
    assert aside(first, tmp_path) == [[0, 1, 2, 3, 0, 1, 2]]
    assert load(tmp_path / "c.pt")["history"] == [0, 1]


@pytest.mark.slow
def test_who_was_taken_over_goes_on_aside_also_when_its_cell_is_run_again(workers, tmp_path):
    first, second = workers
    first.does("start")
    first.does("steps", 5)
    second.does("start", {"fresh": True})
    second.does("steps", 2)
    said = "goes on at epoch 1, batch 1 (another training has taken it over: goes on in c.aside-"
    assert first.does("again").startswith(said)
    second.dies()
    assert first.does("again").startswith(said)
    first.does("steps", 1)
    assert load(tmp_path / "c.pt")["history"] == [0, 1]
    assert aside(first, tmp_path) == [[0, 1, 2, 3, 0, 1]]


@pytest.mark.slow
def test_trainings_that_take_over_from_each_other_all_stay(workers, tmp_path):
    first, second = workers
    first.does("start")
    first.does("steps", 5)
    for number, worker in enumerate((second, first, second)):
        worker.does("start", {"fresh": True})
        worker.does("steps", number + 1)
    assert sorted(aside(first, tmp_path)) == [[0, 1], [0, 1, 2, 3, 0]]
    assert aside(second, tmp_path) == [[0]]
    assert load(tmp_path / "c.pt")["history"] == [0, 1, 2]


@pytest.mark.slow
def test_a_finished_training_is_everybodys(workers, tmp_path):
    first, second = workers
    first.does("start", {"epochs": 1})
    first.does("steps", 5)
    assert files(tmp_path) == ["c.pt"]
    finished = f"finished after 1 epochs, from {tmp_path / 'c.pt'}, in progress"
    assert second.does("start", {"epochs": 1}) == finished
    assert second.does("start").startswith("goes on at epoch 1")
    assert first.does("start") == told(second, tmp_path / "c.pt")


@pytest.mark.slow
def test_who_has_finished_does_not_write_over_what_another_has_trained_on(workers, tmp_path):
    first, second = workers
    first.does("start", {"epochs": 1})
    first.does("steps", 5)
    second.does("start", {"epochs": 2})
    second.does("steps", 5)
    first.does("more", 3)
    first.does("steps", 1)
    assert load(tmp_path / "c.pt")["history"] == [0, 1, 2, 3] * 2
    assert aside(first, tmp_path) == [[0, 1, 2, 3, 0]]


@pytest.mark.slow
def test_what_is_written_during_a_take_over_is_kept_aside(workers, tmp_path, monkeypatch):
    batches, history = enumerate_cycle([1, 2], epochs=1), []
    resume(tmp_path / "c.pt", batches=batches, history=history)
    whole_save = keeping.save

    def save_slowly(*args, **parts):
        if not history:
            history.append("taken over while it was written")
            workers[0].does("start", {"fresh": True})
        whole_save(*args, **parts)

    monkeypatch.setattr(keeping, "save", save_slowly)
    batches.write()
    workers[0].does("steps", 1)
    mine = (tmp_path / "in-progress").glob(f"c.aside-{HERE}-{os.getpid()}-*.pt")
    assert [read(path)["history"] for path in mine] == [history]


def test_a_training_of_this_process_lives_and_says_where(monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", "notebooks/cambridge/c copy.ipynb")
    owner = Owner.new()
    assert owner.lives() and owner.started == pytest.approx(began(psutil.Process()), abs=2)
    assert str(owner) == f"c copy.ipynb (process {os.getpid()} on {HERE})"


def test_a_process_is_known_again_after_the_clock_was_set(monkeypatch):
    owner, day = Owner.new(), 86400.0
    born, booted = psutil.Process.create_time, psutil.boot_time
    # both are computed from the clock
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: born(process) + day)
    monkeypatch.setattr(psutil, "boot_time", lambda: booted() + day)
    assert owner.lives()
    monkeypatch.setattr(psutil, "boot_time", booted)  # another process of the same number
    assert not owner.lives()


def test_a_process_that_the_system_hides_is_taken_for_alive(monkeypatch):
    def hidden(process):
        raise psutil.AccessDenied(process.pid)

    owner = Owner.new()
    monkeypatch.setattr(psutil.Process, "status", hidden)
    assert owner.lives() is True


def test_a_process_that_is_there_no_more_is_no_owner(tmp_path):
    owned(tmp_path / "c.pt", process=2**22 + 1, started=began(psutil.Process()))
    assert Claim(tmp_path / "c.pt").take() == ""


def test_a_claim_stays_and_is_renewed_where_its_file_is_gone(tmp_path):
    claim = Claim(tmp_path / "c.pt")
    claim.take()
    (tmp_path / "c.pt.owner").unlink()
    assert claim.place() == tmp_path / "c.pt" and not claim.lost
    assert Owner.of(tmp_path / "c.pt.owner") == claim.me


def test_a_file_that_is_let_go_may_be_claimed_again_unless_another_has_written_it(tmp_path):
    claim = Claim(tmp_path / "c.pt")
    claim.take(), claim.place(), claim.release()
    assert claim.place() == tmp_path / "c.pt"
    (tmp_path / "c.pt").write_text("its own")
    assert claim.place() == tmp_path / "c.pt"
    claim.release()
    (tmp_path / "c.pt").write_text("another's")
    assert claim.place().name.startswith("c.aside-") and claim.lost
    assert claim.take().startswith("another training has taken it over: goes on in c.aside-")
    assert not (tmp_path / "c.pt.owner").exists()


def test_what_was_loaded_and_never_claimed_is_not_written_over_what_another_has_made_of_it(
    tmp_path,
):
    claim = Claim(tmp_path / "c.pt")
    claim.release()  # as of a finished training
    (tmp_path / "c.pt").write_text("another's")
    assert claim.place() != tmp_path / "c.pt"


def test_who_is_taken_over_need_not_have_written(tmp_path):
    other = owned(tmp_path / "c.pt")
    claim = Claim(tmp_path / "c.pt")
    assert claim.take(over=True).startswith(f"{other} goes on in c.aside-")
    assert claim.place() == tmp_path / "c.pt"


def test_what_another_has_claimed_is_not_let_go(tmp_path):
    claim = Claim(tmp_path / "c.pt")
    claim.take()
    owned(tmp_path / "c.pt")
    claim.release()
    assert (tmp_path / "c.pt.owner").exists()


def test_a_process_that_has_ended_is_no_owner_although_another_has_its_number(tmp_path):
    owned(tmp_path / "c.pt", started=0.0)
    (tmp_path / "c.pt").write_text("what it has")
    claim = Claim(tmp_path / "c.pt")
    assert claim.take() == "" and claim.place() == tmp_path / "c.pt"
    assert len(list(tmp_path.iterdir())) == 2  # no copy is kept aside


def test_the_notebook_is_named_if_jupyter_tells_it(tmp_path):
    other = owned(tmp_path / "c.pt", notebook="c copy.ipynb")
    with pytest.raises(Claimed, match=rf"c copy.ipynb \({other}\)"):
        Claim(tmp_path / "c.pt").take()


def test_what_cannot_be_told_of_another_computer_is_said_and_what_is_there_is_copied(tmp_path):
    owned(tmp_path / "c.pt", process=12, host="node-7")
    (tmp_path / "c.pt").write_text("what it has")
    said = "process 12 on node-7, if it still runs, goes on in c.aside-node-7-12-abc.pt"
    assert Claim(tmp_path / "c.pt").take() == said
    assert (tmp_path / "c.aside-node-7-12-abc.pt").read_text() == "what it has"


@pytest.mark.parametrize("content", ["", "[]", "{}", "\0"])
def test_an_owner_that_is_unreadable_is_none(content, tmp_path):
    (tmp_path / "c.pt.owner").write_text(content)
    assert Claim(tmp_path / "c.pt").take() == ""


def test_two_trainings_of_one_process_do_not_share_a_file(tmp_path):
    first, second = (enumerate_cycle([1, 2, 3], epochs=1) for _ in range(2))
    resume(tmp_path / "c.pt", batches=first, history=["first"])
    assert str(resume(tmp_path / "c.pt", batches=second, history=["2nd"])) == "starts at epoch 0"
    second.write(), first.write()
    assert load(tmp_path / "c.pt")["history"] == ["2nd"]
    assert len(files(tmp_path)) == 3


def test_a_name_that_is_trained_into_no_more_is_free(tmp_path):
    batches = enumerate_cycle([1, 2, 3], epochs=1)
    for name in ("c.pt", "mine.pt"):
        resume(tmp_path / name, batches=batches, history=[])
        assert files(tmp_path) == [f"{name}.owner"]
    del batches
    gc.collect()
    assert files(tmp_path) == []


def test_names_with_a_common_beginning_are_claimed_apart(tmp_path):
    claims = [Claim(tmp_path / name) for name in ("c.pt.old", "c", "c.pt")]
    assert [claim.take() for claim in claims] == [""] * 3
    assert [claim.place() for claim in claims] == [claim.path for claim in claims]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no forks")
def test_a_fork_is_another_training(tmp_path):
    batches, history = enumerate_cycle([1, 2, 3], epochs=1), ["parent's"]
    resume(tmp_path / "c.pt", batches=batches, history=history)
    batches.write()
    child = os.fork()
    if child == 0:
        history[:] = ["child's"]
        batches.write()
        os._exit(0)
    os.waitpid(child, 0)
    assert load(tmp_path / "c.pt")["history"] == ["parent's"]
    (of_child,) = (tmp_path / "in-progress").glob(f"c.aside-{HERE}-{child}-*.pt")
    assert read(of_child)["history"] == ["child's"]


@pytest.mark.slow
def test_of_many_that_come_at_once_each_keeps_what_it_has(processes, tmp_path):
    for number in range(3):
        workers = [Worker(processes, tmp_path / f"{number}/c.pt") for _ in range(4)]
        for worker in workers:
            worker.pipe.send(("start", {}))
        answers = [worker.pipe.recv() for worker in workers]
        started = [w for w, said in zip(workers, answers, strict=True) if said.startswith("starts")]
        for steps, worker in enumerate(started, 1):
            worker.does("steps", steps)
        kept = [read(path)["history"] for path in (tmp_path / f"{number}/in-progress").glob("*.pt")]
        expected = [[0, 1, 2, 3][:steps] for steps in range(1, len(started) + 1)]
        assert all(history in kept for history in expected)
        for worker in workers:
            worker.dies()
