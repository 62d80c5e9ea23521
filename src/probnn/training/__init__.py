"""Training that can be interrupted, looked at and resumed exactly. Knows no model."""

from probnn.training.checkpoints import CheckpointError, load, save
from probnn.training.cycles import Cycle, enumerate_cycle
from probnn.training.interrupts import Interruptable, Interrupted
from probnn.training.keeping import TrainingFile
from probnn.training.resuming import Resumed, resume, ship
from probnn.training.storing import stored

__all__ = [
    "CheckpointError",
    "Cycle",
    "Interruptable",
    "Interrupted",
    "Resumed",
    "TrainingFile",
    "enumerate_cycle",
    "load",
    "resume",
    "save",
    "ship",
    "stored",
]
