"""Who trains into a file: one process at a time. Who comes second is told.

A process claims a file "c.pt" by a lock on "c.pt.HOST-PROCESS.lock" beside it. The system lets go
of the lock when the process ends, however it ends, so a dead process's claim blocks nobody.
"""

from __future__ import annotations

import atexit
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

__all__ = ["Claimed", "claim", "own_place", "release"]

LOCK = ".lock"

# what this process has claimed; None if another has taken it over
_claims: dict[tuple[int, Path], FileLock | None] = {}  # with its number: forks have this memory


class Claimed(Exception):
    """Another process trains into the file. Its text says which."""


def claim(path: Path, take_over: bool = False) -> str:
    """Claims a file for the trainings of this process.

    Args:
        path: of the file.
        take_over: also from a process that still trains into it: what that has written is set
            aside, and what it goes on to write goes there, too (see `own_place`).

    Returns:
        What there is to say, or "". Where computers that share a disk do not share locks, it cannot
        be told whether a process on another one still runs; then its claim is taken over, too.

    Raises:
        Claimed: if another process trains into it.
        OSError: if the folder cannot be written.

    Example:
        >>> import tempfile
        >>> claim(Path(tempfile.mkdtemp()) / "c.pt")
        ''
    """
    path = path.absolute()
    if _has_claim(path):
        return ""
    release(path)  # of a folder that has been removed
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = _lock(path, _me())
    try:
        lock.acquire(timeout=0)
    except NotImplementedError:
        return "whether another process trains into it cannot be told: no locks in this folder"
    try:
        said = [_take_over(path, owner, take_over) for owner in _others(path)]
    except Claimed:
        _let_go(lock)
        raise
    _claims[os.getpid(), path] = lock
    return "; ".join(filter(None, said))


def own_place(path: Path) -> Path:
    """Where this process may write what it trains.

    The file itself; a file beside it if another process has taken it over, or trains into it.

    Raises:
        OSError: if the folder cannot be written.
    """
    path = path.absolute()
    key = os.getpid(), path
    marker = _taken(path, _me())
    if marker.exists():
        marker.unlink()
        if lock := _claims.get(key):
            lock.release()
        _claims[key] = None
    if _claims.get(key, True):  # unless it has been taken over
        with suppress(Claimed):
            claim(path)
            return path
        _claims[key] = None
    return _aside(path, _me())


def release(path: Path) -> None:
    """Lets others train into the file."""
    lock = _claims.pop((os.getpid(), path.absolute()), None)
    if lock:
        _let_go(lock)


@atexit.register
def _release_all() -> None:
    for process, path in list(_claims):
        if process == os.getpid():
            release(path)


def _take_over(path: Path, owner: str, also_from_the_living: bool) -> str:
    """Takes over what another process has claimed; returns what there is to say."""
    host, _, process = owner.rpartition("-")
    lock = _lock(path, owner)
    try:
        lock.acquire(timeout=0)
    except (Timeout, PermissionError):  # or it is another person's
        if not also_from_the_living:
            raise Claimed(f"process {process} on {host}") from None
        try:
            Path(lock.lock_file).replace(_taken(path, owner))
            with suppress(FileNotFoundError):  # it may not have written yet
                path.replace(_aside(path, owner))
        except PermissionError:  # Windows renames no file that is open
            raise Claimed(f"process {process} on {host}") from None
        return f"process {process} on {host} goes on in {_aside(path, owner).name}"
    if host == socket.gethostname():
        _let_go(lock)
        return ""
    Path(lock.lock_file).replace(_taken(path, owner))
    lock.release()
    return f"process {process} on {host}, if it still runs, goes on in {_aside(path, owner).name}"


def _let_go(lock: FileLock) -> None:
    with suppress(OSError):
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)


def _has_claim(path: Path) -> bool:
    lock = _claims.get((os.getpid(), path))
    return lock is not None and Path(lock.lock_file).exists()


def _others(path: Path) -> Iterator[str]:
    """The owners of the other claims, as HOST-PROCESS."""
    for file in list(path.parent.iterdir()):
        if file.name.startswith(path.name + ".") and file.name.endswith(LOCK):
            owner = file.name[len(path.name) + 1 : -len(LOCK)]
            if owner != _me():
                yield owner


def _lock(path: Path, owner: str) -> FileLock:
    return FileLock(path.with_name(f"{path.name}.{owner}{LOCK}"), thread_local=False)


def _taken(path: Path, owner: str) -> Path:
    """Is there once the claim of this owner has been taken over, and it has not noticed yet."""
    return path.with_name(f"{path.name}.{owner}.taken")


def _aside(path: Path, owner: str) -> Path:
    return path.with_name(f"{path.stem}.{owner}{path.suffix}")


def _me() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"
