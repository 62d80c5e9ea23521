"""Names as rows of numbers, and back."""

import pytest
import torch

from probnn.data import load_surnames
from probnn.models import decode_names, encode_names
from probnn.models.letters import check_names


def test_names_survive_encoding():
    names = load_surnames("test").names
    assert decode_names(encode_names(names)) == names


@pytest.mark.parametrize(
    "names, message",
    [
        (["ABE", ""], "expected names of one letter or more, got an empty one"),
        (["ABE", "O'BRIEN"], 'got "O\'BRIEN" with "\'": write it in capitals, without accents'),
        (["Smith"], "expected letters A to Z, got 'Smith' with 'h', 'i', 'm', 't'"),
        (["MÜLLER"], "got 'MÜLLER' with 'Ü'"),
        ([], r"expected a list of names, got \[\]"),
        ("SMITH", "expected a list of names, got 'SMITH'"),
    ],
)
def test_names_that_cannot_be_written_are_a_clear_error(names, message):
    with pytest.raises(ValueError, match=message):
        encode_names(names)


def test_letters_are_26_unless_said_otherwise():
    check_names(torch.tensor([[26, 0]]))
    with pytest.raises(ValueError, match="expected letters 1 to 26 "):
        check_names(torch.tensor([[27, 0]]))
