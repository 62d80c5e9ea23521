"""The data files: where they lie, that they are what they should be, and how they are repaired."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import torchvision

from probnn.runtime.files import write_whole
from probnn.runtime.settings import data_folder

__all__ = ["SHA256", "DataError", "repair_mnist", "unpack_mnist", "verified"]

SHA256 = {  # of the uncompressed files
    "MNIST/raw/train-images-idx3-ubyte": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
    ),
    "MNIST/raw/train-labels-idx1-ubyte": (
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
    ),
    "MNIST/raw/t10k-images-idx3-ubyte": (
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
    ),
    "MNIST/raw/t10k-labels-idx1-ubyte": (
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
    ),
    "xkcd.csv": "f0ca19e2d613e303bca916ca7520b0e012cda05b9320dc897b674e4d854e57de",
    "surnames.csv": "cf1c32f2b9868ebcc84234262426d097623ab1565e3e8aaaafdb870947b6b325",
}


class DataError(RuntimeError):
    """A data file is missing, truncated or altered; the message names it and how it is repaired."""


def verified(name: str) -> bytes:
    """The content of a data file, unpacked if it is a .gz.

    Args:
        name: relative to the data folder, as in "surnames.csv.gz".

    Raises:
        DataError: unless it is there and is what it should be, byte for byte.

    Example:
        >>> verified("xkcd.csv").splitlines()[0]
        b'x,y'
    """
    path, sha256 = data_folder() / name, SHA256[name.removesuffix(".gz")]
    if not path.exists():
        raise _damaged(path, "a file", "none")
    content = path.read_bytes()
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            found = f"one that does not unpack ({error})"
            raise _damaged(path, "a gzip file", found) from None
    got = hashlib.sha256(content).hexdigest()
    if got != sha256:
        raise _damaged(path, f"content with sha256 {sha256}", f"{got} ({len(content):,} bytes)")
    return content


def unpack_mnist() -> None:
    """Makes sure that the four MNIST files lie unpacked and unaltered in the data folder.

    Unpacks them once if they do not, each whole or not at all, so several processes may do this at
    once. If a packed file is missing, torchvision's download is tried.

    Raises:
        DataError: naming the file, what was expected, what was found, and how it is repaired.
    """
    for name in SHA256:
        if name.startswith("MNIST"):
            if (data_folder() / name).exists():
                verified(name)
            else:
                _unpack(name)


def repair_mnist() -> list[Path]:
    """Unpacks the MNIST files again that are not what they should be, and returns which.

    Raises:
        DataError: if a packed file is damaged, too.
    """
    damaged = []
    for name, sha256 in SHA256.items():
        path = data_folder() / name
        if not path.suffix and path.exists():
            if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
                path.unlink()
                damaged.append(path)
    unpack_mnist()
    return damaged


def _unpack(name: str) -> None:
    packed = data_folder() / (name + ".gz")
    if not packed.exists():
        _download(packed)
    write_whole(data_folder() / name, verified(name + ".gz"))


def _download(packed: Path) -> None:
    for mirror in torchvision.datasets.MNIST.mirrors:
        with suppress(OSError, RuntimeError), TemporaryDirectory() as folder:
            torchvision.datasets.utils.download_url(mirror + packed.name, folder)
            write_whole(packed, Path(folder, packed.name).read_bytes())
            return
    raise _damaged(packed, "a file", "none, and torchvision's download of it failed")


def _is_in_the_repository() -> bool:
    root = data_folder().resolve().parent
    return (root / ".git").exists() and (root / "src/probnn").exists()


def _damaged(path: Path, expected: str, got: str) -> DataError:
    """The error, with what helps: where there is a repository, git has the file."""
    if not path.suffix:
        repair = "python -m probnn"
    elif _is_in_the_repository():
        repair = f"git checkout -- {path}"
    else:
        repair = (
            "put the one of the project's data/ folder there, or name that folder in PROBNN_DATA"
        )
    return DataError(f"{path}: expected {expected}, got {got}. To repair it: {repair}")
