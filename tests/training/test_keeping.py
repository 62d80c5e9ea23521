"""A disk that fails in the middle of training: one line says so, and training goes on."""

import os
import shutil
import time
from contextlib import contextmanager

import pytest
from runs import STEPS, Run, owned, uninterrupted

from probnn.training import (
    CheckpointError,
    Interrupted,
    TrainingFile,
    enumerate_cycle,
    load,
    resume,
)

resource = pytest.importorskip("resource", reason="limits of file sizes are Unix's")
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@contextmanager
def full_disk(folder):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def folder_gone(folder):
    folder.rename(folder.parent / "away")
    folder.write_text("a file in its place")
    try:
        yield
    finally:
        folder.unlink()
        (folder.parent / "away").rename(folder)


@contextmanager
def read_only_folder(folder):
    for parent in (folder, *folder.parents[:3]):
        parent.chmod(0o555 if parent == folder else 0o755)
    if ROOT:  # for whom no folder is read-only
        os.seteuid(65534)
    try:
        yield
    finally:
        if ROOT:
            os.seteuid(0)
        folder.chmod(0o755)


@contextmanager
def no_atomic_rename(folder):
    def replace(source, target):
        raise OSError(95, "Operation not supported")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", replace)
        yield


CAUSES = [full_disk, folder_gone, read_only_folder, no_atomic_rename]


@pytest.fixture(params=CAUSES, ids=lambda cause: cause.__name__)
def cause(request):
    return request.param


def steps(run, count):
    for position, x in run.batches:
        run.step(position, x)
        count -= 1
        if not count:
            break


def test_training_goes_on_says_so_once_and_is_saved_when_the_cause_is_gone(cause, tmp_path, capsys):
    run = Run("list")
    resume(tmp_path / "run.pt", save_every=0, **run.parts())
    steps(run, 2)
    with cause(tmp_path / "in-progress"):
        steps(run, 3)
        said = capsys.readouterr().out.splitlines()
        assert len(said) == 1
        path = tmp_path / "in-progress/run.pt"
        assert said[0].startswith(f"NOT saved for now; training goes on: {path}: cannot be written")
        assert "What was there before is intact." in said[0]
    assert len(load(tmp_path / "run.pt")["history"]) == 1
    steps(run, 1)
    assert len(load(tmp_path / "run.pt")["history"]) == 5
    run.train()
    assert run == uninterrupted("list")
    assert [path.name for path in (tmp_path / "in-progress").iterdir()] == ["run.pt"]


def test_at_an_interrupt_the_line_says_that_it_was_not_saved_and_nothing_is_lost(cause, tmp_path):
    run = Run("list")
    resume(tmp_path / "run.pt", **run.parts())
    steps(run, 1)
    with cause(tmp_path / "in-progress"):
        with pytest.raises(
            Interrupted, match="Run this cell again .* It was NOT saved .*cannot be"
        ):
            run.train(interrupt_at=3)
    run.train()
    assert run == uninterrupted("list")
    assert len(load(tmp_path / "run.pt")["history"]) == STEPS


def test_at_the_end_it_is_an_error_and_running_the_cell_again_saves(cause, tmp_path):
    run = Run("list")
    resume(tmp_path / "run.pt", **run.parts())
    with cause(tmp_path / "in-progress"):
        for _ in range(2):
            with pytest.raises(CheckpointError, match="cannot be written"):
                run.train()
    assert run == uninterrupted("list")
    run.train()
    assert len(load(tmp_path / "run.pt")["history"]) == STEPS


def test_a_folder_that_cannot_be_written_is_told_at_the_start(tmp_path):
    (tmp_path / "in-progress").write_text("a file")
    said = str(resume(tmp_path / "x.pt", batches=enumerate_cycle([1], epochs=1), history=[]))
    why = "NOT saved, since nothing can be written there: File exists"
    assert said == f"starts at epoch 0 ({why})"


def test_a_folder_that_was_removed_is_made_again(tmp_path):
    run = Run("list")
    resume(tmp_path / "run.pt", **run.parts())
    with pytest.raises(Interrupted):
        run.train(interrupt_at=3)
    shutil.rmtree(tmp_path / "in-progress")
    run.train()
    assert run == uninterrupted("list") and len(load(tmp_path / "run.pt")["history"]) == STEPS


def test_a_part_that_cannot_be_kept_is_an_error_at_once(tmp_path):
    history, batches = [], enumerate_cycle([1, 2, 3], epochs=1)
    resume(tmp_path / "x.pt", batches=batches, history=history, save_every=0)
    with pytest.raises(CheckpointError, match=r"got history\[0\] of type object"):
        for _ in batches:
            history.append(object())


def test_it_tells_whether_it_was_written(tmp_path, monkeypatch):
    batches = enumerate_cycle([1, 2], epochs=1)
    monkeypatch.setattr(time, "monotonic", lambda: 5.0)  # 0 seconds later is late enough
    due, early = (TrainingFile(tmp_path / "x.pt", {}, every) for every in (0.0, 1.0))
    early.write(batches), early.claim.release(), due.write(batches)
    (tmp_path / "x.pt").unlink()
    assert due.write_if_due(batches) and (tmp_path / "x.pt").exists()
    assert not early.write_if_due(batches)
    with no_atomic_rename(tmp_path):
        assert not due.write_if_due(batches)


def test_a_training_whose_file_another_process_has_goes_on_beside_it_and_says_so_once(
    tmp_path, capsys
):
    history, batches = [], enumerate_cycle([1, 2], epochs=1)
    file = TrainingFile(tmp_path / "x.pt", {"history": history})
    owned(tmp_path / "x.pt")
    for value in (1, 2):
        history.append(value)
        file.write(batches)
    (beside,) = tmp_path.glob("x.aside-*.pt")
    said = f"another training goes on in x.pt: this one does in {beside.name}\n"
    assert capsys.readouterr().out == said
    assert load(beside)["history"] == [1, 2] and not (tmp_path / "x.pt").exists()


def test_a_clock_that_jumps_changes_nothing(tmp_path, monkeypatch):
    run = Run("list")
    resume(tmp_path / "run.pt", save_every=0, **run.parts())
    for i, jump in enumerate((1e9, -1e9, 0)):
        monkeypatch.setattr(time, "time", lambda jump=jump: jump)
        steps(run, 1)
        saved = load(tmp_path / "run.pt")["history"] if i else []
        assert len(saved) == i
    run.train()
    assert run == uninterrupted("list")


def test_in_jupyter_the_error_is_one_line():
    assert CheckpointError("x.pt: ...")._render_traceback_() == ["x.pt: ..."]
