"""The ground: the process, its devices, its random streams, its settings, its files."""

from probnn.runtime.devices import in_float64, to_default_device, use_device
from probnn.runtime.files import write_whole
from probnn.runtime.parallel import run_all
from probnn.runtime.precision import reduced_precision
from probnn.runtime.random_streams import preserved_random_state
from probnn.runtime.settings import checkpoint_folder, data_folder
from probnn.runtime.tuning import (
    flush_denormals,
    keep_memory,
    settle_elementary_functions,
    tune_process,
)

__all__ = [
    "checkpoint_folder",
    "data_folder",
    "flush_denormals",
    "in_float64",
    "keep_memory",
    "preserved_random_state",
    "reduced_precision",
    "run_all",
    "settle_elementary_functions",
    "to_default_device",
    "tune_process",
    "use_device",
    "write_whole",
]
