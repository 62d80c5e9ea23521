"""The data sets: what they hold, and what happens when a file is missing, damaged, or read by two processes at once."""

import gzip
import multiprocessing
import runpy
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
import torchvision

from probnn import DataError, data, held_out_split, load_mnist, load_surnames, load_xkcd, mnist_dataset, treat_pixels

LABELS = "MNIST/raw/t10k-labels-idx1-ubyte"


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the packed data, not unpacked yet, in place of the repository's."""
    for name in data.SHA256:
        packed = name if name == "xkcd.csv" else name + ".gz"
        (tmp_path / packed).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(data.DATA / packed, tmp_path / packed)
    monkeypatch.setattr(data, "DATA", tmp_path)
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", ["http://127.0.0.1:9/"])  # nobody listens there
    return tmp_path


def test_the_parts_of_mnist_have_their_sizes_and_range():
    for part, size in {"train": 60_000, "fit": 54_000, "held_out": 6_000, "test": 10_000}.items():
        images, labels = load_mnist(part)
        assert images.shape == (size, 1, 28, 28) and images.dtype == torch.float32 and labels.dtype == torch.int64
        assert images.min() == 0 and images.max() == 1 and labels.unique().tolist() == list(range(10))


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


def test_pixel_treatments():
    grey = load_mnist("held_out").images[:500]
    thresholded = load_mnist("held_out", pixels="thresholded").images[:500]
    assert torch.equal(thresholded, torch.from_numpy((grey.numpy() * 255 >= 128).astype(np.float32)))
    draws = torch.stack([treat_pixels(grey, "sampled") for _ in range(20)])
    assert draws.unique().tolist() == [0, 1]
    error = (grey * (1 - grey) / 20).sum().sqrt() / grey.numel()
    assert abs(draws.mean() - grey.mean()) < 5 * error


def test_sampled_pixels_repeat_with_their_generator():
    once, again = (load_mnist("test", "sampled", torch.Generator().manual_seed(3)).images for _ in range(2))
    assert torch.equal(once, again)


def test_unknown_parts_and_treatments_are_clear_errors():
    with pytest.raises(ValueError, match="expected part .* got 'validation'"):
        load_mnist("validation")
    with pytest.raises(ValueError, match="expected pixels .* got 'binary'"):
        load_mnist("test", pixels="binary")


def test_xkcd_has_the_known_best_quadratic():
    x, y = (t.double().numpy().ravel() for t in load_xkcd())
    coefficients = np.polynomial.polynomial.polyfit(x, y, 2)
    residuals = y - np.polynomial.polynomial.polyval(x, coefficients)
    n, variance = len(x), (residuals**2).mean()
    assert -n / 2 * (np.log(2 * np.pi * variance) + 1) == pytest.approx(-61.575367, abs=1e-5)
    at_one = -0.5 * ((y - 1 - x) ** 2).sum() - n / 2 * np.log(2 * np.pi)
    assert at_one == pytest.approx(-185.3153, abs=1e-3)


def test_files_are_unpacked_once_and_nothing_else_is_left(copy):
    assert len(load_mnist("test").images) == 10_000
    first = (copy / LABELS).stat().st_mtime_ns
    load_mnist("test")
    assert (copy / LABELS).stat().st_mtime_ns == first
    assert len(list((copy / "MNIST/raw").iterdir())) == 8


def read_labels(folder):
    data.DATA = folder
    return mnist_dataset(train=False).targets.sum().item()


def test_processes_may_unpack_at_the_same_time(copy):
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert pool.map(read_labels, [copy] * 3) == [44434] * 3
    assert len(list((copy / "MNIST/raw").iterdir())) == 8


@pytest.mark.parametrize("damage", [lambda b: b[:1000], lambda b: b"not gzip at all", lambda b: gzip.compress(b"other content")])
def test_a_damaged_packed_file_is_named_with_its_repair_and_nothing_is_written(copy, damage):
    packed = copy / (LABELS + ".gz")
    packed.write_bytes(damage(packed.read_bytes()))
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte.gz: expected .*, got .*git checkout -- .*labels-idx1-ubyte.gz"):
        load_mnist("test")
    assert not (copy / LABELS).exists() and not list(copy.rglob("t10k-labels*ubyte.*[!z]"))


def test_a_truncated_unpacked_file_is_an_error_and_one_command_repairs_it(copy):
    load_mnist("test")
    (copy / LABELS).write_bytes((copy / LABELS).read_bytes()[:-1])
    with pytest.raises(DataError, match="sha256 ff7bcfd4.*, got .*10,007 bytes.*python -m probnn$"):
        load_mnist("test")
    repair = subprocess.run([sys.executable, "-m", "probnn"], env={"PROBNN_DATA": str(copy)}, capture_output=True, text=True)
    assert repair.returncode == 0 and "all data sets are complete" in repair.stdout and not repair.stderr
    load_mnist("test")


def test_a_missing_file_that_cannot_be_downloaded_is_a_clear_error(copy):
    (copy / (LABELS + ".gz")).unlink()
    with pytest.raises(DataError, match="labels-idx1-ubyte.gz: expected a file, got none, and torchvision's download of it failed"):
        load_mnist("test")


def test_an_altered_or_missing_xkcd_is_a_clear_error(copy):
    (copy / "xkcd.csv").write_text("x,y\n1,2\n")
    with pytest.raises(DataError, match="xkcd.csv: expected content with sha256 f0ca.*git checkout"):
        load_xkcd()
    (copy / "xkcd.csv").unlink()
    with pytest.raises(DataError, match="xkcd.csv: expected a file, got none"):
        load_xkcd()


def test_the_first_and_the_second_ten_thousand_are_torontos():
    whole, first, second = (load_mnist(part, "thresholded") for part in ("train", "first", "second"))
    assert torch.equal(first.images, whole.images[:10_000]) and torch.equal(second.images, whole.images[10_000:20_000])
    assert torch.equal(second.labels, whole.labels[10_000:20_000])


def test_the_surnames_are_all_there():
    names, percent = load_surnames("all")
    assert len(names) == len(set(names)) == 88_799
    assert (percent == 0).sum() == 69_960  # counted with awk in the census file
    assert names[percent.argmax()] == "SMITH" and percent.max() == pytest.approx(1.006)
    assert all(name.isalpha() and name.isascii() and name.isupper() for name in names)  # NULL and NAN among them


def test_the_parts_of_the_surnames_are_apart_and_complete():
    parts = [load_surnames(part) for part in ("fit", "held_out", "test")]
    assert [len(part.names) for part in parts] == [75_000, 5_000, 8_799]
    assert sorted(name for part in parts for name in part.names) == load_surnames("all").names
    assert sum(part.percent.sum() for part in parts) == pytest.approx(load_surnames("all").percent.sum().item())
    with pytest.raises(ValueError, match="expected part 'all', 'fit', 'held_out', 'test', got 'train'"):
        load_surnames("train")


def test_damaged_surnames_are_a_clear_error(copy):
    packed = copy / "surnames.csv.gz"
    packed.write_bytes(packed.read_bytes()[:-100])
    with pytest.raises(DataError, match="surnames.csv.gz: expected a gzip file, got one that does not unpack.*git checkout"):
        load_surnames("test")
    packed.write_bytes(gzip.compress(b"name,percent\nSMITH,1.006\n"))
    with pytest.raises(DataError, match="surnames.csv.gz: expected content with sha256 cf1c.*git checkout"):
        load_surnames("test")
    packed.unlink()
    with pytest.raises(DataError, match="surnames.csv.gz: expected a file, got none"):
        load_surnames("test")


def test_the_command_checks_everything_and_unpacks_what_is_damaged(copy, capsys):
    load_mnist("test")
    (copy / LABELS).write_bytes(b"damaged")
    runpy.run_module("probnn", run_name="__main__")
    said = capsys.readouterr().out
    assert "t10k-labels-idx1-ubyte: damaged, unpacked again" in said and "all data sets are complete" in said
    assert len(load_mnist("test").labels) == 10_000


def idx(array):
    """An array of bytes in the format of the MNIST files."""
    return bytes([0, 0, 8, array.ndim]) + b"".join(int(n).to_bytes(4, "big") for n in array.shape) + array.astype(np.uint8).tobytes()


def test_another_data_set_of_the_same_shape_is_one_argument(copy):
    raw, labels = np.random.RandomState(0).randint(0, 256, (30, 28, 28)), np.arange(30) % 10
    folder = copy / "FashionMNIST/raw"
    folder.mkdir(parents=True)
    for prefix in ("train", "t10k"):
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(idx(raw))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(labels))
    images, loaded = load_mnist("test", kind=torchvision.datasets.FashionMNIST)
    assert torch.equal(images[:, 0], torch.tensor(raw / 255, dtype=torch.float32)) and loaded.tolist() == labels.tolist()


def test_a_data_set_that_cannot_be_had_is_a_clear_error(copy, monkeypatch):
    monkeypatch.setattr("torchvision.datasets.KMNIST.mirrors", ["http://127.0.0.1:9/"], raising=False)
    monkeypatch.setattr("torchvision.datasets.KMNIST.resources", [("http://127.0.0.1:9/x.gz", "")])
    with pytest.raises(DataError, match="KMNIST/raw: expected its files, got none, and torchvision's download failed.*Put them there by hand"):
        load_mnist("test", kind=torchvision.datasets.KMNIST)
