"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["write_whole"]


def write_whole(path: str | Path, content: bytes | memoryview | str) -> Path:
    """Writes a file whole or not at all.

    A reader sees the old content or the new, also after a crash. It is written under another name
    in the same folder and then renamed, so several processes may write the same file at once: what
    one of them wrote is there in the end.

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
    handle, partial = tempfile.mkstemp(prefix=path.name + ".", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(partial, 0o644)  # mkstemp's files are for one user only
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
    return path
