"""A checkpoint that was damaged is refused, or holds what it held: there is no third outcome."""

import random
import zipfile
from contextlib import suppress

import numpy as np
import pytest
import torch
from runs import Run

from probnn.runtime import write_whole
from probnn.training import CheckpointError, resume, save
from probnn.training.checkpoints import in_progress, read

PAGE = 4096  # bytes that a disk loses at once
DAMAGES = 250  # of each file


def flip_a_bit(content, at):
    content[at] ^= 1 << random.randrange(8)


def overwrite(content, at):
    content[at : at + 100] = random.randbytes(len(content[at : at + 100]))


def lose_a_page(content, at):
    content[at : at + PAGE] = bytes(len(content[at : at + PAGE]))


def cut(content, at):
    del content[at:]


def damaged(whole):
    """At a random place, half of the time near the end, where the archive's directory is."""
    content = bytearray(whole)
    last = random.choice([len(content), min(len(content), 2 * PAGE)])
    at = len(content) - 1 - random.randrange(last)
    random.choice([flip_a_bit, overwrite, lose_a_page, cut])(content, at)
    return bytes(content)


def same(one, other):
    if isinstance(one, dict):
        one, other = list(one.items()), list(other.items())
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    return type(one) is type(other) and one == other


def small_training(folder):
    run = Run("tensor")
    resume(folder / "run.pt", **run.parts())
    run.train_to_the_end()
    return in_progress(folder / "run.pt")


def short_history(folder):
    save(folder / "history.pt", history=[1.5, {"step": 3, "z": np.ones(2)}, ("a", None, True)])
    return folder / "history.pt"


def many_small_tensors(folder):
    save(folder / "many.pt", stages={i: torch.arange(i) for i in range(40)})
    return folder / "many.pt"


def stored_scores(folder):
    save(folder / "x.pt", result={"scores": torch.randn(5000)}, made_from={"sha256": "0" * 64})
    return folder / "x.pt"


@pytest.mark.parametrize(
    "make",
    [small_training, short_history, many_small_tensors, stored_scores],
    ids=lambda f: f.__name__,
)
def test_a_damaged_file_is_refused_or_holds_the_same(make, tmp_path):
    random.seed(0)
    path = make(tmp_path)
    whole, truth = path.read_bytes(), read(path)
    refused = 0
    for _ in range(DAMAGES):
        path.write_bytes(damaged(whole))
        try:
            got = read(path)
        except CheckpointError as error:
            assert "Move it away" in str(error)
            refused += 1
        else:
            assert same(got, truth)
    assert refused > DAMAGES / 2


def test_every_bit_outside_of_what_has_a_checksum_may_flip(tmp_path):
    path = tmp_path / "x.pt"
    save(path, weights={"a": torch.arange(9.0), "b": torch.ones(3)})
    whole, truth = path.read_bytes(), read(path)
    directory = zipfile.ZipFile(path).start_dir
    for bit in range(8 * directory, 8 * len(whole)):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        with suppress(CheckpointError):
            assert same(read(path), truth), bit


def test_a_flipped_bit_in_the_weights_is_named(tmp_path):
    save(tmp_path / "x.pt", model=torch.nn.Linear(1000, 1))
    content = bytearray((tmp_path / "x.pt").read_bytes())
    content[len(content) // 2] ^= 1
    write_whole(tmp_path / "x.pt", bytes(content))
    with pytest.raises(CheckpointError, match="the checksum of .*data/0 in it is wrong"):
        read(tmp_path / "x.pt")
