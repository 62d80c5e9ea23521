"""The settings that the environment may hold: this is the only module that reads it.

Each is read when it is needed, so it may be changed while a program runs. `docs/settings.md` lists
them.
"""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

__all__ = [
    "checkpoint_folder",
    "cluster_address",
    "data_folder",
    "device_name",
    "has_memory_settings",
    "is_headless",
    "notebook_name",
]


def data_folder() -> Path:
    """Where the data lie.

    PROBNN_DATA, or `data/` of this repository, or a cache folder of the user's. The last is meant
    for a package that is installed without its repository.
    """
    return _folder("PROBNN_DATA", "data")


def checkpoint_folder() -> Path:
    """Where checkpoints lie.

    PROBNN_CHECKPOINTS, or `checkpoints/` of this repository, or a cache folder.
    """
    return _folder("PROBNN_CHECKPOINTS", "checkpoints")


def device_name() -> str | None:
    """The device that PROBNN_DEVICE names, as "cpu", "cuda" or "mps"; None if it names none."""
    return os.environ.get("PROBNN_DEVICE") or None


def cluster_address() -> str | None:
    """The address of a Dask scheduler in PROBNN_CLUSTER, as tcp://host:8786; None without one."""
    return os.environ.get("PROBNN_CLUSTER") or None


def is_headless() -> bool:
    """Whether PROBNN_HEADLESS is set: a command executes the notebooks then, nobody watches."""
    return bool(os.environ.get("PROBNN_HEADLESS"))


def notebook_name() -> str:
    """The file of the notebook that this process runs, as Jupyter tells its kernels; "" if none."""
    return Path(os.environ.get("JPY_SESSION_NAME", "")).name


def has_memory_settings() -> bool:
    """Whether the environment has settings for the memory allocator already, or another allocator.

    Those of glibc (MALLOC_..., GLIBC_TUNABLES), or a library in its place (LD_PRELOAD).
    """
    return any(name.startswith(("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD")) for name in os.environ)


def _folder(setting: str, name: str) -> Path:
    if os.environ.get(setting):
        return Path(os.environ[setting])
    repository = Path(__file__).resolve().parents[3]
    if (repository / "pyproject.toml").exists() and (repository / "src/probnn").exists():
        return repository / name
    return user_cache_path("probnn") / name
