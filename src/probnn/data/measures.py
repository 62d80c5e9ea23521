"""What can be measured of how an image was drawn, without any model."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from probnn.data.style import ink

__all__ = ["Shapes", "shapes"]


class Shapes(NamedTuple):
    """Measures of B images. Ink is what is above 0.5, but for `ink` and `grey_entropy`.

    Attributes:
        ink: (B,) sum of the grey levels, in pixels.
        edge: (B,) length of the edge between ink and paper, in pixel sides.
        stroke_width: (B,) 2 x area / edge, in pixels.
        border_ink: (B,) sum of the grey levels in the outer 4 pixels.
        width: (B,) of the box around the ink, in pixels.
        grey_entropy: (B,) of the pixels as Bernoulli variables, in nats: no independent pixels can
            give the image a higher log likelihood than minus that.
        pieces: (B,) in how many connected pieces (diagonals connect) the ink lies.
    """

    ink: Tensor
    edge: Tensor
    stroke_width: Tensor
    border_ink: Tensor
    width: Tensor
    grey_entropy: Tensor
    pieces: Tensor


def shapes(images: Tensor) -> Shapes:
    """The measures of every image; needs SciPy, which scikit-learn brings.

    Args:
        images: (B, 1, 28, 28), values in [0, 1], with some ink in each.

    Example:
        >>> square = torch.zeros(1, 1, 28, 28)
        >>> square[..., 10:20, 10:20] = 1
        >>> measured = shapes(square)
        >>> measured.edge, measured.stroke_width, measured.width, measured.pieces
        (tensor([40.]), tensor([5.]), tensor([10.]), tensor([1.]))
    """
    from scipy import ndimage

    dark = pad((images[:, 0] > 0.5).to(images.dtype), (1, 1, 1, 1))
    edge = dark.diff(dim=1).abs().sum((1, 2)) + dark.diff(dim=2).abs().sum((1, 2))
    columns = dark.amax(1)
    left, right = columns.argmax(1), columns.flip(1).argmax(1)
    pieces = [ndimage.label(image, [[1] * 3] * 3)[1] for image in dark.cpu().numpy()]
    return Shapes(
        ink=ink(images)[:, 0],
        edge=edge,
        stroke_width=2 * dark.sum((1, 2)) / edge,
        border_ink=ink(images)[:, 0] - ink(images[..., 4:-4, 4:-4])[:, 0],
        width=(columns.shape[1] - left - right).to(images),
        grey_entropy=(torch.special.entr(images) + torch.special.entr(1 - images)).sum((1, 2, 3)),
        pieces=torch.tensor(pieces).to(images),
    )
