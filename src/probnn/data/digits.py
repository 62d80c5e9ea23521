"""A digit of one's own: a photograph, a scan or a drawing, made into an image as MNIST's are."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

__all__ = ["from_picture"]

SIZE, DIGIT = 28, 20
CENTRE = 14.0  # row and column of the centre of mass, as in MNIST
CONTRAST = 32  # grey levels of 255 between ink and paper, at least
FAINT = 0.1  # of the contrast: less is the paper's grain


def from_picture(picture: str | PathLike[str] | Image.Image | np.ndarray[Any, Any]) -> Tensor:
    """Makes a picture of one digit into an image as MNIST's are made.

    Ink may be dark on bright paper or bright on dark: the margin is taken for the paper. The ink's
    bounding box is scaled, with its proportions, until the longer side has 20 pixels (grey pixels
    come from the averaging), and put into 28 x 28 with its centre of mass in the middle. The
    strongest ink becomes 1, the paper 0.

    Args:
        picture: a file, a PIL image, or an array (H, W), (H, W, 3) or (H, W, 4) of grey levels or
            colours from 0 to 255 (uint8), of any size; transparent parts count as white paper.

    Returns:
        (1, 1, 28, 28), a batch of one, pixels in [0, 1], on the CPU.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is no picture, or nothing is drawn on it.

    Source:
        LeCun et al., "Gradient-based learning applied to document recognition", 1998, section III.

    Example:
        >>> paper = np.full((300, 200), 255, dtype=np.uint8)
        >>> paper[50:250, 90:110] = 0  # a one, in black
        >>> from_picture(paper).shape
        torch.Size([1, 1, 28, 28])
    """
    levels = np.asarray(_grey(picture), dtype=np.float32)
    if min(levels.shape) < 2:
        raise ValueError(f"expected a picture of at least 2 x 2 pixels, got {levels.shape}")
    margin = np.concatenate([levels[0], levels[-1], levels[:, 0], levels[:, -1]])
    brighter = levels - np.median(margin)
    # what is on the other side of the paper's level is a shadow or a reflection
    ink = np.maximum(brighter if brighter.max() > -brighter.min() else -brighter, 0)
    if ink.max() < CONTRAST:
        raise ValueError(
            f"expected ink that differs from the paper by {CONTRAST} of 255 grey levels or more, "
            f"got {ink.max():.0f}: draw a digit, or make a picture with more light"
        )
    ink /= ink.max()
    ink[ink < FAINT] = 0
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    box = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return _centred(_scaled(box))[None, None]


def _grey(picture: str | PathLike[str] | Image.Image | np.ndarray[Any, Any]) -> Image.Image:
    if isinstance(picture, np.ndarray):
        if picture.ndim != 2 and picture.shape[2:] not in ((3,), (4,)):
            raise ValueError(
                f"expected an array (H, W), (H, W, 3) or (H, W, 4), got shape {picture.shape}"
            )
        if picture.dtype != np.uint8:
            raise ValueError(
                f"expected an array of grey levels 0 to 255 (uint8), got {picture.dtype}"
            )
        picture = Image.fromarray(picture)
    elif isinstance(picture, (str, PathLike)):
        picture = _opened(Path(picture))
    elif not isinstance(picture, Image.Image):
        raise ValueError(
            f"expected a file's name, a PIL image or a numpy array, got {type(picture).__name__}"
        )
    layers = picture.convert("RGBA")
    paper = Image.new("RGBA", layers.size, "white")
    return Image.alpha_composite(paper, layers).convert("L")


def _opened(path: Path) -> Image.Image:
    with open(path, "rb") as file:
        try:
            # as it was held: phones store how the picture is to be turned
            return ImageOps.exif_transpose(Image.open(file))
        except (UnidentifiedImageError, OSError):
            raise ValueError(
                f"expected a picture (PNG, JPEG, ...), got {path}, which is none, or damaged"
            ) from None


def _scaled(box: np.ndarray[Any, Any]) -> Tensor:
    """The digit with 20 pixels along its longer side, by averaging over areas."""
    scale = DIGIT / max(box.shape)
    size = [max(1, round(side * scale)) for side in box.shape]
    picture = Image.fromarray(box).resize((size[1], size[0]), Image.Resampling.BOX)
    small = torch.from_numpy(np.array(picture))
    return (small / small.max()).clamp(0, 1)


def _centred(digit: Tensor) -> Tensor:
    """The digit in 28 x 28 pixels, its centre of mass as near to the middle as whole pixels go."""
    image, starts = torch.zeros(SIZE, SIZE), []
    for dim, side in enumerate(digit.shape):
        mass = digit.sum(1 - dim)
        centre = (mass * torch.arange(side)).sum() / mass.sum()
        starts.append(min(max(round(CENTRE - centre.item()), 0), SIZE - side))
    top, left = starts
    image[top : top + digit.shape[0], left : left + digit.shape[1]] = digit
    return image
