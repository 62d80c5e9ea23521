"""Two processes and one file: who comes second is told, and nothing of the first is lost."""

import os
import socket
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from torch import nn

from probnn.training import CheckpointError, enumerate_cycle, load, resume
from probnn.training.claims import Claimed, claim, own_place, release

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


@pytest.mark.slow
def test_who_comes_second_is_told_in_one_line_what_to_do(workers, tmp_path):
    first, second = workers
    assert first.does("start") == "starts at epoch 0"
    first.does("steps", 5)
    assert second.does("start") == (
        f"{tmp_path / 'c.pt'}: process {first.process.pid} on {HERE} trains into this file at the "
        "moment. Close that one, or name another file, or start over here with a new model and "
        "cycle and fresh=True"
    )
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
    assert files(tmp_path) == [
        "c.pt",
        f"c.pt.{second.name}.lock",
        f"mine.pt.{second.name}.lock",
    ]


@pytest.mark.slow
def test_fresh_takes_the_file_over_and_both_go_on(workers, tmp_path):
    first, second = workers
    first.does("start")
    first.does("steps", 5)
    said = f"starts at epoch 0 (process {first.process.pid} on {HERE} goes on in c.{first.name}.pt)"
    assert second.does("start", {"fresh": True}) == said
    assert load(tmp_path / f"c.{first.name}.pt")["history"] == [0, 1, 2, 3, 0]
    second.does("steps", 2)
    first.does("steps", 2)
    assert load(tmp_path / f"c.{first.name}.pt")["history"] == [0, 1, 2, 3, 0, 1, 2]
    assert load(tmp_path / "c.pt")["history"] == [0, 1]


@pytest.mark.slow
def test_who_was_taken_over_does_not_write_to_the_file_when_the_other_has_ended(workers, tmp_path):
    first, second = workers
    first.does("start")
    first.does("steps", 5)
    second.does("start", {"fresh": True})
    second.does("steps", 2)
    second.dies()
    first.does("steps", 1)
    assert load(tmp_path / "c.pt")["history"] == [0, 1]
    assert load(tmp_path / f"c.{first.name}.pt")["history"] == [0, 1, 2, 3, 0, 1]


@pytest.mark.slow
def test_a_finished_training_is_everybodys(workers, tmp_path):
    first, second = workers
    first.does("start", {"epochs": 1})
    first.does("steps", 5)
    assert files(tmp_path) == ["c.pt"]
    finished = f"finished after 1 epochs, from {tmp_path / 'c.pt'}, in progress"
    assert second.does("start", {"epochs": 1}) == finished
    assert second.does("start").startswith("goes on at epoch 1")
    assert "trains into this file" in first.does("start")


def left_by(folder, owner):
    (folder / f"c.pt.{owner}.lock").touch()


def test_the_claim_of_a_dead_process_is_removed_without_a_word(tmp_path):
    left_by(tmp_path, f"{HERE}-1")
    assert claim(tmp_path / "c.pt") == ""
    assert len(list(tmp_path.iterdir())) == 1
    release(tmp_path / "c.pt")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_told_of_a_process_on_another_computer_is_said(tmp_path):
    left_by(tmp_path, "cluster-node-7-12")
    said = "process 12 on cluster-node-7, if it still runs, goes on in c.cluster-node-7-12.pt"
    assert claim(tmp_path / "c.pt") == said
    assert "c.pt.cluster-node-7-12.taken" in names(tmp_path)
    release(tmp_path / "c.pt")


def test_of_several_processes_on_other_computers_each_is_told(tmp_path):
    for owner in ("node-1", "other-2"):
        left_by(tmp_path, owner)
    assert sorted(claim(tmp_path / "c.pt").split("; ")) == [
        "process 1 on node, if it still runs, goes on in c.node-1.pt",
        "process 2 on other, if it still runs, goes on in c.other-2.pt",
    ]
    release(tmp_path / "c.pt")


@pytest.fixture
def living(tmp_path):
    """Who trains into the file at the moment, by another lock of this process."""
    lock = FileLock(tmp_path / "c.pt.elsewhere-7.lock", thread_local=False)
    lock.acquire()
    yield "elsewhere-7"
    lock.release()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_file_of_a_living_process_is_refused_and_stays_its_own(tmp_path, living):
    with pytest.raises(Claimed, match="^process 7 on elsewhere$"):
        claim(tmp_path / "c.pt")
    assert names(tmp_path) == [f"c.pt.{living}.lock"]


def test_what_is_taken_over_from_a_living_process_is_set_aside(tmp_path, living):
    (tmp_path / "c.pt").write_text("theirs")
    said = claim(tmp_path / "c.pt", take_over=True)
    assert said == f"process 7 on elsewhere goes on in c.{living}.pt"
    mine = f"c.pt.{HERE}-{os.getpid()}.lock"
    assert names(tmp_path) == sorted([f"c.{living}.pt", f"c.pt.{living}.taken", mine])
    assert (tmp_path / f"c.{living}.pt").read_text() == "theirs"
    release(tmp_path / "c.pt")


def test_a_living_process_that_has_not_written_yet_can_be_taken_over(tmp_path, living):
    said = claim(tmp_path / "c.pt", take_over=True)
    assert said == f"process 7 on elsewhere goes on in c.{living}.pt"
    release(tmp_path / "c.pt")


def test_where_open_files_cannot_be_renamed_nothing_is_taken_over(tmp_path, living, monkeypatch):
    def replace(*_):
        raise PermissionError

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(Claimed, match="^process 7 on elsewhere$"):
        claim(tmp_path / "c.pt", take_over=True)
    assert names(tmp_path) == [f"c.pt.{living}.lock"]


def test_who_finds_the_file_claimed_when_writing_writes_beside_it_from_then_on(tmp_path, living):
    beside = tmp_path / f"c.{HERE}-{os.getpid()}.pt"
    assert own_place(tmp_path / "c.pt") == beside
    (tmp_path / f"c.pt.{living}.lock").unlink()
    assert own_place(tmp_path / "c.pt") == beside
    release(tmp_path / "c.pt")
    assert own_place(tmp_path / "c.pt") == tmp_path / "c.pt"
    release(tmp_path / "c.pt")


def test_who_has_been_taken_over_writes_beside_the_file_from_then_on(tmp_path):
    me = f"{HERE}-{os.getpid()}"
    claim(tmp_path / "c.pt")
    (tmp_path / f"c.pt.{me}.lock").rename(
        tmp_path / f"c.pt.{me}.taken"
    )  # as who takes it over does
    for _ in range(2):
        assert own_place(tmp_path / "c.pt") == tmp_path / f"c.{me}.pt"
    assert not names(tmp_path)
    release(tmp_path / "c.pt")


def test_a_process_may_claim_a_file_twice(tmp_path):
    for _ in range(2):
        assert claim(tmp_path / "c.pt") == ""
    release(tmp_path / "c.pt")
    release(tmp_path / "c.pt")


def test_a_claim_is_not_given_up_for_a_moment_when_it_is_made_again(tmp_path, monkeypatch):
    claim(tmp_path / "c.pt")
    with monkeypatch.context() as patch:
        patch.setattr(FileLock, "release", lambda *_, **__: pytest.fail("given up"))
        assert claim(tmp_path / "c.pt") == ""
    release(tmp_path / "c.pt")


def test_who_writes_without_a_claim_makes_one(tmp_path):
    assert own_place(tmp_path / "c.pt") == tmp_path / "c.pt"
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]
    release(tmp_path / "c.pt")


def test_files_with_a_common_beginning_are_claimed_apart(tmp_path):
    claim(tmp_path / "c.pt"), claim(tmp_path / "c.pt.old.pt")
    release(tmp_path / "c.pt")
    assert [path.name for path in tmp_path.iterdir()] == [f"c.pt.old.pt.{HERE}-{os.getpid()}.lock"]
    release(tmp_path / "c.pt.old.pt")


def test_a_folder_without_locks_is_said_to_be_one_and_does_not_hinder(tmp_path, monkeypatch):
    def no_locks(*_, **__):
        raise NotImplementedError

    monkeypatch.setattr("filelock.FileLock.acquire", no_locks)
    batches = enumerate_cycle([1, 2], epochs=1)
    said = str(resume(tmp_path / "c.pt", batches=batches, history=[]))
    assert said == (
        "starts at epoch 0 (whether another process trains into it cannot be told: no locks in "
        "this folder)"
    )
    list(batches)
    assert load(tmp_path / "c.pt")["batches"]["finished"]


@pytest.mark.slow
def test_of_many_that_come_at_once_at_most_one_gets_the_file(processes, tmp_path):
    for _ in range(5):
        workers = [Worker(processes, tmp_path / "c.pt") for _ in range(4)]
        for worker in workers:
            worker.pipe.send(("start", {}))
        answers = [worker.pipe.recv() for worker in workers]
        assert sum(answer == "starts at epoch 0" for answer in answers) <= 1
        for worker in workers:
            worker.dies()
