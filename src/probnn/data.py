"""The data sets, as tensors, read without a network from the repository's `data/` folder and verified byte for byte.

`python -m probnn` checks every file and repairs what it can.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tempfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
import torchvision
from torch import Tensor

from probnn.devices import to_default_device

DATA = Path(os.environ.get("PROBNN_DATA", Path(__file__).resolve().parents[2] / "data"))

SHA256 = {  # of the uncompressed files
    "MNIST/raw/train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "MNIST/raw/train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "MNIST/raw/t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "MNIST/raw/t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    "xkcd.csv": "f0ca19e2d613e303bca916ca7520b0e012cda05b9320dc897b674e4d854e57de",
    "surnames.csv": "cf1c32f2b9868ebcc84234262426d097623ab1565e3e8aaaafdb870947b6b325",
}
PARTS = ("train", "fit", "held_out", "first", "second", "test")
MOST = 100 if int(os.environ.get("PROBNN_CUT_SHORT") or 0) else None  # data of a part: the tests' setting has few training steps and few data


class DataError(RuntimeError):
    """A data file is missing, truncated or altered; the message names it and the command that repairs it."""


class LabelledImages(NamedTuple):
    """Images (N, 1, 28, 28) float32 in [0, 1], and labels (N,) int64."""

    images: Tensor
    labels: Tensor


class Surnames(NamedTuple):
    """Surnames in capitals, and for each (N,) the percentage of people who bear it, 0 where fewer than one in 200,000 do."""

    names: list[str]
    percent: Tensor


def mnist_dataset(train: bool = True, kind: type = torchvision.datasets.MNIST) -> torchvision.datasets.MNIST:
    """MNIST as the coursework uses it: `mnist[i]` is (image (1, 28, 28) in [0, 1], label), and a DataLoader batches it.

    Another `kind` of the same shape, as torchvision.datasets.FashionMNIST, is downloaded on first use.

    Example:
        >>> image, label = mnist_dataset()[59289]
        >>> image.shape
        torch.Size([1, 28, 28])
    """
    if kind is torchvision.datasets.MNIST:
        unpack_mnist()
    try:
        return kind(str(DATA), train=train, transform=torchvision.transforms.ToTensor(), download=True)
    except (OSError, RuntimeError) as error:
        raise DataError(f"{DATA / kind.__name__ / 'raw'}: expected its files, got none, and torchvision's download failed ({' '.join(str(error).split())}). Put them there by hand") from None


def load_mnist(part: str, pixels: str = "grey", generator: torch.Generator | None = None, kind: type = torchvision.datasets.MNIST) -> LabelledImages:
    """A part of MNIST, or of another data set of its shape, as tensors in memory.

    Args:
        part: "train" (60,000), "test" (the official 10,000); or a part of the training set: "fit" (54,000) and "held_out"
            (6,000), given by `held_out_split`, or "first" and "second", its first and second 10,000 (Toronto).
        pixels: "grey" k/255, "thresholded" at 0.5, or "sampled": 1 with the probability of the grey level.
        generator: for "sampled" pixels; the global random stream by default.
        kind: of data set, such as torchvision.datasets.FashionMNIST.

    Returns:
        LabelledImages: images (N, 1, 28, 28) float32, labels (N,) int64.

    Raises:
        ValueError: for another part or pixel treatment.
        DataError: if a file is missing or damaged.

    Example:
        >>> images, labels = load_mnist("test", pixels="thresholded")
        >>> images.shape, images.unique(), labels[:3]
        (torch.Size([10000, 1, 28, 28]), tensor([0., 1.]), tensor([7, 2, 1]))
    """
    if part not in PARTS:
        raise ValueError(f"expected part {', '.join(map(repr, PARTS[:-1]))} or {PARTS[-1]!r}, got {part!r}")
    dataset = mnist_dataset(train=part != "test", kind=kind)
    slices = {"first": slice(0, 10_000), "second": slice(10_000, 20_000)}
    chosen = held_out_split()[part == "held_out"] if part in ("fit", "held_out") else slices.get(part, slice(None))
    raw, labels = dataset.data[chosen][:MOST], dataset.targets[chosen][:MOST]
    return to_default_device(LabelledImages(treat_pixels(raw[:, None].float().div_(255), pixels, generator), labels))


def treat_pixels(grey: Tensor, pixels: str, generator: torch.Generator | None = None) -> Tensor:
    """Grey levels in [0, 1] as they are ("grey"), as 0 or 1 by threshold 0.5 ("thresholded"), or drawn as Bernoulli ("sampled").

    Log likelihoods of differently treated pixels measure different things and must not share a table row.

    Example:
        >>> treat_pixels(torch.tensor([0.0, 0.4, 0.6]), "thresholded")
        tensor([0., 0., 1.])
    """
    if pixels == "grey":
        return grey
    if pixels == "thresholded":
        return (grey > 0.5).to(grey.dtype)
    if pixels == "sampled":
        u = torch.rand(grey.shape, generator=generator, dtype=grey.dtype, device=grey.device)
        return (u < grey).to(grey.dtype)
    raise ValueError(f"expected pixels 'grey', 'thresholded' or 'sampled', got {pixels!r}")


def held_out_split() -> tuple[Tensor, Tensor]:
    """Indices into the 60,000 training images: the 54,000 to fit and the 6,000 held out. Always the same.

    Example:
        >>> fit, held_out = held_out_split()
        >>> len(fit), len(held_out), held_out[:3]
        (54000, 6000, tensor([ 3048, 19563, 58303]))
    """
    order = torch.from_numpy(np.random.RandomState(0).permutation(60_000))  # a stream that numpy promises not to change
    return order[6_000:], order[:6_000]


def load_xkcd() -> tuple[Tensor, Tensor]:
    """The 31 points of the regression question, x and y, each (31, 1) float32.

    Source:
        R. Munroe, xkcd 2048 "Curve-Fitting", read off the drawing (CC BY-NC 2.5).

    Example:
        >>> x, y = load_xkcd()
        >>> x.shape, y.shape
        (torch.Size([31, 1]), torch.Size([31, 1]))
    """
    table = pd.read_csv(io.BytesIO(_verified(DATA / "xkcd.csv", SHA256["xkcd.csv"])))
    return tuple(torch.tensor(table[[name]].to_numpy(), dtype=torch.float32) for name in ("x", "y"))


def load_surnames(part: str) -> Surnames:
    """A part of the 88,799 surnames of the US Census of 1990, every name once, whatever its frequency.

    Args:
        part: "all", or one of a fixed random split by name: "fit" (75,000), "held_out" (5,000) to choose with, "test" (8,799) to report.

    Source:
        US Census Bureau, file dist.all.last (public domain).

    Example:
        >>> names, percent = load_surnames("test")
        >>> len(names), names[:3]
        (8799, ['HUEBSCH', 'FANDEL', 'GASTONGUAY'])
    """
    parts = {"all": slice(None), "fit": slice(13_799, None), "held_out": slice(8_799, 13_799), "test": slice(8_799)}
    if part not in parts:
        raise ValueError(f"expected part {', '.join(map(repr, parts))}, got {part!r}")
    content = _verified(DATA / "surnames.csv.gz", SHA256["surnames.csv"])
    table = pd.read_csv(io.BytesIO(content), keep_default_na=False)  # NULL is a surname
    order = np.arange(len(table)) if part == "all" else np.random.RandomState(0).permutation(len(table))
    table = table.iloc[order[parts[part]][:MOST]]
    return Surnames(table["name"].tolist(), torch.tensor(table["percent"].to_numpy(), dtype=torch.float32))


def unpack_mnist() -> None:
    """Makes sure that the four MNIST files lie unpacked and unaltered in `data/MNIST/raw`; unpacks them once if not.

    Each is written whole under another name and then renamed, so several processes may do this at once. If a packed
    file is missing, torchvision's download is tried.

    Raises:
        DataError: naming the file, what was expected, what was found, and the command that repairs it.
    """
    for name, sha256 in SHA256.items():
        if name.startswith("MNIST"):
            path = DATA / name
            _verified(path, sha256) if path.exists() else _unpack(path, sha256)


def _unpack(path: Path, sha256: str) -> None:
    packed = path.with_name(path.name + ".gz")
    if not packed.exists():
        _download(packed)
    content = _verified(packed, sha256)
    handle, partial = tempfile.mkstemp(prefix=path.name + ".", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(partial, 0o644)  # mkstemp's files are for one user only
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def _download(packed: Path) -> None:
    packed.parent.mkdir(parents=True, exist_ok=True)
    for mirror in torchvision.datasets.MNIST.mirrors:
        try:
            torchvision.datasets.utils.download_url(mirror + packed.name, str(packed.parent))
            return
        except (OSError, RuntimeError):
            packed.unlink(missing_ok=True)
    raise _damaged(packed, "a file", "none, and torchvision's download of it failed")


def _verified(path: Path, sha256: str) -> bytes:
    """The content of a file, unpacked if it is a .gz; raises DataError unless it is what it should be."""
    if not path.exists():
        raise _damaged(path, "a file", "none")
    content = path.read_bytes()
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise _damaged(path, "a gzip file", f"one that does not unpack ({error})") from None
    got = hashlib.sha256(content).hexdigest()
    if got != sha256:
        raise _damaged(path, f"content with sha256 {sha256}", f"{got} ({len(content):,} bytes)")
    return content


def _damaged(path: Path, expected: str, got: str) -> DataError:
    tracked = path.suffix in (".gz", ".csv")
    repair = f"git checkout -- {path}" if tracked else "python -m probnn"
    return DataError(f"{path}: expected {expected}, got {got}. To repair it: {repair}")


def repair() -> None:
    """Deletes unpacked MNIST files that are not what they should be, unpacks them again, and checks everything."""
    for name, sha256 in SHA256.items():
        path = DATA / name
        if not path.suffix and path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            path.unlink()
            print(f"{path}: damaged, unpacked again")
    unpack_mnist()
    load_xkcd()
    load_surnames("all")
    print(f"{DATA}: all data sets are complete")
