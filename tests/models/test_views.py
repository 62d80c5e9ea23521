"""The views agree with what they show: likelihoods, bounds and the exact posterior."""

import math

import pytest
import torch
from torch import nn

from probnn.data import load_mnist
from probnn.inference import log_marginal, log_marginal_quadrature
from probnn.models import (
    BernoulliImageGenerator,
    ConditionalBernoulliImageGenerator,
    ConditionalGaussianEncoder,
    GaussianEncoder,
    every_label,
    expected_bottom,
    half_loglik,
    mlp_generator,
    reconstruction,
)
from probnn.models.halves import TOP
from probnn.training import load

X = load_mnist("test").images[:3]
pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


def test_a_reconstruction_stands_beside_its_image_and_tells_log_p():
    model = GaussianEncoder(BernoulliImageGenerator(d=4))
    picture, text = reconstruction(model, samples=2000)(X[:1])
    assert torch.equal(picture[:, :28], X[0, 0])
    assert torch.allclose(picture[:, 28:], model.f(model(X[:1]).mu)[0, 0])
    told = float(text.split("about ")[1].split(" nats")[0])
    expected = log_marginal(model.f.loglik, X[:1], model(X[:1]), 2000).estimate.item()
    assert abs(told - expected) < 2 and "2000 samples" in text


@pytest.mark.parametrize("given, samples", [({"samples": 1}, 1), ({}, 100)])
def test_log_p_is_told_of_as_many_samples_as_asked(given, samples):
    model = GaussianEncoder(BernoulliImageGenerator(d=4))
    model.load_state_dict(load("cambridge/c_autoencoder.pt")["model"])
    torch.manual_seed(0)
    _, text = reconstruction(model, **given)(X[:1])
    torch.manual_seed(0)
    expected = log_marginal(model.f.loglik, X[:1], model(X[:1]), samples).estimate.item()
    assert text == f"log p(x) is about {expected:.0f} nats ({samples} samples)"


def test_every_label_takes_the_digit_for_the_label_of_the_highest_bound():
    model = ConditionalGaussianEncoder(ConditionalBernoulliImageGenerator(d=4))
    model.load_state_dict(load("cambridge/f_conditional.pt")["model"])
    test = load_mnist("test")
    view = every_label(model)
    told = torch.tensor([int(view(test.images[i : i + 1])[1][-1]) for i in range(100)])
    # no classifier, but a generator of every digit tells them apart
    assert (told == test.labels[:100].cpu()).float().mean() > 0.8


def test_every_label_shows_ten_digits_in_two_rows_beside_the_image():
    model = ConditionalGaussianEncoder(ConditionalBernoulliImageGenerator(d=4))
    picture, text = every_label(model)(X[:1])
    best, y = int(text[-1]), torch.arange(10)
    z = model(X[:1], torch.tensor([best])).mu
    assert torch.equal(picture[:28, :28], X[0, 0])
    seventh = model.f(z.expand(10, -1), y)[7, 0]
    assert torch.allclose(picture[28:, 28 * 3 : 28 * 4], seventh, atol=1e-5)


def test_the_expected_bottom_is_that_of_the_exact_posterior():
    torch.manual_seed(0)
    generator = mlp_generator(2, (50,), nn.Tanh)
    for weight in generator.parameters():
        weight.mul_(2)  # so that the posterior is not the prior
    x = (X[:1] > 0.5).float()
    picture, _ = expected_bottom(generator, extent=5.0, points=141)(x)

    def loglik(x, z):
        return half_loglik(generator, TOP, x, z)

    log_p = log_marginal_quadrature(loglik, x)
    axis = torch.linspace(-6, 6, 241)
    z = torch.cartesian_prod(axis, axis)[:, None]
    weights = (loglik(x, z) + (-z.square().sum(-1) / 2) - math.log(2 * math.pi)).squeeze(-1)
    total = weights.logsumexp(0) + 2 * math.log(12 / 240)
    assert torch.allclose(total, log_p[0], atol=0.01)  # the grid of this test is fine enough
    expected = (weights.softmax(0)[:, None] * generator.logits(z).sigmoid().flatten(1)).sum(0)
    shown = 1 - picture[5::10, 5:280:10, 0]
    assert torch.allclose(shown[14:], expected.view(28, 28)[14:], atol=0.01)
    assert torch.equal(shown[:14], x[0, 0, :14])


def test_the_plane_is_darkest_where_the_posterior_has_its_peak():
    generator = mlp_generator(2, (50,), nn.Tanh)
    picture, text = expected_bottom(generator, extent=4.0, points=81)(X[:1])
    plane = picture[:, 280:, 0]
    row, column = divmod(int(plane.argmin()), 280)
    z1, z2 = (float(part.strip("( ")) for part in text.split("(")[1].split(")")[0].split(","))
    assert abs((column / 280) * 8 - 4 - z1) < 0.2 and abs(4 - (row / 280) * 8 - z2) < 0.2


def test_the_plane_is_paper_with_two_axes_and_blue_where_the_posterior_is():
    torch.manual_seed(0)
    generator = mlp_generator(2, (50,), nn.Tanh)
    for weight in generator.parameters():
        weight.mul_(4)  # a posterior that leaves most of the plane empty
    picture, _ = expected_bottom(generator, extent=4.0, points=35)((X[:1] > 0.5).float())
    plane = picture[4::8, 284::8]  # -> (35, 35, 3), from above
    axis = torch.linspace(-4.0, 4.0, 35)
    z = torch.cartesian_prod(axis, axis)[:, None]
    log_p = (
        half_loglik(generator, TOP, (X[:1] > 0.5).float(), z)[:, 0] - z.square().sum((-1, -2)) / 2
    )
    ink = (log_p - log_p.max()).div(2).exp().view(35, 35).T.flip(0)[..., None]
    paper = torch.ones(35, 35, 1)
    paper[17], paper[:, 17] = 0.85, 0.85
    expected = paper * (1 - ink * torch.tensor([1.0, 0.55, 0.3]))
    torch.testing.assert_close(plane, expected, rtol=0.0, atol=1e-3)
    assert (ink < 1e-3).sum() > 600 and plane.min() >= 0 and plane.max() <= 1


def test_the_likeliest_place_is_told_to_a_tenth_and_never_as_minus_zero():
    generator = mlp_generator(2, (50,), nn.Tanh)
    for weight in generator.parameters():
        weight.zero_()  # the posterior is the prior, and its peak lies between points of the grid
    _, text = expected_bottom(generator, points=200)(X[:1])
    assert text == "z near (0.0, 0.0) is likeliest"


def test_ink_is_more_than_a_half():
    half = torch.full((1, 1, 28, 28), 0.5)
    picture, _ = expected_bottom(mlp_generator(2, (50,), nn.Tanh), points=7)(half)
    assert (picture[:140, :280] == 1).all()


def test_the_plane_goes_to_four_by_tenths_unless_told_otherwise():
    generator = mlp_generator(2, (50,), nn.Tanh)
    as_is, told = (expected_bottom(generator, *how)(X[:1]) for how in ((), (4.0, 81)))
    assert torch.equal(as_is[0], told[0]) and as_is[1] == told[1]


def test_views_are_where_their_model_is(elsewhere):
    views = [
        reconstruction(GaussianEncoder(BernoulliImageGenerator(d=4))),
        every_label(ConditionalGaussianEncoder(ConditionalBernoulliImageGenerator(d=4))),
    ]
    generator = mlp_generator(2, (50,), nn.Tanh)
    with elsewhere():
        views.append(expected_bottom(generator, points=7))
        assert {view(X[:1])[0].device for view in views} == {X.device}
