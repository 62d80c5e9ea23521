"""The data files: unpacked once, verified, and repaired, also by several processes at once."""

import gzip
import multiprocessing
import runpy
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from probnn.data import DataError, load_mnist, load_xkcd, mnist_dataset

LABELS = "MNIST/raw/t10k-labels-idx1-ubyte"


def test_files_are_unpacked_once_and_nothing_else_is_left(copy):
    assert len(load_mnist("test").images) == 10_000
    first = (copy / LABELS).stat().st_mtime_ns
    load_mnist("test")
    assert (copy / LABELS).stat().st_mtime_ns == first
    assert len(list((copy / "MNIST/raw").iterdir())) == 8


def read_labels(_):
    return mnist_dataset(train=False).targets.sum().item()


def test_processes_may_unpack_at_the_same_time(copy):
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert pool.map(read_labels, range(3)) == [44434] * 3
    assert len(list((copy / "MNIST/raw").iterdir())) == 8


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[:1000], lambda b: b"not gzip at all", lambda b: gzip.compress(b"other content")],
)
def test_a_damaged_packed_file_is_named_with_its_repair_and_nothing_is_written(copy, damage):
    packed = copy / (LABELS + ".gz")
    packed.write_bytes(damage(packed.read_bytes()))
    said = f"^{packed}: expected .*, got .*git checkout -- {packed}$"
    with pytest.raises(DataError, match=said):
        load_mnist("test")
    assert not (copy / LABELS).exists() and not list(copy.rglob("t10k-labels*ubyte.*[!z]"))


def test_a_truncated_unpacked_file_is_an_error_and_one_command_repairs_it(copy):
    load_mnist("test")
    (copy / LABELS).write_bytes((copy / LABELS).read_bytes()[:-1])
    with pytest.raises(DataError, match="sha256 ff7bcfd4.*, got .*10,007 bytes.*python -m probnn$"):
        load_mnist("test")
    command, environment = [sys.executable, "-m", "probnn"], {"PROBNN_DATA": str(copy)}
    repair = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert repair.returncode == 0 and not repair.stderr
    assert "all data sets are complete" in repair.stdout
    load_mnist("test")


def test_a_missing_file_that_cannot_be_downloaded_is_a_clear_error(copy):
    (copy / (LABELS + ".gz")).unlink()
    said = "ubyte.gz: expected a file, got none, and torchvision's download of it failed"
    with pytest.raises(DataError, match=f"labels-idx1-{said}"):
        load_mnist("test")


def repair_of_xkcd(folder):
    """What the error about a missing file says will repair it."""
    (folder / "xkcd.csv").unlink()
    with pytest.raises(DataError) as caught:
        load_xkcd()
    return str(caught.value).split("To repair it: ")[1]


def test_in_a_repository_a_missing_file_is_checked_out_again(copy):
    assert repair_of_xkcd(copy) == f"git checkout -- {copy / 'xkcd.csv'}"


def test_in_a_worktree_where_git_is_a_file_a_missing_file_is_checked_out_again(copy):
    (copy.parent / ".git").rmdir()
    (copy.parent / ".git").write_text("gitdir: elsewhere")
    assert repair_of_xkcd(copy) == f"git checkout -- {copy / 'xkcd.csv'}"


def test_outside_a_repository_a_missing_file_is_put_there_by_hand(copy):
    (copy.parent / ".git").rmdir()
    assert repair_of_xkcd(copy) == (
        "put the one of the project's data/ folder there, or name that folder in PROBNN_DATA"
    )


def test_the_hint_for_a_file_deep_in_the_folder_is_that_for_the_others(copy):
    packed = copy / (LABELS + ".gz")
    packed.unlink()
    with pytest.raises(DataError, match=f"git checkout -- {packed}$"):
        load_mnist("test")
    (copy.parent / ".git").rmdir()
    with pytest.raises(DataError, match="or name that folder in PROBNN_DATA$"):
        load_mnist("test")


def test_an_unpacked_file_is_repaired_by_the_command_in_and_outside_a_repository(copy):
    load_mnist("test")
    (copy / LABELS).write_bytes(b"damaged")
    with pytest.raises(DataError, match="To repair it: python -m probnn$"):
        load_mnist("test")
    (copy.parent / ".git").rmdir()
    with pytest.raises(DataError, match="To repair it: python -m probnn$"):
        load_mnist("test")


def test_a_file_missing_in_the_working_directory_is_checked_out_there(copy, monkeypatch):
    monkeypatch.chdir(copy)
    monkeypatch.setenv("PROBNN_DATA", ".")
    assert repair_of_xkcd(copy) == "git checkout -- xkcd.csv"


def test_a_folder_named_later_is_the_one_that_is_read(copy, tmp_path, monkeypatch):
    load_xkcd()
    empty = tmp_path / "empty"
    monkeypatch.setenv("PROBNN_DATA", str(empty))
    with pytest.raises(DataError, match=f"^{empty}/xkcd.csv: expected a file, got none"):
        load_xkcd()


def test_the_command_checks_everything_and_unpacks_what_is_damaged(copy, capsys):
    load_mnist("test")
    (copy / LABELS).write_bytes(b"damaged")
    runpy.run_module("probnn", run_name="__main__")
    said = capsys.readouterr().out
    assert (
        "t10k-labels-idx1-ubyte: damaged, unpacked again" in said
        and "all data sets are complete" in said
    )
    assert len(load_mnist("test").labels) == 10_000


def test_the_command_fails_with_the_repair_of_what_it_cannot_repair(copy):
    (copy / "surnames.csv.gz").unlink()
    command, environment = [sys.executable, "-m", "probnn"], {"PROBNN_DATA": str(copy)}
    repair = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert repair.returncode == 1
    assert repair.stderr.endswith(f"git checkout -- {copy / 'surnames.csv.gz'}\n")


def test_in_a_repository_of_ones_own_git_has_no_file_of_ours(copy):
    (copy.parent / "src/probnn").rmdir()
    assert "git" not in repair_of_xkcd(copy)


def test_a_download_that_is_interrupted_leaves_nothing_and_is_made_again(copy, monkeypatch):
    packed, content = copy / (LABELS + ".gz"), (copy / (LABELS + ".gz")).read_bytes()
    packed.unlink()

    def download(url, folder, interrupted):
        half = len(content) // 2 if interrupted else None
        (Path(folder) / packed.name).write_bytes(content[:half])
        if interrupted:
            raise KeyboardInterrupt

    name = "torchvision.datasets.utils.download_url"
    monkeypatch.setattr(name, partial(download, interrupted=True))
    with pytest.raises(KeyboardInterrupt):
        load_mnist("test")
    assert not list(packed.parent.glob("t10k-labels*"))
    monkeypatch.setattr(name, partial(download, interrupted=False))
    assert len(load_mnist("test").labels) == 10_000
