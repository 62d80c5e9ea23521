"""Files that are whole or absent, safe to load, and enough to go on exactly, also after a process was killed."""

import datetime
import os
import pickle
import signal
import time
from contextlib import suppress

import numpy as np
import pytest
import torch
from torch import nn, optim

from probnn import CheckpointError, Interruptable, Interrupted, enumerate_cycle, load, resume, save, ship, stored


def train(path, said):
    """A training that writes its checkpoint at every step, as a process of its own; sends what `resume` says, and in the end an error, if any."""
    try:
        torch.manual_seed(0)
        model = nn.Linear(50, 50)
        optimizer = optim.Adam(model.parameters())
        batches = enumerate_cycle(torch.randn(40, 50), batch_size=4, epochs=30)
        history = []
        said.send(resume(path, model=model, optimizer=optimizer, batches=batches, history=history, save_every=0))
        with Interruptable() as check_interrupted:
            for position, x in batches:
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
        time.sleep(0.03 * (1 + kills) * (0.5 + delays[kills].item()))  # longer each time, to get to the end
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


def test_what_is_saved_is_what_is_loaded(tmp_path):
    history = [1.5, np.float64(2.5), {"step": np.int64(3), "z": np.ones(2)}, ("a", None, True)]
    save(tmp_path / "x.pt", history=history, stages={1: torch.ones(2, requires_grad=True)})
    parts = load(tmp_path / "x.pt")
    assert parts["history"][:2] == [1.5, 2.5] and parts["history"][3] == ("a", None, True)
    assert parts["history"][2]["step"] == 3 and parts["history"][2]["z"].tolist() == [1, 1]
    assert parts["stages"][1].tolist() == [1, 1]


def test_what_could_not_be_loaded_again_is_refused_when_saving(tmp_path):
    save(tmp_path / "x.pt", history=[1])
    with pytest.raises(CheckpointError, match=r"got history\[1\]\['model'\] of type Linear"):
        save(tmp_path / "x.pt", history=[1, {"model": nn.Linear(1, 1)}])
    with pytest.raises(CheckpointError, match="lists or dicts, got method"):
        save(tmp_path / "x.pt", model=nn.Linear(1, 1).state_dict)  # the call is missing
    assert load(tmp_path / "x.pt") == {"history": [1]} and len(list(tmp_path.iterdir())) == 1


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    save(tmp_path / "x.pt", history=[1])
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError("no space left on device")))
    with pytest.raises(CheckpointError, match="no space left on device.*file before it is intact"):
        save(tmp_path / "x.pt", history=[1, 2])
    assert load(tmp_path / "x.pt") == {"history": [1]} and len(list(tmp_path.iterdir())) == 1


class Malicious:
    def __init__(self, victim):
        self.victim = victim

    def __reduce__(self):
        return os.mkdir, (str(self.victim),)


def test_a_malicious_file_runs_nothing(tmp_path):
    torch.save({"probnn checkpoint": 1, "parts": {"model": Malicious(tmp_path / "harm")}}, tmp_path / "zip.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Malicious(tmp_path / "harm")))
    for name in ("zip.pt", "plain.pt"):
        with pytest.raises(CheckpointError, match=f"{name}: expected a checkpoint, got a file that does not load safely"):
            load(tmp_path / name)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("keep", [0, 10, 1000, -1])
def test_a_truncated_file_is_a_clear_error(tmp_path, keep):
    save(tmp_path / "x.pt", model=nn.Linear(30, 30))
    (tmp_path / "x.pt").write_bytes((tmp_path / "x.pt").read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="x.pt: expected a checkpoint, got a file that does not load safely"):
        load(tmp_path / "x.pt")


def test_foreign_and_missing_files_are_clear_errors(tmp_path):
    torch.save(nn.Linear(1, 1).state_dict(), tmp_path / "foreign.pt")
    with pytest.raises(CheckpointError, match="foreign.pt: expected a checkpoint of probnn, got another kind of file"):
        load(tmp_path / "foreign.pt")
    with pytest.raises(FileNotFoundError, match="got no file"):
        load(tmp_path / "none.pt")


def trained(path, width=1, epochs=2, **options):
    model, batches, history = nn.Linear(1, width), enumerate_cycle([torch.ones(1, 1)] * 3, epochs=epochs), []
    optimizer = optim.Adam(model.parameters())
    said = resume(path, model=model, optimizer=optimizer, batches=batches, history=history, **options)
    for _, x in batches:
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()
        history.append(1.0)
    return said, model, history


def test_a_checkpoint_of_another_model_is_a_clear_error_and_stays(tmp_path):
    trained(tmp_path / "x.pt")
    before = (tmp_path / "in-progress/x.pt").read_bytes()
    with pytest.raises(CheckpointError, match="its model does not fit .*size mismatch.*fresh=True"):
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
    assert resume(tmp_path / "x.pt", batches=batches, fresh=True, **parts) == "starts at epoch 0"


def test_a_checkpoint_without_a_part_that_is_asked_for_is_a_clear_error(tmp_path):
    trained(tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="expected .*net.* in it, got .*model"):
        resume(tmp_path / "x.pt", batches=enumerate_cycle([1] * 3, epochs=2), net=nn.Linear(1, 1))


def test_fresh_says_so_when_it_comes_too_late(tmp_path):
    batches = enumerate_cycle([1], epochs=1)
    resume(tmp_path / "x.pt", batches=batches, history=[])
    list(batches)
    assert "fresh=True is for a new model and cycle" in resume(tmp_path / "x.pt", batches=batches, fresh=True, history=[])


def test_what_cannot_be_kept_is_told_before_training(tmp_path):
    with pytest.raises(CheckpointError, match="lists or dicts, got float"):
        resume(tmp_path / "x.pt", batches=enumerate_cycle([1]), lr=0.1)


def test_an_interrupt_that_cannot_be_saved_still_interrupts_and_says_so(tmp_path):
    (tmp_path / "in-progress").write_text("a file where the folder should be")
    batches, history = enumerate_cycle([1, 2], False, 1), []
    resume(tmp_path / "x.pt", batches=batches, history=history)
    with pytest.raises(Interrupted, match="NOT saved to the checkpoint: .*cannot be written"), Interruptable() as check_interrupted:
        for _, x in batches:
            signal.raise_signal(signal.SIGINT)
            check_interrupted()
    assert next(batches)[1] == 1


def test_keys_are_made_plain_and_views_are_written_without_the_rest(tmp_path):
    images = torch.zeros(1000, 784)
    save(tmp_path / "x.pt", history={np.int64(3): images[0]})
    assert load(tmp_path / "x.pt")["history"][3].shape == (784,)
    assert (tmp_path / "x.pt").stat().st_size < 10_000
    with pytest.raises(CheckpointError, match="a key of history of type date"):
        save(tmp_path / "x.pt", history={datetime.date(2020, 1, 1): 1})


def test_fresh_starts_over(tmp_path):
    trained(tmp_path / "x.pt")
    assert trained(tmp_path / "x.pt")[0] == f"finished after 2 epochs, from {tmp_path / 'x.pt'}, in progress"
    said, _, history = trained(tmp_path / "x.pt", fresh=True)
    assert said == "starts at epoch 0" and len(history) == 6


def test_what_is_shipped_holds_the_finished_model_and_nothing_to_train_with(tmp_path, monkeypatch):
    monkeypatch.setenv("PROBNN_CHECKPOINTS", str(tmp_path / "run"))
    _, model, _ = trained("course/x.pt")
    ship("course/x.pt", tmp_path / "shipped")
    parts = load(tmp_path / "shipped/course/x.pt")
    assert sorted(parts) == ["batches", "history", "model"]
    assert parts["batches"] == {"epoch": 2, "batch_num": 0, "batches_per_epoch": 3, "data": 3, "finished": True}
    monkeypatch.setenv("PROBNN_CHECKPOINTS", str(tmp_path / "shipped"))
    said, loaded, history = trained("course/x.pt")
    assert said.endswith("course/x.pt, shipped (not bit for bit: no optimizer, random streams in it)") or said == "finished after 2 epochs, from course/x.pt, shipped"
    assert torch.equal(loaded.weight, model.weight) and len(history) == 6


def test_a_shipped_model_goes_on_when_epochs_are_raised_and_says_that_it_is_not_exact(tmp_path, monkeypatch):
    monkeypatch.setenv("PROBNN_CHECKPOINTS", str(tmp_path))
    trained("x.pt")
    ship("x.pt", tmp_path)
    (tmp_path / "in-progress/x.pt").unlink()
    said, _, history = trained("x.pt", epochs=3)
    assert said == "goes on at epoch 2, batch 0, from x.pt, shipped (not bit for bit: no optimizer, random streams in it)"
    assert len(history) == 9


def test_unfinished_training_is_not_shipped(tmp_path, monkeypatch):
    monkeypatch.setenv("PROBNN_CHECKPOINTS", str(tmp_path))
    monkeypatch.setenv("PROBNN_CUT_SHORT", "2")
    trained("x.pt")
    with pytest.raises(CheckpointError, match="expected a finished training, got one at epoch 0"):
        ship("x.pt", tmp_path)


def test_stored_results_are_recomputed_when_what_made_them_changed(tmp_path):
    calls = []

    def scores(model, **settings):
        compute = lambda: calls.append(1) or {"scores": torch.full((2,), float(len(calls)))}  # noqa: E731
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
    result = lambda k: stored("x.pt", lambda: {"k": torch.tensor(k)}, samples=k)["k"].item()  # noqa: E731
    result(1)
    ship("x.pt", tmp_path)
    result(2)
    monkeypatch.setattr("probnn.resuming.save", lambda *a, **b: pytest.fail("computed again"))
    assert result(1) == 1 and result(2) == 2


def test_a_result_that_cannot_be_kept_is_returned_all_the_same(tmp_path):
    with pytest.warns(UserWarning, match="not kept"):
        result = stored(tmp_path / "x.pt", lambda: {"scores": torch.ones(2), "model": object()}, samples=1)
    assert torch.equal(result["scores"], torch.ones(2))


def test_lists_and_dicts_taken_up_are_on_the_default_device(tmp_path):
    kept, found = [torch.ones(2)], {"best": torch.ones(2)}
    batches = enumerate_cycle([1, 2], epochs=1)
    resume(tmp_path / "x.pt", batches=batches, kept=kept, found=found)
    list(batches)
    again, found_again = [], {}
    with torch.device("meta"):
        resume(tmp_path / "x.pt", batches=enumerate_cycle([1, 2], epochs=1), kept=again, found=found_again)
    assert again[0].device.type == found_again["best"].device.type == "meta"
