"""Checkpoint files: written whole or not at all, and read without running code.

Two places belong to a checkpoint "cambridge/c.pt": the shipped file `checkpoints/cambridge/c.pt`
(weights, finished position, history) and the file in progress
`checkpoints/cambridge/in-progress/c.pt` (also the optimiser and the random streams), which git
ignores and which has precedence. The folder is another one if PROBNN_CHECKPOINTS names it.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from probnn.runtime.devices import to_default_device
from probnn.runtime.files import write_whole
from probnn.runtime.settings import checkpoint_folder

__all__ = [
    "CheckpointError",
    "NotWritten",
    "get_state",
    "in_progress",
    "load",
    "not_written",
    "plain",
    "read",
    "save",
    "set_state",
]

MARK = "probnn checkpoint"


class CheckpointError(ValueError):
    """A checkpoint that cannot be read or written, or does not fit; the message says what to do.

    In Jupyter it is one line.
    """

    def _render_traceback_(self) -> list[str]:  # IPython's protocol
        return [str(self)]


class NotWritten(CheckpointError):
    """A checkpoint that cannot be written now, and may be later; what was there is intact."""


def save(path: str | Path, **parts: Any) -> None:
    """Writes the states of the parts into one file, atomically.

    A reader sees the old file or the new one, also after a crash.

    Args:
        path: of the file, as for `open`: relative to the working directory, not to
            `checkpoint_folder()`.
        **parts: with a `state_dict`, or lists and dicts of tensors, numbers and strings.

    Raises:
        CheckpointError: if a part holds anything but tensors, numbers, strings and lists, tuples
            and dicts of them.
        NotWritten: a CheckpointError, if the file cannot be written.
    """
    content = {MARK: 1, "torch": str(torch.__version__), "parts": plain(parts)}
    buffer, checksums = io.BytesIO(), torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(True)
    try:
        torch.save(content, buffer)
    finally:
        torch.serialization.set_crc32_options(checksums)
    try:
        write_whole(path, buffer.getbuffer())
    except OSError as error:
        raise not_written(path, error) from None


def not_written(path: str | Path, error: OSError) -> NotWritten:
    """The error that says what to do about one of the system's."""
    return NotWritten(
        f"{path}: cannot be written ({error.strerror or error}). What was there before is intact. "
        "Make the folder writable and room on the disk, then run the cell again, or name another "
        "file"
    )


def load(path: str | Path) -> dict[str, Any]:
    """The states of the parts in a checkpoint, by name, tensors on the default device.

    Runs no code from the file (`weights_only=True`).

    Args:
        path: as for `resume`; the file in progress has precedence over the shipped one.

    Raises:
        FileNotFoundError: if there is neither.
        CheckpointError: if it is truncated, not a checkpoint of probnn, or holds code.
    """
    shipped = checkpoint_folder() / path
    for candidate in (in_progress(shipped), shipped):
        if candidate.exists():
            return to_default_device(read(candidate))
    raise FileNotFoundError(
        f"expected a checkpoint at {shipped}, got no file: train that model first, "
        "name another file, or name the folder that has it in PROBNN_CHECKPOINTS"
    )


def read(path: Path) -> dict[str, Any]:
    """What `load` returns, of exactly this file, with tensors on the CPU.

    The file is an archive in zip format, with a checksum of each tensor; torch does not look at
    them.
    """
    try:
        archive = io.BytesIO(path.read_bytes())
        _verify(archive)
        content = torch.load(archive, map_location="cpu", weights_only=True, mmap=False)
    except Exception as error:  # whatever a damaged archive or a refused pickle raises
        reason = (str(error) or type(error).__name__).splitlines()[0][:120]
        raise CheckpointError(
            f"{path}: expected a checkpoint, got a file that does not load safely ({reason}). "
            "Move it away: what is then there is the shipped one, or a start over"
        ) from None
    if not isinstance(content, dict) or not {MARK, "parts"} <= set(content):
        raise CheckpointError(
            f"{path}: expected a checkpoint of probnn, got another kind of file. "
            "Move it away, or name another file"
        )
    return content["parts"]


def _verify(archive: io.BytesIO) -> None:
    """Raises ValueError unless all records of an archive have their checksums."""
    with zipfile.ZipFile(archive) as records:
        damaged = records.testzip()
        # torch takes such a record for a folder, and reads nothing
        folders = [record.filename for record in records.infolist() if record.external_attr & 0x10]
    if damaged or folders:
        raise ValueError(f"the checksum of {damaged or folders[0]} in it is wrong")
    archive.seek(0)


def in_progress(path: Path) -> Path:
    """Where the work in progress of a shipped checkpoint lies."""
    return path.parent / "in-progress" / path.name


def get_state(part: Any) -> Any:
    """The state of a part of a training: its state_dict, or itself if it is a list or a dict."""
    if hasattr(part, "state_dict"):
        return part.state_dict()
    if isinstance(part, (list, dict)):
        return part
    raise CheckpointError(
        f"expected parts with a state_dict, lists or dicts, got {type(part).__name__}"
    )


def set_state(part: Any, state: Any) -> None:
    """Puts a part of a training into a state from `get_state`; lists and dicts in place."""
    if hasattr(part, "load_state_dict"):
        part.load_state_dict(state)
    elif isinstance(part, list):
        part[:] = to_default_device(state)
    else:
        state = to_default_device(state)  # a new dict: state may be the part itself
        part.clear()
        part.update(state)


def plain(parts: dict[str, Any]) -> dict[str, Any]:
    """The states of the parts as they are written.

    Raises:
        CheckpointError: as `save` does.
    """
    return {name: _plain(get_state(part), name) for name, part in parts.items()}


def _plain(value: Any, where: str) -> Any:
    """The value in types that a weights-only load accepts; numpy's become Python's and torch's."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
        return torch.from_numpy(np.ascontiguousarray(value))
    if isinstance(value, (np.bool_, np.number)):
        value = value.item()
    if isinstance(value, dict):
        return {
            _plain(key, f"a key of {where}"): _plain(item, f"{where}[{key!r}]")
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        items = [_plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, Tensor):
        value = value.detach().cpu().as_subclass(Tensor)
        # a view would be written with all that it is a view of
        is_view = value.untyped_storage().nbytes() > value.nbytes
        return value.clone() if is_view else value
    if type(value) in (bool, int, float, str, type(None)):
        return value
    raise CheckpointError(
        "expected tensors, numbers and strings in a checkpoint, "
        f"got {where} of type {type(value).__name__}"
    )
