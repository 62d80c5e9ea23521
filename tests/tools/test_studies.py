"""The long studies: what they make stays in their folder, is compared, and shipped if one asks."""

import sys

import pytest
import torch

from probnn.training import load, save
from tools import studies


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study of two results, of which the first is shipped with other numbers."""
    shipped, folder = tmp_path / "shipped", tmp_path / "runs"
    shipped_values = {"a": {"lower": torch.tensor([1.0, 3.0])}}
    save(shipped / "cambridge/x.pt", **shipped_values)

    def make(into):
        values = {"a": {"lower": torch.tensor([2.0, 3.0])}, "b": {"lower": torch.zeros(2)}}
        save(into / "cambridge/x.pt", **values)

    monkeypatch.setattr(studies, "STUDIES", {"two": (make, ("x.pt",), "lower")})
    monkeypatch.setattr(studies, "SHIPPED", shipped)
    monkeypatch.setenv("PROBNN_CHECKPOINTS", str(folder))
    monkeypatch.setattr(studies, "tune_process", lambda: "")
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    monkeypatch.delenv("PROBNN_HEADLESS", raising=False)
    return shipped / "cambridge/x.pt"


@pytest.mark.parametrize("asked", [[], ["two"], ["two", "--ship"]])
def test_a_study_is_compared_and_replaces_what_is_shipped_only_if_asked(
    study, monkeypatch, capsys, asked
):
    monkeypatch.setattr(sys, "argv", ["studies", *asked])
    studies.main()
    told = capsys.readouterr().out
    line = next(line for line in told.splitlines() if line.split()[:1] == ["a"])
    numbers = line.replace("±", "").split()
    assert numbers == ["a", "2.50", "0.50", "2.00", "1.00", "+0.500", "0.500"]
    assert "minutes" in told and " b " not in told
    expected = 2.5 if "--ship" in asked else 2.0
    assert load(study)["a"]["lower"].mean().item() == expected


def test_every_study_names_files_that_are_shipped():
    for _, files, part in studies.STUDIES.values():
        for name in files:
            content = load(studies.SHIPPED / "cambridge" / name)
        assert all(part in result for result in content.values())


def test_one_seed_of_many_samples_is_compared_with_the_shipped_runs(study, monkeypatch, capsys):
    made = []

    def one_seed(folder, seeds):
        made.append(seeds)
        save(folder / "cambridge/x.pt", a={"lower": torch.tensor([2.0, 3.0, 9.0])})

    monkeypatch.setattr(
        studies, "STUDIES", {**studies.STUDIES, "many_samples": studies.STUDIES["two"]}
    )
    monkeypatch.setattr(studies, "study_many_samples", one_seed)
    monkeypatch.setattr(sys, "argv", ["studies", "many_samples", "1"])
    studies.main()
    assert made == [1] and "+0.500" in capsys.readouterr().out
