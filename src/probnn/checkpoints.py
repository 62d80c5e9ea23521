"""Checkpoints: written whole or not at all, read without running code, and enough to resume exactly in another process.

Two places belong to a checkpoint "cambridge/c.pt": the shipped file `checkpoints/cambridge/c.pt` (weights, finished
position, history) and the file in progress `checkpoints/cambridge/in-progress/c.pt` (also the optimiser and the random
streams), which git ignores and which has precedence. The folder is another one if PROBNN_CHECKPOINTS names it.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from pathlib import Path
from typing import Any, Callable

import numpy as np
import torch
from torch import Tensor

from probnn.training import Cycle, enumerate_cycle  # noqa: F401 (for the example)

MARK = "probnn checkpoint"


class CheckpointError(ValueError):
    """A checkpoint that cannot be read, does not fit, or cannot be written; the message says what to do."""


def checkpoint_folder() -> Path:
    """Where checkpoints lie: PROBNN_CHECKPOINTS, or `checkpoints/` of this repository."""
    return Path(os.environ.get("PROBNN_CHECKPOINTS", Path(__file__).resolve().parents[2] / "checkpoints"))


def resume(path: str | Path, *, batches: Cycle, fresh: bool = False, save_every: float = 20.0, **parts: Any) -> str:
    """Takes up training where it was left, and keeps the checkpoint up to date from now on. First line of a training cell.

    In a process that has trained already, everything goes on from memory (an optimiser or list made anew by the cell gets
    the state of the one before). In a new one, the file in progress is loaded, else the shipped one; else this is a start.
    The file is written every `save_every` seconds between steps, at an interrupt, and at the end.

    Args:
        path: of the shipped file, relative to `checkpoint_folder()`.
        batches: what `enumerate_cycle` returned.
        fresh: start over: load nothing. Has no effect on training that has begun in this process.
        save_every: seconds; 0 writes before every step.
        **parts: whatever else must survive: `model=`, `optimizer=`, `history=`; each has a `state_dict`, or is a list or a dict.

    Returns:
        A line that says what was done.

    Raises:
        CheckpointError: if the file is damaged or fits another model.

    Example:
        >>> model, batches, history = torch.nn.Linear(1, 1), enumerate_cycle([1, 2], epochs=3), []
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for attempt in range(2):
        ...         print(resume(f"{folder}/line.pt", batches=batches, model=model, history=history))
        ...         history.extend(epoch for (epoch, _), _ in batches)
        starts at epoch 0
        finished after 3 epochs
        >>> history
        [0, 0, 1, 1, 2, 2]
    """
    shipped = checkpoint_folder() / path
    working = in_progress(shipped)
    origin, missing = "", []
    if batches.steps:
        for name, part in parts.items():
            if part is not batches.parts.get(name, part):
                _set_state(part, _get_state(batches.parts[name]))
    elif not fresh and (working.exists() or shipped.exists()):
        source = working if working.exists() else shipped
        origin = f", from {path}, {'shipped' if source is shipped else 'in progress'}"
        missing = _load_parts(source, batches=batches, **parts)
    batches.parts = parts
    batches.save, batches.save_every = (lambda: save(working, batches=batches, **parts)), save_every
    if batches.finished:
        return f"finished after {batches.epoch} epochs{origin}"
    verb = f"goes on at epoch {batches.epoch}, batch {batches.batch_num}" if batches.steps else "starts at epoch 0"
    return f"{verb}{origin}" + (f" (not bit for bit: no {', '.join(missing)} in it)" if missing else "")


def save(path: str | Path, **parts: Any) -> None:
    """Writes the states of the parts into one file, atomically: a reader sees the old file or the new one, also after a crash.

    Raises:
        CheckpointError: if a part holds anything but tensors, numbers, strings and lists, tuples and dicts of them.
    """
    content = {MARK: 1, "torch": str(torch.__version__), "parts": {name: _plain(_get_state(part), name) for name, part in parts.items()}}
    buffer = io.BytesIO()
    torch.save(content, buffer)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=path.name + ".", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        os.chmod(partial, 0o644)
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def load(path: str | Path) -> dict[str, Any]:
    """The states of the parts in a checkpoint, by name, tensors on the CPU. Runs no code from the file (`weights_only=True`).

    Raises:
        FileNotFoundError: if there is none.
        CheckpointError: if it is truncated, not a checkpoint of probnn, or holds code.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"expected a checkpoint at {path}, got no file: train the model, or name another file")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged archive or a refused pickle raises
        reason = str(error).splitlines()[0][:120]
        raise CheckpointError(f"{path}: expected a checkpoint, got a file that does not load safely ({reason}). Move it away") from None
    if not isinstance(content, dict) or MARK not in content:
        raise CheckpointError(f"{path}: expected a checkpoint of probnn, got another kind of file. Move it away, or name another file")
    return content["parts"]


def ship(path: str | Path, folder: str | Path) -> Path:
    """Writes the finished training in progress at `path` to `folder` as a shipped checkpoint: no optimiser, no random streams.

    Args:
        path: as for `resume`, relative to `checkpoint_folder()`.
        folder: the folder to ship to; the relative path is kept.

    Raises:
        CheckpointError: if the training is not finished.
    """
    parts = load(in_progress(checkpoint_folder() / path))
    position = parts["batches"]
    if not position["finished"]:
        raise CheckpointError(f"{path}: expected a finished training, got one at epoch {position['epoch']}: run its cell to the end first")
    kept = ("epoch", "batch_num", "batches_per_epoch", "finished")
    parts["batches"] = {name: position[name] for name in kept}
    parts.pop("optimizer", None)
    save(Path(folder) / path, **parts)
    return Path(folder) / path


def stored(path: str | Path, compute: Callable[[], dict[str, Tensor]], **made_from: Any) -> dict[str, Tensor]:
    """The result of an expensive computation, from its file if that was made from the same things, else computed and stored.

    Args:
        path: of the shipped file, relative to `checkpoint_folder()`; a new result goes to the folder in progress.
        compute: returns a dict of tensors.
        **made_from: everything the result depends on: models, tensors, numbers, strings. Their hash is kept in the file.

    Example:
        >>> def compute():
        ...     print("computing")
        ...     return {"scores": torch.ones(2)}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for samples in (100, 100, 200):
        ...         scores = stored(f"{folder}/scores.pt", compute, samples=samples, data=torch.zeros(3))
        computing
        computing
    """
    fingerprint = _fingerprint(made_from)
    shipped = checkpoint_folder() / path
    for candidate in (in_progress(shipped), shipped):
        if candidate.exists():
            content = load(candidate)
            if content.get("made_from") == {"sha256": fingerprint}:
                return content["result"]
    result = compute()
    save(in_progress(shipped), result=result, made_from={"sha256": fingerprint})
    return result


def in_progress(path: Path) -> Path:
    """Where the work in progress of a shipped checkpoint lies."""
    return path.parent / "in-progress" / path.name


def _load_parts(path: Path, **parts: Any) -> list[str]:
    states = load(path)
    for name, part in parts.items():
        if name in states:
            try:
                _set_state(part, states[name])
            except (RuntimeError, ValueError, KeyError, AttributeError, TypeError) as error:
                raise CheckpointError(f"{path}: its {name} does not fit ({error}). Move the file away, or pass fresh=True to start over") from None
    missing = [name for name in parts if name not in states]
    return missing if "random" in states.get("batches", {}) else [*missing, "random streams"]


def _get_state(part: Any) -> Any:
    if hasattr(part, "state_dict"):
        return part.state_dict()
    if isinstance(part, (list, dict)):
        return part
    raise CheckpointError(f"expected parts with a state_dict, lists or dicts, got {type(part).__name__}")


def _set_state(part: Any, state: Any) -> None:
    if hasattr(part, "load_state_dict"):
        part.load_state_dict(state)
    elif isinstance(part, list):
        part[:] = state
    else:
        part.clear()
        part.update(state)


def _plain(value: Any, where: str) -> Any:
    """The value in types that a weights-only load accepts; numpy's become Python's and torch's."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.item() if isinstance(value, np.generic) else torch.from_numpy(value)
    if isinstance(value, dict):
        return {key: _plain(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [_plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, Tensor):
        return value.detach()
    if type(value) in (bool, int, float, str, type(None)):
        return value
    raise CheckpointError(f"expected tensors, numbers and strings in a checkpoint, got {where} of type {type(value).__name__}")


def _fingerprint(made_from: dict[str, Any]) -> str:
    digest = hashlib.sha256()

    def add(name: str, value: Any) -> None:
        if hasattr(value, "state_dict"):
            value = value.state_dict()
        if isinstance(value, dict):
            for key in sorted(value):
                add(f"{name}.{key}", value[key])
        elif isinstance(value, Tensor):
            value = value.detach().cpu().contiguous()
            digest.update(f"{name}:{value.dtype}{tuple(value.shape)}".encode() + value.numpy().tobytes())
        else:
            digest.update(f"{name}={value!r};".encode())

    add("", made_from)
    return digest.hexdigest()
