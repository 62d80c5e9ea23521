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


def test_the_order_and_the_types_of_the_names_of_what_made_it_do_not_matter(tmp_path):
    for data in ({1: 2.0, "a": None}, {"a": None, 1: 2.0}):
        stored(tmp_path / "x.pt", lambda: {"k": torch.tensor(0)}, data=data)
        found = stored(tmp_path / "x.pt", lambda: pytest.fail("computed again"), data=data)
    assert found["k"].item() == 0


def test_a_warning_points_to_the_line_that_asked(tmp_path):
    with pytest.warns(UserWarning, match="^The result is not kept: ") as told:
        stored(tmp_path / "x.pt", lambda: {"model": object()})
    assert told[0].filename == __file__
