"""Who trains into a file: one training at a time. Who comes second is told.

Beside a file "c.pt" that is trained into lies "c.pt.owner", which names the training and its
process. The claim of a process that has ended blocks nobody. Whoever finds another name there has
lost the file, and goes on in a file of its own.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import weakref
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from probnn.runtime.files import write_whole
from probnn.runtime.settings import notebook_name

__all__ = ["ASIDE", "Claim", "Claimed", "Owner"]

ASIDE = ".aside-"  # in the names of files of trainings that have lost theirs


def began(process: psutil.Process) -> float:
    """When a process was started, in seconds since the machine was.

    The time of day is no use: both move when the clock is set.
    """
    return process.create_time() - psutil.boot_time()


class Claimed(Exception):
    """Another process trains into the file. Its text says which."""


@dataclass(frozen=True)
class Owner:
    """A training, and the process that it runs in."""

    training: str
    process: int
    started: float
    host: str
    notebook: str

    @staticmethod
    def new() -> Owner:
        """A training of this process."""
        this = psutil.Process()
        host, notebook = socket.gethostname(), notebook_name()
        return Owner(secrets.token_hex(3), this.pid, began(this), host, notebook)

    @staticmethod
    def of(file: Path) -> Owner | None:
        """The one that a file names; None if there is none."""
        try:
            return Owner(**json.loads(file.read_text()))
        except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
            return None

    def shares_process(self, other: Owner) -> bool:
        """Whether both are trainings of one process."""
        return (self.host, self.process) == (other.host, other.process)

    def lives(self) -> bool | None:
        """Whether its process still runs; None on another computer, where that cannot be told."""
        if self.host != socket.gethostname():
            return None
        try:
            process = psutil.Process(self.process)
            is_it = abs(began(process) - self.started) < 5  # numbers are used again
            return is_it and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True

    def __str__(self) -> str:
        where = f"process {self.process} on {self.host}"
        return f"{self.notebook} ({where})" if self.notebook else where


class Claim:
    """The claim of one training to a file.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.me = path.absolute(), Owner.new()
        self.lost = self._held = False
        self._left: tuple[int, int] | None = None  # what the file was like when it was let go
        self._owner_file = self.path.with_name(self.path.name + ".owner")
        weakref.finalize(self, _release, self._owner_file, self.me)

    def check(self) -> None:
        """Raises `Claimed` if another process trains into the file."""
        other = Owner.of(self._owner_file)
        if other and not other.shares_process(self.me) and other.lives():
            raise Claimed(str(other))

    def take(self, over: bool = False) -> str:
        """Claims the file, unless it has been lost.

        Args:
            over: also from a process that still trains into it; a copy of what that has written is
                kept where it will go on.

        Returns:
            What there is to say, or "".

        Raises:
            Claimed: if another process trains into it.
            OSError: if the folder cannot be written.
        """
        if self._held or self.lost:
            place = self.place()
            return f"another training has taken it over: goes on in {place.name}" * self.lost
        if not over:
            self.check()
        other, said = Owner.of(self._owner_file), ""
        if other and not other.shares_process(self.me) and other.lives() is not False:
            with suppress(FileNotFoundError):  # it may not have written yet
                write_whole(self._aside(other), self.path.read_bytes())
            doubt = "" if other.lives() else ", if it still runs,"
            said = f"{other}{doubt} goes on in {self._aside(other).name}"
        write_whole(self._owner_file, json.dumps(asdict(self.me)))
        self._held = True
        return said

    def place(self) -> Path:
        """Where this training may write: the file, or one beside it once the file is lost.

        Raises:
            OSError: if the folder cannot be written.
        """
        if self.me.process != os.getpid():  # a fork: another training, which has claimed nothing
            self.me, self._held = Owner.new(), False
        if self._held:
            owner = Owner.of(self._owner_file)
            self.lost = owner is not None and owner != self.me
            self._held = owner == self.me
        if not self._held and not self.lost:
            # let go, and somebody has trained on since
            self.lost = self._left is not None and self._left != _likeness(self.path)
            with suppress(Claimed):
                self.lost or self.take()
            self.lost = not self._held
        return self._aside(self.me) if self.lost else self.path

    def release(self) -> None:
        """Lets others train into the file."""
        self._left, self._held = _likeness(self.path), False
        _release(self._owner_file, self.me)

    def _aside(self, owner: Owner) -> Path:
        name = f"{ASIDE}{owner.host}-{owner.process}-{owner.training}"
        return self.path.with_name(self.path.stem + name + self.path.suffix)


def _release(owner_file: Path, owner: Owner) -> None:
    with suppress(OSError):
        if owner.process == os.getpid() and Owner.of(owner_file) == owner:
            owner_file.unlink(missing_ok=True)


def _likeness(path: Path) -> tuple[int, int]:
    """What tells whether a file has been written since; zeros if it is not there."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size
