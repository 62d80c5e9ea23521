"""MNIST as tensors: what its parts and pixel treatments hold, and images drawn from it."""

import tracemalloc

import numpy as np
import pytest
import torch
import torchvision

from probnn.data import (
    DataError,
    held_out_split,
    load_mnist,
    mnist_dataset,
    sample_train,
    treat_pixels,
)


def test_the_parts_of_mnist_have_their_sizes_and_range():
    for part, size in {"train": 60_000, "fit": 54_000, "held_out": 6_000, "test": 10_000}.items():
        images, labels = load_mnist(part)
        assert images.shape == (size, 1, 28, 28)
        assert images.dtype == torch.float32 and labels.dtype == torch.int64
        assert images.min() == 0 and images.max() == 1
        assert labels.unique().tolist() == list(range(10))


def test_tensors_and_the_courseworks_dataset_hold_the_same_images():
    images, labels = load_mnist("train")
    mnist = mnist_dataset()
    for i in (0, 28001, 59289):
        image, label = mnist[i]
        assert torch.equal(images[i], image) and labels[i] == label


def test_the_split_is_a_fixed_partition():
    fit, held_out = held_out_split()
    assert sorted(torch.cat([fit, held_out]).tolist()) == list(range(60_000))
    assert (len(fit), len(held_out), held_out.sum().item()) == (54_000, 6_000, 179_834_904)
    assert torch.equal(load_mnist("held_out").images, load_mnist("train").images[held_out])


def test_the_first_and_the_second_ten_thousand_are_torontos():
    parts = ("train", "first", "second")
    whole, first, second = (load_mnist(part, "thresholded") for part in parts)
    assert torch.equal(first.images, whole.images[:10_000])
    assert torch.equal(second.images, whole.images[10_000:20_000])
    assert torch.equal(second.labels, whole.labels[10_000:20_000])


def test_pixel_treatments():
    grey = load_mnist("held_out").images[:500]
    thresholded = load_mnist("held_out", pixels="thresholded").images[:500]
    expected = torch.from_numpy((grey.numpy() * 255 >= 128).astype(np.float32))
    assert torch.equal(thresholded, expected)
    draws = torch.stack([treat_pixels(grey, "sampled") for _ in range(20)])
    assert draws.unique().tolist() == [0, 1]
    error = (grey * (1 - grey) / 20).sum().sqrt() / grey.numel()
    assert abs(draws.mean() - grey.mean()) < 5 * error


def test_sampled_pixels_repeat_with_their_generator():
    seeded = (torch.Generator().manual_seed(3) for _ in range(2))
    once, again = (load_mnist("test", "sampled", generator).images for generator in seeded)
    assert torch.equal(once, again)


def test_unknown_parts_and_treatments_are_clear_errors():
    with pytest.raises(ValueError, match="expected part .* got 'validation'"):
        load_mnist("validation")
    with pytest.raises(ValueError, match="expected pixels .* got 'binary'"):
        load_mnist("test", pixels="binary")


def idx(array):
    """An array of bytes in the format of the MNIST files."""
    sizes = b"".join(int(n).to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def test_another_data_set_of_the_same_shape_is_one_argument(copy):
    raw, labels = np.random.RandomState(0).randint(0, 256, (30, 28, 28)), np.arange(30) % 10
    folder = copy / "FashionMNIST/raw"
    folder.mkdir(parents=True)
    for prefix in ("train", "t10k"):
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(idx(raw))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(labels))
    images, loaded = load_mnist("test", kind=torchvision.datasets.FashionMNIST)
    assert torch.equal(images[:, 0], torch.tensor(raw / 255, dtype=torch.float32))
    assert loaded.tolist() == labels.tolist()


def test_a_data_set_that_cannot_be_had_is_a_clear_error(copy, monkeypatch):
    kind, nobody = torchvision.datasets.KMNIST, "http://127.0.0.1:9/"  # listens there
    monkeypatch.setattr(kind, "mirrors", [nobody], raising=False)
    monkeypatch.setattr(kind, "resources", [(nobody + "x.gz", "")])
    said = "KMNIST/raw: expected its files, got none, and torchvision's download failed"
    with pytest.raises(DataError, match=said + ".*Put them there by hand"):
        load_mnist("test", kind=torchvision.datasets.KMNIST)


def test_samples_are_training_images_with_their_labels():
    images, labels = load_mnist("train")
    torch.manual_seed(0)
    x, y = sample_train(3, return_labels=True)
    assert x.shape == (3, 28, 28)
    for image, label in zip(x, y, strict=True):
        where = (images[:, 0] == image).all((1, 2)).nonzero()[0, 0]
        assert labels[where] == label
    torch.manual_seed(0)
    assert torch.equal(sample_train(3), x)


def test_samples_are_spread_over_the_whole_set():
    _, labels = sample_train(20_000, return_labels=True)
    expected = torch.bincount(load_mnist("train").labels) / 60_000
    error = (expected * (1 - expected) / 20_000).sqrt()
    assert ((torch.bincount(labels) / 20_000 - expected).abs() < 5 * error).all()


def test_no_images_are_a_clear_error():
    with pytest.raises(ValueError, match="N >= 1 images, got 0"):
        sample_train(0)


def test_samples_hold_none_of_the_other_images_in_memory(copy):
    tracemalloc.start()
    try:
        sample_train(10)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 5_000_000  # all of them are 47 MB


def test_samples_of_a_damaged_file_are_a_clear_error(copy):
    load_mnist("train")
    images = copy / "MNIST/raw/train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-1])
    with pytest.raises(DataError, match="train-images-idx3-ubyte: expected content with sha256"):
        sample_train(1)
