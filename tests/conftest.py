import os

os.environ.setdefault("MPLBACKEND", "agg")

import pytest
import torch


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)
