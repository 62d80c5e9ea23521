"""What is kept between sessions: a training that goes on where it was left, and results that are not computed twice."""

from __future__ import annotations

import hashlib
import tempfile  # noqa: F401 (for the examples)
import warnings
from copy import deepcopy
from pathlib import Path
from typing import Any, Callable

import numpy as np
import torch
from torch import Tensor

from probnn.checkpoints import CheckpointError, checkpoint_folder, get_state, in_progress, plain, read, save, set_state
from probnn.devices import to_default_device
from probnn.training import Cycle, enumerate_cycle  # noqa: F401 (for the examples)


def resume(path: str | Path, *, batches: Cycle, fresh: bool = False, save_every: float = 20.0, **parts: Any) -> str:
    """Takes up training where it was left, and keeps the checkpoint up to date from now on. First line of a training cell.

    In a process that has trained already, everything goes on from memory (an optimiser or list made anew by the cell gets
    the state of the one before). In a new one, the file in progress is loaded, else the shipped one; else this is a start.
    The file is written every `save_every` seconds between steps, at an interrupt, and at the end; call `batches.write()` after leaving by `break`.

    Args:
        path: of the shipped file, relative to `checkpoint_folder()`.
        batches: what `enumerate_cycle` returned.
        fresh: start over with this new model and cycle: load nothing. No effect on a cycle that has begun or was loaded.
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
    plain(parts)  # what could not be written is told now
    origin, missing = "", []
    if batches.steps:
        if fresh:
            origin = " (fresh=True is for a new model and cycle: run the cell that makes them first)"
        for name, part in parts.items():
            if part is not batches.parts.get(name, part):
                set_state(part, get_state(batches.parts[name]))
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


def stored(path: str | Path, compute: Callable[[], dict[str, Tensor]], **made_from: Any) -> dict[str, Tensor]:
    """The result of an expensive computation, from its file if that was made from the same things, else computed and stored.

    Args:
        path: of the shipped file, relative to `checkpoint_folder()`; a new result goes to the folder in progress.
        compute: returns a dict of tensors.
        **made_from: everything the result depends on: models, tensors, numbers, strings. Their hash is kept in the file.

    Raises:
        ValueError: if `made_from` holds anything else.

    A result that cannot be written, or is no dict of tensors, is returned all the same, with a warning.

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
            content = read(candidate)
            if content.get("made_from") == {"sha256": fingerprint}:
                return to_default_device(content["result"])
    result = compute()
    try:
        save(in_progress(shipped), result=result, made_from={"sha256": fingerprint})
    except CheckpointError as error:
        warnings.warn(f"The result is not kept: {error}", stacklevel=2)
    return result


def ship(path: str | Path, folder: str | Path) -> Path:
    """Writes the work in progress at `path` to `folder` as a shipped file: stored results as they are, training without its
    optimiser and random streams.

    Args:
        path: as for `resume` and `stored`, relative to `checkpoint_folder()`.
        folder: the folder to ship to; the relative path is kept.

    Raises:
        CheckpointError: if it is a training that is not finished.
    """
    parts = read(in_progress(checkpoint_folder() / path))
    if "batches" in parts:
        position = parts["batches"]
        if not position["finished"]:
            raise CheckpointError(f"{path}: expected a finished training, got one at epoch {position['epoch']}: run its cell to the end first")
        parts["batches"] = {name: position[name] for name in ("epoch", "batch_num", "batches_per_epoch", "data", "finished")}
        parts.pop("optimizer", None)
    save(Path(folder) / path, **parts)
    return Path(folder) / path


def _load_parts(path: Path, **parts: Any) -> list[str]:
    states = read(path)
    missing = [name for name in parts if name not in states]
    if set(missing) - {"optimizer"}:
        raise CheckpointError(f"{path}: expected {', '.join(parts)} in it, got {', '.join(states)}. Name another file for another model; or move this one away, or pass fresh=True, to start over")
    before = {name: deepcopy(get_state(part)) for name, part in parts.items()}
    name = ""
    try:
        for name in sorted(states.keys() & parts.keys(), key="batches".__eq__):  # the position last
            set_state(parts[name], states[name])
    except BaseException as error:  # all or nothing
        for part_name, state in before.items():
            set_state(parts[part_name], state)
        if not isinstance(error, Exception):
            raise
        reason = " ".join(str(error).split())
        raise CheckpointError(f"{path}: its {name} does not fit ({reason}). Name another file for another model; or move this one away, or pass fresh=True, to start over") from None
    return missing if "random" in states["batches"] else [*missing, "random streams"]


def _fingerprint(made_from: dict[str, Any]) -> str:
    digest = hashlib.sha256()

    def add(name: str, value: Any) -> None:
        if hasattr(value, "state_dict"):
            value = value.state_dict()
        if isinstance(value, np.ndarray):
            value = torch.from_numpy(np.ascontiguousarray(value))
        if isinstance(value, (list, tuple)):
            value = dict(enumerate(value))
        if isinstance(value, dict):
            for key in sorted(value, key=str):
                add(f"{name}.{key}", value[key])
        elif isinstance(value, Tensor):
            value = value.detach().cpu().contiguous()
            digest.update(f"{name}:{value.dtype}{tuple(value.shape)}".encode() + value.numpy().tobytes())
        elif value is None or isinstance(value, (bool, int, float, str)):
            digest.update(f"{name}={value!r};".encode())
        else:
            raise ValueError(f"expected models, tensors, numbers and strings to have made a result, got {name[1:]} of type {type(value).__name__}")

    add("", made_from)
    return digest.hexdigest()
