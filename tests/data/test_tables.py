"""The tables, against counts and fits known from elsewhere, and what a damaged one says."""

import gzip

import numpy as np
import pytest

from probnn.data import DataError, load_surnames, load_xkcd


def test_xkcd_has_the_known_best_quadratic():
    x, y = (t.double().numpy().ravel() for t in load_xkcd())
    coefficients = np.polynomial.polynomial.polyfit(x, y, 2)
    residuals = y - np.polynomial.polynomial.polyval(x, coefficients)
    n, variance = len(x), (residuals**2).mean()
    assert -n / 2 * (np.log(2 * np.pi * variance) + 1) == pytest.approx(-61.575367, abs=1e-5)
    at_one = -0.5 * ((y - 1 - x) ** 2).sum() - n / 2 * np.log(2 * np.pi)
    assert at_one == pytest.approx(-185.3153, abs=1e-3)


def test_an_altered_or_missing_xkcd_is_a_clear_error(copy):
    (copy / "xkcd.csv").write_text("x,y\n1,2\n")
    said = "xkcd.csv: expected content with sha256 f0ca.*git checkout"
    with pytest.raises(DataError, match=said):
        load_xkcd()
    (copy / "xkcd.csv").unlink()
    with pytest.raises(DataError, match="xkcd.csv: expected a file, got none"):
        load_xkcd()


def test_the_surnames_are_all_there():
    names, percent = load_surnames("all")
    assert len(names) == len(set(names)) == 88_799
    assert (percent == 0).sum() == 69_960  # counted with awk in the census file
    assert names[percent.argmax()] == "SMITH" and percent.max() == pytest.approx(1.006)
    for name in names:  # NULL and NAN among them
        assert name.isalpha() and name.isascii() and name.isupper()


def test_the_parts_of_the_surnames_are_apart_and_complete():
    parts = [load_surnames(part) for part in ("fit", "held_out", "test")]
    assert [len(part.names) for part in parts] == [75_000, 5_000, 8_799]
    assert sorted(name for part in parts for name in part.names) == load_surnames("all").names
    whole = load_surnames("all").percent.sum().item()
    assert sum(part.percent.sum() for part in parts) == pytest.approx(whole)
    said = "expected part 'all', 'fit', 'held_out', 'test', got 'train'"
    with pytest.raises(ValueError, match=said):
        load_surnames("train")


def test_damaged_surnames_are_a_clear_error(copy):
    packed = copy / "surnames.csv.gz"
    packed.write_bytes(packed.read_bytes()[:-100])
    said = "surnames.csv.gz: expected a gzip file, got one that does not unpack.*git checkout"
    with pytest.raises(DataError, match=said):
        load_surnames("test")
    packed.write_bytes(gzip.compress(b"name,percent\nSMITH,1.006\n"))
    said = "surnames.csv.gz: expected content with sha256 cf1c.*git checkout"
    with pytest.raises(DataError, match=said):
        load_surnames("test")
    packed.unlink()
    with pytest.raises(DataError, match="surnames.csv.gz: expected a file, got none"):
        load_surnames("test")
