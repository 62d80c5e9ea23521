"""Files that are whole or absent, and safe to load."""

import datetime
import os
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from probnn.training import CheckpointError, TrainingFile, enumerate_cycle, load, save

NOT_SAFE = "expected a checkpoint, got a file that does not load safely"


def test_what_is_saved_is_what_is_loaded(tmp_path):
    history = [1.5, np.float64(2.5), {"step": np.int64(3), "z": np.ones(2)}, ("a", None, True)]
    save(tmp_path / "x.pt", history=history, stages={1: torch.ones(2, requires_grad=True)})
    parts = load(tmp_path / "x.pt")
    assert parts["history"][:2] == [1.5, 2.5] and parts["history"][3] == ("a", None, True)
    assert parts["history"][2]["step"] == 3 and parts["history"][2]["z"].tolist() == [1, 1]
    assert parts["stages"][1].tolist() == [1, 1]


def test_a_file_says_what_it_is_and_which_torch_wrote_it(tmp_path):
    save(tmp_path / "x.pt", history=[1])
    content = torch.load(tmp_path / "x.pt", weights_only=True)
    expected = {"probnn checkpoint": 1, "torch": torch.__version__, "parts": {"history": [1]}}
    assert content == expected


def test_what_could_not_be_loaded_again_is_refused_when_saving(tmp_path):
    save(tmp_path / "x.pt", history=[1])
    with pytest.raises(CheckpointError, match=r"got history\[1\]\['model'\] of type Linear"):
        save(tmp_path / "x.pt", history=[1, {"model": nn.Linear(1, 1)}])
    with pytest.raises(CheckpointError, match="lists or dicts, got method"):
        save(tmp_path / "x.pt", model=nn.Linear(1, 1).state_dict)  # the call is missing
    assert load(tmp_path / "x.pt") == {"history": [1]} and len(list(tmp_path.iterdir())) == 1


def test_keys_are_made_plain_and_views_are_written_without_the_rest(tmp_path):
    images = torch.zeros(1000, 784)
    save(tmp_path / "x.pt", history={np.int64(3): images[0]})
    assert load(tmp_path / "x.pt")["history"][3].shape == (784,)
    assert (tmp_path / "x.pt").stat().st_size < 10_000
    with pytest.raises(CheckpointError, match="a key of history of type date"):
        save(tmp_path / "x.pt", history={datetime.date(2020, 1, 1): 1})


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    save(tmp_path / "x.pt", history=[1])

    def fail(handle):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(CheckpointError) as caught:
        save(tmp_path / "x.pt", history=[1, 2])
    assert str(caught.value) == (
        f"{tmp_path / 'x.pt'}: cannot be written (no space left on device). What was there before "
        "is intact. Make the folder writable and room on the disk, then run the cell again, or "
        "name another file"
    )
    assert load(tmp_path / "x.pt") == {"history": [1]} and len(list(tmp_path.iterdir())) == 1


class Malicious:
    def __init__(self, victim):
        self.victim = victim

    def __reduce__(self):
        return os.mkdir, (str(self.victim),)


def test_a_malicious_file_runs_nothing(tmp_path):
    content = {"probnn checkpoint": 1, "parts": {"model": Malicious(tmp_path / "harm")}}
    torch.save(content, tmp_path / "zip.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Malicious(tmp_path / "harm"), protocol=2))
    for name in ("zip.pt", "plain.pt"):
        with pytest.raises(CheckpointError, match=f"{name}: {NOT_SAFE}"):
            load(tmp_path / name)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("keep", [0, 10, 1000, -1])
def test_a_truncated_file_is_a_clear_error(tmp_path, keep):
    save(tmp_path / "x.pt", model=nn.Linear(30, 30))
    (tmp_path / "x.pt").write_bytes((tmp_path / "x.pt").read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=f"x.pt: {NOT_SAFE}"):
        load(tmp_path / "x.pt")


def test_an_error_without_a_text_is_told_by_its_name(tmp_path, monkeypatch):
    save(tmp_path / "x.pt", history=[1])

    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises(CheckpointError, match=rf"{NOT_SAFE} \(MemoryError\)\. Move it away: "):
        load(tmp_path / "x.pt")


def test_foreign_and_missing_files_are_clear_errors(tmp_path):
    torch.save(nn.Linear(1, 1).state_dict(), tmp_path / "foreign.pt")
    said = (
        r"foreign.pt: expected a checkpoint of probnn, got another kind of file\. "
        "Move it away, or name another file$"
    )
    with pytest.raises(CheckpointError, match=said):
        load(tmp_path / "foreign.pt")
    with pytest.raises(FileNotFoundError, match="got no file"):
        load(tmp_path / "none.pt")


def test_checksums_are_written_whatever_the_process_does_with_those_of_others(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        save(tmp_path / "x.pt", history=[1])
        assert torch.serialization.get_crc32_options() is False
        assert load(tmp_path / "x.pt") == {"history": [1]}
    finally:
        torch.serialization.set_crc32_options(True)


def test_what_a_file_needs_are_its_mark_and_its_parts(tmp_path):
    torch.save({"probnn checkpoint": 1, "parts": {"history": [1]}}, tmp_path / "x.pt")
    assert load(tmp_path / "x.pt") == {"history": [1]}


def test_what_cannot_be_read_is_a_clear_error(tmp_path):
    (tmp_path / "folder.pt").mkdir()
    torch.save({"probnn checkpoint": 1}, tmp_path / "no_parts.pt")
    for name in ("folder.pt", "no_parts.pt"):
        with pytest.raises(CheckpointError, match=f"{name}: expected a checkpoint"):
            load(tmp_path / name)


def test_a_trainings_file_holds_its_parts_as_they_are_when_it_is_written(tmp_path):
    history, batches = [], enumerate_cycle([1, 2, 3], epochs=1)
    file = TrainingFile(tmp_path / "x.pt", {"history": history})
    history.append(1.5)
    next(batches)
    file.write(batches)
    parts = load(tmp_path / "x.pt")
    assert parts["history"] == [1.5] and parts["batches"]["batch_num"] == 1


def test_a_file_in_progress_has_precedence_over_the_shipped_one(tmp_path):
    save(tmp_path / "x.pt", history=["shipped"])
    save(tmp_path / "in-progress/x.pt", history=["in progress"])
    assert load(tmp_path / "x.pt") == {"history": ["in progress"]}


def test_names_are_relative_to_the_folder_that_the_environment_names_now(tmp_path, monkeypatch):
    for name in ("one", "other"):
        save(tmp_path / name / "x.pt", history=[name])
        monkeypatch.setenv("PROBNN_CHECKPOINTS", str(tmp_path / name))
        assert load("x.pt") == {"history": [name]}
