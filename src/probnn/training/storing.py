"""Results that are not computed twice: kept in a file with a hash of what they were made from."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from probnn.runtime.devices import to_default_device
from probnn.runtime.settings import checkpoint_folder
from probnn.training.checkpoints import CheckpointError, in_progress, read, save

__all__ = ["stored"]


def stored(
    path: str | Path, compute: Callable[[], dict[str, Tensor]], **made_from: Any
) -> dict[str, Tensor]:
    """The result of an expensive computation, from its file or else computed and stored.

    The file serves if it was made from the same things. A result that cannot be written, or is no
    dict of tensors, is returned all the same, with a warning.

    Args:
        path: of the shipped file, relative to `checkpoint_folder()`; a new result goes to the
            folder in progress.
        compute: returns a dict of tensors.
        **made_from: everything the result depends on: models, tensors, numbers, strings. Their hash
            is kept in the file.

    Raises:
        ValueError: if `made_from` holds anything else.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> def compute():
        ...     print("computing")
        ...     return {"scores": torch.ones(2)}
        >>> with TemporaryDirectory() as folder:
        ...     path, data = f"{folder}/scores.pt", torch.zeros(3)
        ...     for samples in (100, 100, 200):
        ...         scores = stored(path, compute, samples=samples, data=data)
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
            digest.update(f"{name}:{value.dtype}{tuple(value.shape)}".encode())
            digest.update(value.numpy().tobytes())
        elif value is None or isinstance(value, (bool, int, float, str)):
            digest.update(f"{name}={value!r};".encode())
        else:
            raise ValueError(
                "expected models, tensors, numbers and strings to have made a result, "
                f"got {name[1:]} of type {type(value).__name__}"
            )

    add("", made_from)
    return digest.hexdigest()
