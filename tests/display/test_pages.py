"""The source that pages show, and the numbers that they stand by."""

import ast

import pytest

from probnn.display import says, show_source
from probnn.display.pages import source_of
from probnn.inference import fit_posterior, log_marginal
from probnn.models import HWiggle, RWiggle, mlp_generator


@pytest.mark.parametrize(
    "shown", [fit_posterior, log_marginal, HWiggle, RWiggle.forward, mlp_generator]
)
def test_the_source_shown_is_the_source_without_docstrings(shown):
    text = source_of(shown)
    assert text and '"""' not in text
    assert f" {shown.__name__}" in text
    tree = ast.parse(text)
    assert not any(
        ast.get_docstring(node)
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    )


def test_in_a_notebook_it_is_highlighted(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    show_source(says, mlp_generator)
    (block,) = shown
    assert block.data.startswith("```python\ndef says(") and "\n\ndef mlp_generator(" in block.data


@pytest.mark.parametrize(
    "fragment, value",
    [
        ("for 30 % of the images", 0.304),
        ("for 30.4% of them", 0.3044),
        ("cost 15 nats", 14.6),
        ("a bound of -106.4 nats", -106.44),
        ("is −0.61", -0.6149),
        ("of 54,000 images", 54000),
        ("Seven of the points", 7),
        ("1,844 of 5000"[:5], 1844.4),
        ("+0.7 nats", 0.74),
    ],
)
def test_at_the_digits_typed_it_agrees_and_a_digit_further_it_does_not(fragment, value, capsys):
    says(fragment, value)
    assert capsys.readouterr().out == ""
    says(fragment, value + (0.02 if "%" in fragment else 2))
    assert capsys.readouterr().out.startswith(f"The text says: {fragment}. This run: ")


@pytest.mark.parametrize("fragment", ["no number", "5 of 6", "two of three"])
def test_a_fragment_has_one_number(fragment):
    with pytest.raises(ValueError, match="expected one number in"):
        says(fragment, 1.0)
