"""The data sets, as tensors, from files that are verified byte for byte."""

from probnn.data.digits import from_picture
from probnn.data.files import DataError
from probnn.data.measures import Shapes, shapes
from probnn.data.mnist import (
    LabelledImages,
    held_out_split,
    load_mnist,
    mnist_dataset,
    sample_train,
    treat_pixels,
)
from probnn.data.style import ink, slant
from probnn.data.tables import Surnames, load_surnames, load_xkcd

__all__ = [
    "DataError",
    "LabelledImages",
    "Shapes",
    "Surnames",
    "from_picture",
    "held_out_split",
    "ink",
    "load_mnist",
    "load_surnames",
    "load_xkcd",
    "mnist_dataset",
    "sample_train",
    "shapes",
    "slant",
    "treat_pixels",
]
