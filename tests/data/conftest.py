"""A data folder to damage, in a repository of its own."""

import shutil

import pytest

from probnn.data.files import SHA256
from probnn.runtime import data_folder


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the packed data, not unpacked yet, in place of the repository's."""
    folder = tmp_path / "data"
    for name in SHA256:
        packed = name if name == "xkcd.csv" else name + ".gz"
        (folder / packed).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(data_folder() / packed, folder / packed)
    (tmp_path / ".git").mkdir()
    (tmp_path / "src/probnn").mkdir(parents=True)
    monkeypatch.setenv("PROBNN_DATA", str(folder))
    nobody = "http://127.0.0.1:9/"  # listens there
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", [nobody])
    return folder
