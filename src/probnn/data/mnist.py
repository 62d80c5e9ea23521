"""MNIST as tensors, read without a network from the data folder and verified byte for byte."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torchvision
from torch import Tensor

from probnn.data.files import DataError, unpack_mnist
from probnn.runtime.devices import to_default_device
from probnn.runtime.settings import data_folder

__all__ = [
    "LabelledImages",
    "held_out_split",
    "load_mnist",
    "mnist_dataset",
    "sample_train",
    "treat_pixels",
]

PARTS = ("train", "fit", "held_out", "first", "second", "test")


class LabelledImages(NamedTuple):
    """Images (N, 1, 28, 28) float32 in [0, 1], and labels (N,) int64."""

    images: Tensor
    labels: Tensor


def mnist_dataset(
    train: bool = True, kind: type = torchvision.datasets.MNIST
) -> torchvision.datasets.MNIST:
    """MNIST as the coursework uses it.

    `mnist[i]` is (image (1, 28, 28) in [0, 1], label), and a DataLoader batches it. Another `kind`
    of the same shape, as torchvision.datasets.FashionMNIST, is downloaded on first use.

    Example:
        >>> image, label = mnist_dataset()[59289]
        >>> image.shape
        torch.Size([1, 28, 28])
    """
    if kind is torchvision.datasets.MNIST:
        unpack_mnist()
    try:
        return kind(
            str(data_folder()),
            train=train,
            transform=torchvision.transforms.ToTensor(),
            download=True,
        )
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{data_folder() / kind.__name__ / 'raw'}: expected its files, got none, "
            f"and torchvision's download failed ({reason}). Put them there by hand"
        ) from None


def load_mnist(
    part: str,
    pixels: str = "grey",
    generator: torch.Generator | None = None,
    kind: type = torchvision.datasets.MNIST,
) -> LabelledImages:
    """A part of MNIST, or of another data set of its shape, as tensors in memory.

    Args:
        part: "train" (60,000), "test" (the official 10,000); or a part of the training set: "fit"
            (54,000) and "held_out" (6,000), given by `held_out_split`, or "first" and "second", its
            first and second 10,000 (Toronto).
        pixels: "grey" k/255, "thresholded" at 0.5, or "sampled": 1 with the probability of the grey
            level.
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
        raise ValueError(
            f"expected part {', '.join(map(repr, PARTS[:-1]))} or {PARTS[-1]!r}, got {part!r}"
        )
    dataset = mnist_dataset(train=part != "test", kind=kind)
    fit, held_out = held_out_split()
    first, second = slice(0, 10_000), slice(10_000, 20_000)
    some = {"fit": fit, "held_out": held_out, "first": first, "second": second}
    chosen = some.get(part, slice(None))
    images, labels = dataset.data[chosen][:, None].float().div_(255), dataset.targets[chosen]
    return to_default_device(LabelledImages(treat_pixels(images, pixels, generator), labels))


def treat_pixels(grey: Tensor, pixels: str, generator: torch.Generator | None = None) -> Tensor:
    """Grey levels in [0, 1], treated as `pixels` says.

    As they are ("grey"), as 0 or 1 by threshold 0.5 ("thresholded"), or drawn as Bernoulli
    ("sampled"). Log likelihoods of differently treated pixels measure different things and must not
    share a table row.

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
    """Indices into the 60,000 training images: the 54,000 to fit and the 6,000 held out.

    Always the same.

    Example:
        >>> fit, held_out = held_out_split()
        >>> len(fit), len(held_out), held_out[:3]
        (54000, 6000, tensor([ 3048, 19563, 58303]))
    """
    # a stream that numpy promises not to change
    order = torch.from_numpy(np.random.RandomState(0).permutation(60_000))
    return order[6_000:], order[:6_000]


def sample_train(N: int, return_labels: bool = False) -> Tensor | tuple[Tensor, Tensor]:
    """N images drawn at random from the 60,000 of MNIST's training set.

    Each draw is independent of the others. The images are read from their file, which the operating
    system keeps at hand: nothing is held in memory.

    Args:
        N: how many, at least 1.
        return_labels: also return their labels.

    Returns:
        (N, 28, 28) grey levels in [0, 1]; with labels, the pair of them and (N,) int64.

    Source:
        The 2-D autoencoder's text.

    Example:
        >>> images, labels = sample_train(200, return_labels=True)
        >>> images.shape, labels.shape
        (torch.Size([200, 28, 28]), torch.Size([200]))
    """
    if N < 1:
        raise ValueError(f"expected N >= 1 images, got {N}")
    chosen = torch.randint(60_000, (N,))
    images, labels = (rows[chosen.cpu().numpy()] for rows in _train_files(data_folder()))
    grey = to_default_device(torch.from_numpy(images).float().div_(255))
    if not return_labels:
        return grey
    return grey, to_default_device(torch.from_numpy(labels).long())


@lru_cache(maxsize=1)
def _train_files(folder: Path) -> tuple[np.memmap, np.memmap]:
    """The training images (60000, 28, 28) and labels, uint8, as they lie on disk; verified once."""
    unpack_mnist()
    raw = folder / "MNIST/raw"
    images = np.memmap(raw / "train-images-idx3-ubyte", np.uint8, "r", 16, (60_000, 28, 28))
    return images, np.memmap(raw / "train-labels-idx1-ubyte", np.uint8, "r", 8)
