"""What one sees while training, apart from a notebook: the bar, and that looking changes nothing."""

import pytest
import torch
from matplotlib import pyplot as plt

from probnn import enumerate_cycle, live, progress


def test_the_bar_counts_steps_and_shows_the_mean_of_the_last_values(capsys, monkeypatch):
    monkeypatch.setenv("PROBNN_HEADLESS", "1")
    history = []
    for (_, number), _ in progress(enumerate_cycle(["a", "b", "c", "d"], epochs=1), history, window=2, name="MSE", unit="per pixel"):
        history.append(float(number))
    said = capsys.readouterr().err
    assert "4/4" in said and "MSE 2.5 per pixel" in said  # of 2 and 3


def test_a_finished_cycle_shows_nothing(capsys):
    assert list(progress(enumerate_cycle(["a"], epochs=0), [1.0])) == []
    assert capsys.readouterr().err == ""


def test_a_figure_that_samples_does_not_disturb_training(monkeypatch, capsys):
    monkeypatch.setattr(live, "has_reader", lambda: True)  # display then prints, as there is no notebook
    drawn = []

    def draw():
        drawn.append(torch.randn(3))
        return plt.figure()

    def train(**settings):
        torch.manual_seed(0)
        return [torch.randn(()).item() for _ in progress(enumerate_cycle(["a", "b", "c"], epochs=1), **settings)]

    assert train(draw=draw, every=0.0) == train()
    assert len(drawn) == 4 and "Figure(" in capsys.readouterr().out  # after each step, and at the end
    assert not plt.get_fignums()


def test_without_a_reader_no_figure_is_drawn():
    def draw():
        pytest.fail("drawn")

    assert not live.has_reader()
    assert len(list(progress(enumerate_cycle(["a"], epochs=1), draw=draw, every=0.0))) == 1
