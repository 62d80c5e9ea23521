"""A training that goes on where it was left, in this session or another, until it is shipped."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from probnn.runtime.settings import checkpoint_folder
from probnn.training.checkpoints import (
    CheckpointError,
    get_state,
    in_progress,
    plain,
    read,
    save,
    set_state,
)
from probnn.training.claims import Claim, Claimed
from probnn.training.cycles import Cycle
from probnn.training.keeping import TrainingFile
from probnn.training.optimizers import take_up

__all__ = ["Resumed", "resume", "ship"]


@dataclass(frozen=True, repr=False)
class Resumed:
    """What `resume` did. Its text, `str`, is one line to print.

    Attributes:
        epoch, batch_num: of the batch to be drawn next.
        finished: whether nothing is left to do.
        origin: where the state came from, such as "from mine/model.pt, in progress"; "" if from
            memory, or nowhere.
        missing: what was not in the file, so that training goes on, but not bit for bit.
        note: what else there is to say.
    """

    epoch: int
    batch_num: int
    finished: bool
    origin: str = ""
    missing: tuple[str, ...] = ()
    note: str = ""

    def __str__(self) -> str:
        if self.finished:
            line = f"finished after {self.epoch} epochs"
        elif self.epoch or self.batch_num:
            line = f"goes on at epoch {self.epoch}, batch {self.batch_num}"
        else:
            line = "starts at epoch 0"
        line += f", {self.origin}" if self.origin else ""
        if self.missing and not self.finished:
            line += f" (not bit for bit: no {', '.join(self.missing)} in it)"
        return line + (f" ({self.note})" if self.note else "")

    __repr__ = __str__


def resume(
    path: str | Path,
    *,
    batches: Cycle,
    fresh: bool = False,
    save_every: float = 20.0,
    **parts: Any,
) -> Resumed:
    """Takes up training where it was left, and keeps the checkpoint up to date from now on.

    The first line of a training cell. In a process that has trained already, everything goes on
    from memory (an optimiser of the same class, or a list, made anew by the cell gets the state of
    the one before). In a new one, the file in progress is loaded, else the shipped one; else this
    is a start. The file is written every `save_every` seconds between steps, at an interrupt, and
    at the end; call `batches.write()` after leaving by `break`.

    Args:
        path: of the shipped file, relative to `checkpoint_folder()`.
        batches: what `enumerate_cycle` returned.
        fresh: start over with this new model and cycle: load nothing. If another process trains
            into this file, what it has is set aside. No effect on a cycle that has begun or was
            loaded.
        save_every: seconds; 0 writes before every step.
        **parts: whatever else must survive: `model=`, `optimizer=`, `history=`; each has a
            `state_dict`, or is a list or a dict.

    Returns:
        Resumed: what was done; printed, it is one line.

    Raises:
        CheckpointError: if the file is damaged, fits another model, or another process trains into
            it.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from probnn.training import enumerate_cycle
        >>> model, batches, history = torch.nn.Linear(1, 1), enumerate_cycle([1, 2], epochs=3), []
        >>> with TemporaryDirectory() as folder:
        ...     path = f"{folder}/line.pt"
        ...     for attempt in range(2):
        ...         print(resume(path, batches=batches, model=model, history=history))
        ...         history.extend(epoch for (epoch, _), _ in batches)
        starts at epoch 0
        finished after 3 epochs
        >>> history
        [0, 0, 1, 1, 2, 2]
    """
    shipped = checkpoint_folder() / path
    working = in_progress(shipped)
    plain(parts)  # what could not be written is told now
    origin, missing, notes = "", [], []
    claim = _claim(batches, working)
    if batches.steps:
        if fresh:
            notes = ["fresh=True is for a new model and cycle: run the cell that makes them first"]
        notes += _take_up_parts(parts, batches.file.parts if batches.file else {})
    elif not fresh and (working.exists() or shipped.exists()):
        source = working if working.exists() else shipped
        origin = f"from {path}, {'shipped' if source is shipped else 'in progress'}"
        _unless_claimed(claim.check, path)
        missing = _load_parts(source, batches=batches, **parts)
    if batches.finished:
        claim.release()
    else:
        over = fresh and not batches.steps
        notes.append(_unless_claimed(lambda: claim.take(over), path) or "")
    batches.keep_in(TrainingFile(working, parts, save_every, claim))
    note = "; ".join(filter(None, notes))
    return Resumed(batches.epoch, batches.batch_num, batches.finished, origin, tuple(missing), note)


def _claim(batches: Cycle, working: Path) -> Claim:
    """The claim of this training to this file; one to another file is given up."""
    if batches.file is None:
        return Claim(working)
    if batches.file.path == working:
        return batches.file.claim
    batches.file.claim.release()
    return Claim(working)


def _unless_claimed(claim: Callable[[], str | None], path: str | Path) -> str | None:
    try:
        return claim()
    except Claimed as other:
        raise CheckpointError(
            f"{path}: {other} trains into this file at the moment. Shut down its kernel, or name "
            "another file here, or start over with a new model and cycle and fresh=True (the "
            "other then goes on in a file of its own)"
        ) from None
    except OSError as error:
        return f"NOT saved, since nothing can be written there: {error.strerror or error}"


def _take_up_parts(parts: dict[str, Any], before: dict[str, Any]) -> list[str]:
    """Gives parts that the cell has made anew the state of those before; returns what to say."""
    said = []
    for name, part in parts.items():
        if part is not before.get(name, part):
            if isinstance(part, torch.optim.Optimizer):
                said.append(take_up(part, before[name]))
            else:
                set_state(part, get_state(before[name]))
    return said


def ship(path: str | Path, folder: str | Path) -> Path:
    """Writes the work in progress at `path` to `folder` as a shipped file.

    Stored results as they are, a training without its optimiser and random streams.

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
            raise CheckpointError(
                f"{path}: expected a finished training, got one at epoch {position['epoch']}: "
                "run its cell to the end first"
            )
        parts["batches"] = {
            name: position[name]
            for name in ("epoch", "batch_num", "batches_per_epoch", "data", "finished")
        }
        parts.pop("optimizer", None)
    save(Path(folder) / path, **parts)
    return Path(folder) / path


def _load_parts(path: Path, **parts: Any) -> list[str]:
    states = read(path)
    missing = [name for name in parts if name not in states]
    if set(missing) - {"optimizer"}:
        raise CheckpointError(
            f"{path}: expected {', '.join(parts)} in it, got {', '.join(states)}. "
            "Name another file for another model; "
            "or move this one away, or pass fresh=True, to start over"
        )
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
        raise CheckpointError(
            f"{path}: its {name} does not fit ({reason}). Name another file for another model; "
            "or move this one away, or pass fresh=True, to start over"
        ) from None
    return missing if "random" in states["batches"] else [*missing, "random streams"]
