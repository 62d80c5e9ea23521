"""The file that a training keeps up to date while it runs."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from probnn.training.checkpoints import NotWritten, not_written, save
from probnn.training.claims import Claim

__all__ = ["TrainingFile"]


@dataclass
class TrainingFile:
    """The file that a training keeps up to date: its place, its content, how often it is written.

    Attributes:
        path: of the file.
        parts: what is kept beside the position among the batches: model, optimiser, history.
        every: seconds between two writings during training; 0 writes before every step.
        claim: to the file; a new one by default.
    """

    path: Path
    parts: dict[str, Any]
    every: float = 20.0
    claim: Claim = None  # type: ignore[assignment]  # until it has been made
    _tried_at: float = field(default_factory=time.monotonic, init=False)
    _said: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self.claim = self.claim or Claim(self.path)

    def write(self, batches: Any) -> None:
        """Writes the parts as they are now, and the position among the batches.

        Once another process has taken the file over, that is a file beside it.

        Raises:
            NotWritten: if it cannot be written now.
            CheckpointError: if a part holds what cannot be kept.
        """
        self._tried_at = time.monotonic()
        place = None
        try:
            # twice if it is taken over while it is being written
            while place != (place := self.claim.place()):
                save(place, batches=batches, **self.parts)
        except OSError as error:
            raise not_written(self.path, error) from None
        if batches.finished:
            self.claim.release()
        moved = f"another training goes on in {self.path.name}: this one does in {place.name}"
        self._say(moved if self.claim.lost else "")

    def write_if_due(self, batches: Any) -> bool:
        """Writes if the last try was `every` seconds ago.

        If that is impossible now, it says so, once, and training goes on; it is tried again later.

        Returns:
            Whether it was written.
        """
        if time.monotonic() - self._tried_at < self.every:
            return False
        try:
            self.write(batches)
        except NotWritten as error:
            self._say(f"NOT saved for now; training goes on: {error}")
            return False
        return True

    def _say(self, what: str) -> None:
        if what and what != self._said:
            print(what)
        self._said = what
