"""What one sees while training, apart from a notebook; and that looking changes nothing."""

import sys

import pytest
import torch
from matplotlib import pyplot as plt

from probnn.display import live, progress
from probnn.display.live import has_reader
from probnn.training import enumerate_cycle


def test_the_bar_counts_steps_and_shows_the_mean_of_the_last_values(capsys, monkeypatch):
    monkeypatch.setenv("PROBNN_HEADLESS", "1")
    cycle, history = enumerate_cycle(["a", "b", "c", "d"], epochs=1), []
    for (_, number), _ in progress(cycle, history, window=2, name="MSE", unit="per pixel"):
        history.append(float(number))
    said = capsys.readouterr().err
    assert "4/4" in said and "MSE 2.5 per pixel" in said  # of 2 and 3


def test_before_its_window_is_full_the_bar_shows_the_mean_of_what_there_is(capsys, monkeypatch):
    monkeypatch.setenv("PROBNN_HEADLESS", "1")
    cycle, history = enumerate_cycle(["a", "b", "c", "d"], epochs=1), []
    for (_, number), _ in progress(cycle, history, window=100):
        history.append(float(number))
    assert "bound 1.5 nats" in capsys.readouterr().err  # of 0, 1, 2 and 3


def test_a_finished_cycle_shows_nothing(capsys):
    assert list(progress(enumerate_cycle(["a"], epochs=0), [1.0])) == []
    assert capsys.readouterr().err == ""


def test_a_figure_that_samples_does_not_disturb_training(monkeypatch, capsys):
    # without a notebook, display then prints
    monkeypatch.setattr(live, "has_reader", lambda: True)
    drawn, open_before = [], plt.get_fignums()

    def draw():
        drawn.append(torch.randn(3))
        return plt.figure()

    def train(**settings):
        torch.manual_seed(0)
        cycle = enumerate_cycle(["a", "b", "c"], epochs=1)
        return [torch.randn(()).item() for _ in progress(cycle, **settings)]

    assert train(draw=draw, every=0.0) == train()
    assert len(drawn) == 4  # after each step, and at the end
    assert "Figure(" in capsys.readouterr().out
    assert plt.get_fignums() == open_before


def test_without_a_reader_no_figure_is_drawn():
    def draw():
        pytest.fail("drawn")

    assert not live.has_reader()
    assert len(list(progress(enumerate_cycle(["a"], epochs=1), draw=draw, every=0.0))) == 1


def test_nobody_reads_where_there_is_no_ipython(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", None)
    assert not has_reader()
    drawn = progress(enumerate_cycle([1], epochs=1), draw=lambda: pytest.fail("drawn"))
    assert [x for _, x in drawn] == [1]
