"""Checkpoint files: written whole or not at all, and read without running code.

Two places belong to a checkpoint "cambridge/c.pt": the shipped file `checkpoints/cambridge/c.pt` (weights, finished
position, history) and the file in progress `checkpoints/cambridge/in-progress/c.pt` (also the optimiser and the random
streams), which git ignores and which has precedence. The folder is another one if PROBNN_CHECKPOINTS names it.
"""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from probnn.devices import to_default_device

MARK = "probnn checkpoint"


class CheckpointError(ValueError):
    """A checkpoint that cannot be read, does not fit, or cannot be written; the message says what to do."""


def checkpoint_folder() -> Path:
    """Where checkpoints lie: PROBNN_CHECKPOINTS, or `checkpoints/` of this repository."""
    return Path(os.environ.get("PROBNN_CHECKPOINTS", Path(__file__).resolve().parents[2] / "checkpoints"))


def save(path: str | Path, **parts: Any) -> None:
    """Writes the states of the parts into one file, atomically: a reader sees the old file or the new one, also after a crash.

    Args:
        path: of the file, as for `open`: relative to the working directory, not to `checkpoint_folder()`.
        **parts: with a `state_dict`, or lists and dicts of tensors, numbers and strings.

    Raises:
        CheckpointError: if a part holds anything but tensors, numbers, strings and lists, tuples and dicts of them, or if the
            file cannot be written.
    """
    content = {MARK: 1, "torch": str(torch.__version__), "parts": plain(parts)}
    buffer = io.BytesIO()
    torch.save(content, buffer)
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(prefix=path.name + ".", dir=path.parent)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written ({error}). Make the folder writable, or name another one") from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        os.chmod(partial, 0o644)
        os.replace(partial, path)
    except BaseException as error:
        Path(partial).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise CheckpointError(f"{path}: cannot be written ({error}). The file before it is intact") from None
        raise


def load(path: str | Path) -> dict[str, Any]:
    """The states of the parts in a checkpoint, by name, tensors on the default device. Runs no code from the file (`weights_only=True`).

    Args:
        path: as for `resume`; the file in progress has precedence over the shipped one.

    Raises:
        FileNotFoundError: if there is neither.
        CheckpointError: if it is truncated, not a checkpoint of probnn, or holds code.
    """
    shipped = checkpoint_folder() / path
    path = next((candidate for candidate in (in_progress(shipped), shipped) if candidate.exists()), None)
    if path is None:
        raise FileNotFoundError(f"expected a checkpoint at {shipped}, got no file: train that model first, or name another file")
    return to_default_device(read(path))


def read(path: Path) -> dict[str, Any]:
    """What `load` returns, of exactly this file, with tensors on the CPU."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged archive or a refused pickle raises
        reason = (str(error) or type(error).__name__).splitlines()[0][:120]
        raise CheckpointError(f"{path}: expected a checkpoint, got a file that does not load safely ({reason}). Move it away") from None
    if not isinstance(content, dict) or MARK not in content:
        raise CheckpointError(f"{path}: expected a checkpoint of probnn, got another kind of file. Move it away, or name another file")
    return content["parts"]


def in_progress(path: Path) -> Path:
    """Where the work in progress of a shipped checkpoint lies."""
    return path.parent / "in-progress" / path.name


def get_state(part: Any) -> Any:
    """The state of a part of a training: its state_dict, or itself if it is a list or a dict."""
    if hasattr(part, "state_dict"):
        return part.state_dict()
    if isinstance(part, (list, dict)):
        return part
    raise CheckpointError(f"expected parts with a state_dict, lists or dicts, got {type(part).__name__}")


def set_state(part: Any, state: Any) -> None:
    """Puts a part of a training into a state that `get_state` returned; lists and dicts in place."""
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
        return {_plain(key, f"a key of {where}"): _plain(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [_plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, Tensor):
        value = value.detach().cpu().as_subclass(Tensor)
        whole = value.untyped_storage().nbytes() > value.nbytes  # a view would be written with all that it is a view of
        return value.clone() if whole else value
    if type(value) in (bool, int, float, str, type(None)):
        return value
    raise CheckpointError(f"expected tensors, numbers and strings in a checkpoint, got {where} of type {type(value).__name__}")
