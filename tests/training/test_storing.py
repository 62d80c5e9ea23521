"""Results that are kept, and what makes them be computed again."""

import numpy as np
import pytest
import torch

from probnn.training import stored

SIX = np.arange(6, dtype=np.float64)


@pytest.mark.parametrize(
    "other", [SIX.reshape(2, 3), SIX.view(np.int64)], ids=["another shape", "another type"]
)
def test_the_same_bytes_of_another_shape_or_type_are_other_data(other, tmp_path):
    assert SIX.tobytes() == other.tobytes()
    for k, data in enumerate([SIX, other]):
        result = stored(tmp_path / "x.pt", lambda k=k: {"k": torch.tensor(k)}, data=data)
        assert result["k"].item() == k
