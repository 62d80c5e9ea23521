"""The study of many samples in training: its network, its bounds, its runs."""

import pytest
import torch
from torch import nn

from probnn.data import LabelledImages
from probnn.inference import importance_weighted
from probnn.training import load
from tools import many_samples
from tools.many_samples import (
    BOUNDS,
    SCHEDULE,
    Run,
    burda_model,
    judge_run,
    runs_of,
    train_run,
)


@pytest.fixture
def few(monkeypatch):
    """Sixty images in the place of MNIST."""
    torch.manual_seed(0)
    data = LabelledImages(torch.rand(60, 1, 28, 28), torch.zeros(60, dtype=torch.long))
    monkeypatch.setattr(many_samples, "load_mnist", lambda *arguments: data)
    return data.images


def test_the_network_is_the_papers(few):
    model = burda_model()
    widths = [m.weight.shape for net in (model.g, model.f.f) for m in net if hasattr(m, "weight")]
    assert [tuple(shape) for shape in widths] == [
        (200, 784),
        (200, 200),
        (100, 200),
        (200, 50),
        (200, 200),
        (784, 200),
    ]
    assert sum(isinstance(m, nn.Tanh) for m in model.modules()) == 4
    bias = model.f.f[4].bias.reshape(1, 28, 28)
    assert torch.allclose(bias.sigmoid(), few.mean(0).clamp(0.001, 0.999), atol=1e-6)


def test_the_bounds_differ_by_what_is_done_with_the_weights(few):
    model, x = burda_model(), few[:5].round()
    torch.manual_seed(1)
    mean = BOUNDS["mean"](model.f.loglik, x, model(x), 50)
    torch.manual_seed(1)
    assert (importance_weighted(model.f.loglik, x, model(x), 50) > mean).all()
    assert set(BOUNDS) == {"mean", "importance", "doubly"}


def test_the_schedule_has_equal_steps_or_equal_seconds():
    steps, seconds = SCHEDULE["steps"], SCHEDULE["time"]
    assert len(set(steps.values())) == 1
    assert seconds[50] == steps[50] < seconds[5] < seconds[1]
    runs = runs_of(SCHEDULE, 0)
    assert len(runs) == len(set(runs)) == 8  # of 50 samples the same serve both
    assert {run.bound for run in runs if run.samples == 1} == {"mean"}


@pytest.mark.parametrize("bound", BOUNDS)
def test_a_run_trains_and_is_the_same_again(few, bound, tmp_path):
    weights, took = [], []
    for folder in (tmp_path / "one", tmp_path / "other"):
        model, seconds = train_run(Run(bound, 2, 3, 0), folder)
        weights.append(model.state_dict())
        took.append(seconds)
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    finished, same_seconds = train_run(Run(bound, 2, 3, 0), tmp_path / "one")
    assert torch.equal(finished.f.f[0].weight, weights[0]["f.f.0.weight"])
    assert same_seconds == took[0] > 0


def test_a_run_is_judged_by_bounds(few, tmp_path, monkeypatch):
    monkeypatch.setattr(many_samples, "HOW", many_samples.Settings(2, 4, 1))
    found = judge_run(Run("mean", 1, 1, 0), tmp_path, True, 10)
    assert found["lower"].shape == found["simulated_upper"].shape == (10,)
    assert (found["elbo"].mean() < found["sampled"].mean()) and found["seconds"].shape == (1,)
    assert "simulated_upper" not in judge_run(Run("mean", 1, 1, 1), tmp_path, False, 10)


def test_from_one_seed_it_is_the_same_runs_judged_on_test_images_only(tmp_path, monkeypatch):
    asked = []

    def run_all(judge, arguments):
        asked.extend(arguments)
        return [{"lower": torch.tensor([1.0, 2.0])} for _ in arguments]

    monkeypatch.setattr(many_samples, "run_all", run_all)
    many_samples.study_many_samples(tmp_path, seeds=1)
    assert sorted(run for run, *_ in asked) == runs_of(SCHEDULE, 0)
    assert {(both, images) for *_, both, images in asked} == {(False, 250)}
    assert set(load(tmp_path / "cambridge/h_runs.pt")) == {run.name for run, *_ in asked}
    asked.clear()
    many_samples.study_many_samples(tmp_path)
    assert len(asked) == 3 * 8 + 1
    both_sides = {run for run, _, both, images in asked if both and images == 500}
    assert both_sides == {*runs_of(SCHEDULE, 0), Run("doubly", 50, 3, 0)}
