"""Files written whole or not at all, also when the disk is full, or several write at once."""

import os
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from probnn.runtime import write_whole
from probnn.runtime.files import PARTIAL

resource = pytest.importorskip("resource", reason="limits of file sizes are Unix's")
LETTERS = "abcd"
SIZE = 300_000


@contextmanager
def files_of_at_most(size):
    """What a disk does that becomes full in the middle of a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    "content, written",
    [
        ("Ä\n", "Ä\n".encode()),
        (b"\x00\r\n", b"\x00\r\n"),
        (memoryview(b"abc")[1:], b"bc"),
        ("", b""),
    ],
    ids=["text", "bytes", "a view of bytes", "nothing"],
)
def test_text_and_bytes_are_written_as_they_are(content, written, tmp_path):
    assert write_whole(tmp_path / "x", content) == tmp_path / "x"
    assert (tmp_path / "x").read_bytes() == written


def test_a_new_file_takes_the_place_of_the_old_one(tmp_path):
    write_whole(tmp_path / "x", "a long old text")
    write_whole(tmp_path / "x", "new")
    assert (tmp_path / "x").read_text() == "new" and len(list(tmp_path.iterdir())) == 1


def test_folders_are_made(tmp_path):
    write_whole(str(tmp_path / "one/two/x"), "text")
    assert (tmp_path / "one/two/x").read_text() == "text"


def test_a_name_alone_is_in_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert write_whole("x", "text") == Path("x")
    assert (tmp_path / "x").read_text() == "text"


def test_everybody_may_read_the_file_whatever_the_process_allows(tmp_path):
    before = os.umask(0o077)
    try:
        write_whole(tmp_path / "x", "text")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o644


def test_a_disk_that_becomes_full_leaves_the_old_file_and_nothing_else(tmp_path):
    write_whole(tmp_path / "x", "old")
    with files_of_at_most(1000), pytest.raises(OSError):
        write_whole(tmp_path / "x", b"n" * 100_000)
    assert (tmp_path / "x").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_a_disk_that_becomes_full_leaves_no_part_of_a_new_file(tmp_path):
    with files_of_at_most(1000), pytest.raises(OSError):
        write_whole(tmp_path / "x", b"n" * 100_000)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("moment", ["fsync", "chmod", "replace"])
def test_an_interrupt_at_any_moment_leaves_the_old_file_and_nothing_else(
    moment, tmp_path, monkeypatch
):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    write_whole(tmp_path / "x", "old")
    monkeypatch.setattr(os, moment, interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "x", "new")
    assert (tmp_path / "x").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def half_written(folder):
    """A process that has written a file in part, and waits."""
    code = (
        "import os, time\nfrom probnn.runtime import write_whole\n"
        "os.fsync = lambda _: (print('half', flush=True), time.sleep(60))\n"
        f"write_whole({str(folder / 'x')!r}, 'half')"
    )
    writer = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    writer.stdout.readline()
    return writer


@pytest.mark.slow
def test_what_a_killed_process_has_half_written_is_removed_by_the_next_writer(tmp_path):
    write_whole(tmp_path / "x", "old")
    killed, living = (half_written(tmp_path) for _ in range(2))
    killed.kill()
    killed.wait()
    assert len(list(tmp_path.iterdir())) == 3
    write_whole(tmp_path / "x", "new")
    assert len(list(tmp_path.iterdir())) == 2  # what the living one still writes is there
    living.kill()
    living.wait()
    write_whole(tmp_path / "x", "newer")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_half_written_files_of_other_names_are_removed_and_those_of_other_computers_stay(tmp_path):
    (tmp_path / f"y.abc{PARTIAL}").touch()
    (tmp_path / "y.abc.another-computer.probnn-partial").touch()
    (tmp_path / "my.partial").touch()
    write_whole(tmp_path / "x", "new")
    left = {"x", "my.partial", "y.abc.another-computer.probnn-partial"}
    assert {path.name for path in tmp_path.iterdir()} == left


def test_a_file_where_the_folder_should_be_is_an_error(tmp_path):
    (tmp_path / "folder").write_text("a file")
    with pytest.raises(OSError):
        write_whole(tmp_path / "folder/x", "text")
    assert (tmp_path / "folder").read_text() == "a file"


def write_many(folder, letter, times):
    for _ in range(times):
        write_whole(Path(folder) / "x", letter * SIZE)


def test_a_reader_sees_one_content_or_the_other_at_every_moment(tmp_path):
    write_many(tmp_path, "a", 1)
    writer = threading.Thread(target=alternate, args=(tmp_path,))
    seen = set()
    writer.start()
    while writer.is_alive():
        seen.add((tmp_path / "x").read_text())
    writer.join()
    assert seen <= {letter * SIZE for letter in "ab"}


def alternate(folder):
    for letter in "ba" * 40:
        write_many(folder, letter, 1)


def is_one_of_them_whole(folder):
    content = (folder / "x").read_text()
    alone = [path.name for path in folder.iterdir()] == ["x"]
    return alone and content in [letter * SIZE for letter in LETTERS]


def test_threads_that_write_at_once_leave_one_content_whole(tmp_path):
    with ThreadPoolExecutor(len(LETTERS)) as pool:
        list(pool.map(write_many, [tmp_path] * len(LETTERS), LETTERS, [30] * len(LETTERS)))
    assert is_one_of_them_whole(tmp_path)


@pytest.mark.slow
def test_processes_that_write_at_once_leave_one_content_whole(processes, tmp_path):
    writers = [processes.Process(target=write_many, args=(tmp_path, k, 100)) for k in LETTERS]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * len(LETTERS)
    assert is_one_of_them_whole(tmp_path)
