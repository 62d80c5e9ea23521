"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import socket
import tempfile
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # a module elsewhere

__all__ = ["write_whole"]

PARTIAL = f".{socket.gethostname()}.probnn-partial"  # locks may not reach other computers


def write_whole(path: str | Path, content: bytes | memoryview | str) -> Path:
    """Writes a file whole or not at all.

    A reader sees the old content or the new, also after a crash. It is written under another name
    in the same folder and then renamed, so several processes may write the same file at once: what
    one of them wrote is there in the end. What a process that was killed had written in part is
    removed by the next that writes in this folder.

    Args:
        path: of the file; its folder is made if it is not there.
        content: text is written as UTF-8.

    Returns:
        The path.

    Raises:
        OSError: if the file cannot be written; the one before it is intact.

    Example:
        >>> write_whole(tempfile.mkdtemp() + "/new/names.txt", "ABE").read_text()
        'ABE'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = _new_partial_file(path)
    try:
        with os.fdopen(handle, "wb") as file:
            _remove_abandoned_files(path.parent)
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
            os.chmod(partial, 0o644)  # mkstemp's files are for one user only
            if fcntl:  # while it is locked
                os.replace(partial, path)
        if not fcntl:  # Windows renames no file that is open
            os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return path


def _new_partial_file(path: Path) -> tuple[int, Path]:
    """Opens a new file beside this one; the lock on it, until it is closed, says it is in use."""
    while True:
        handle, name = tempfile.mkstemp(PARTIAL, path.name + ".", path.parent)
        if fcntl:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_EX)
        if os.path.exists(name):  # else it was taken for an abandoned one before it was locked
            return handle, Path(name)
        os.close(handle)


def _remove_abandoned_files(folder: Path) -> None:
    """Removes what processes have left that were killed: nobody holds a lock on it any more."""
    for other in folder.iterdir():
        if other.name.endswith(PARTIAL):
            with suppress(OSError):
                if fcntl:
                    with open(other, "rb") as file:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        other.unlink()
                else:  # Windows removes no file that is open
                    other.unlink()
