"""The global random streams, kept and put back."""

import io
import random

import numpy as np
import pytest
import torch

from probnn.runtime import preserved_random_state
from probnn.runtime.random_streams import random_state, set_random_state


def draw():
    """Numbers from each stream; normal deviates come in pairs, of which one is kept back."""
    own = [random.random(), random.gauss(0, 1)]
    return [*own, np.random.rand(), np.random.randn(), *torch.randn(3).tolist()]


def test_the_streams_go_on_from_where_they_are_put_back_to():
    draw()
    state = random_state()
    first = draw()
    assert draw() != first
    set_random_state(state)
    assert draw() == first


def test_a_state_survives_a_file_that_is_read_without_running_code():
    state, file = random_state(), io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    first = draw()
    set_random_state(torch.load(file, weights_only=True))
    assert draw() == first


def test_what_is_drawn_inside_is_not_noticed_outside_also_after_an_error():
    state = random_state()
    with pytest.raises(ZeroDivisionError), preserved_random_state():
        draw()
        1 / 0  # noqa: B018 (an error in the body)
    after = draw()
    set_random_state(state)
    assert draw() == after
