"""A q fitted by SVI against posteriors known in closed form, and against other Gaussians."""

import math
from functools import partial

import pytest
import torch
from truths import LinearGaussian, two_peaks

from probnn.densities import DiagonalGaussian, log_normal, sample_bernoulli
from probnn.inference import elbo, fit_posterior, log_joint, quadrature
from probnn.inference.svi import likeliest_peaks
from probnn.models import BOTTOM, TOP, GaussianEncoder, half_loglik, mlp_encoder, mlp_generator


def test_it_finds_the_posterior_of_a_linear_gaussian_model():
    model = LinearGaussian()
    q = fit_posterior(model.loglik, model.x, samples=50)
    assert ((q.mu - model.posterior().mu) / model.posterior().sigma).abs().max() < 0.1
    assert (q.sigma / model.posterior().sigma - 1).abs().max() < 0.1
    assert quadrature(model.loglik, model.x, q).kl.max() < 0.01


def test_three_dimensions_work_as_well():
    model = LinearGaussian(d=3)
    q = fit_posterior(model.loglik, model.x, d=3)
    bound = elbo(model.loglik, model.x, q, 20_000)
    torch.testing.assert_close(bound, model.log_marginal(), rtol=0, atol=0.05)


def test_equal_seeds_give_equal_results_and_the_global_stream_stays():
    model, before = LinearGaussian(), torch.get_rng_state()
    first, second, other = (
        fit_posterior(model.loglik, model.x, steps=20, seed=seed) for seed in (1, 1, 2)
    )
    assert torch.equal(first.mu, second.mu) and torch.equal(first.sigma, second.sigma)
    assert not torch.equal(first.mu, other.mu)
    default, zero = (fit_posterior(model.loglik, model.x, steps=2, **s) for s in ({}, {"seed": 0}))
    assert torch.equal(default.mu, zero.mu)
    assert torch.equal(before, torch.get_rng_state())


def test_it_begins_at_the_likeliest_of_many_draws_with_a_narrow_q():
    model = LinearGaussian()
    q = fit_posterior(model.loglik, model.x, steps=1, lr=0.0)
    others = log_joint(model.loglik, model.x, torch.randn(1000, 1, 2, dtype=torch.float64))
    assert (log_joint(model.loglik, model.x, q.mu) > others.quantile(0.99, 0)).all()
    torch.testing.assert_close(q.sigma, torch.full_like(q.sigma, 0.1))


def test_q_is_of_the_datas_type_and_real_for_data_that_are_not():
    def loglik(x, z):
        return log_normal(x, z).sum(-1)

    x = torch.ones(1, 2)
    torch.set_default_dtype(torch.float64)
    try:
        q = fit_posterior(loglik, x, steps=2)
    finally:
        torch.set_default_dtype(torch.float32)
    assert q.mu.dtype == q.sigma.dtype == x.dtype
    close = (
        fit_posterior(loglik, x.long(), steps=2, seed=1),
        fit_posterior(loglik, x, steps=2, seed=1),
    )
    torch.testing.assert_close(*close)


def test_it_covers_the_peak_that_the_start_is_near_to():
    x = torch.zeros(2, 1)
    start = DiagonalGaussian(torch.tensor([[-1.9, 1.1], [2.4, -1.4]]), torch.full((2, 2), 0.1))
    q = fit_posterior(two_peaks, x, start=start)
    torch.testing.assert_close(q.mu, torch.tensor([[-2.0, 1.0], [2.5, -1.5]]), rtol=0, atol=0.02)


# A high narrow peak with a tenth of the mass, a low wide one with the rest; p(x) = 1.
HIGH, LOW = torch.tensor([0.5, 0.5]), torch.tensor([-1.0, -0.5])
MASSES, WIDTHS = (0.1, 0.9), (0.05, 0.5)


def high_and_heavy(x, z):
    """log p(x|z) of a posterior that is a mixture of two Gaussians, turned round where x is -1."""
    peaks = [
        math.log(mass) + log_normal(z, centre * x, width).sum(-1)
        for mass, centre, width in zip(MASSES, (HIGH, LOW), WIDTHS, strict=True)
    ]
    return torch.logaddexp(*peaks) - log_normal(z).sum(-1)


def test_one_start_takes_the_higher_of_two_peaks_and_several_take_the_heavier_for_each_image():
    x = torch.tensor([[1.0], [-1.0]])
    assert high_and_heavy(x, x * HIGH)[0] > high_and_heavy(x, x * LOW)[0] + 1
    for starts, centre, mass, width in ((1, HIGH, 0.1, 0.05), (8, LOW, 0.9, 0.5)):
        q = fit_posterior(high_and_heavy, x, starts=starts)
        assert ((q.mu - centre * x) / width).abs().max() < 0.1
        assert (q.sigma / width - 1).abs().max() < 0.1
        # the bound of a Gaussian that is one of the peaks: the log of that peak's mass
        bound = elbo(high_and_heavy, x, q, 20_000)
        torch.testing.assert_close(bound, torch.full((2,), math.log(mass)), rtol=0, atol=0.03)
        by_quadrature = quadrature(high_and_heavy, x, q).kl
        torch.testing.assert_close(by_quadrature, -bound, rtol=0, atol=0.03)


def test_the_starts_are_at_different_peaks_and_fill_up_with_the_likeliest():
    x, seen = torch.zeros(3, 1), []

    def loglik(x, z):
        seen.append(z)
        return two_peaks(x, z)

    fit_posterior(loglik, x, steps=1, samples=1000, starts=2)
    fitted = next(z for z in seen if z.ndim == 4)
    assert fitted.shape == (1000, 2, 3, 2)  # the starts of all images in one call
    centres = torch.tensor([[2.5, -1.5], [-2.0, 1.0]])[:, None].expand(2, 3, 2)
    torch.testing.assert_close(
        fitted.mean(0).sort(0).values, centres.sort(0).values, rtol=0, atol=0.3
    )

    z = torch.cartesian_prod(torch.arange(-5.0, 6), torch.arange(-5.0, 6))
    centre = z[:, 0].square() + z[:, 1].square()
    found = likeliest_peaks(z, -torch.stack([centre, (z - 2).square().sum(1)], 1), 3)
    assert [z[i].tolist() for i in found[:, 0]] == [[0, 0]] * 3
    assert [z[i].tolist() for i in found[:, 1]] == [[2, 2]] * 3


@pytest.mark.parametrize("nearest, a_peak", [(20, False), (21, True)])
def test_a_peak_is_likelier_than_the_twenty_nearest(nearest, a_peak):
    z, joint = torch.arange(60.0)[:, None], torch.zeros(60, 1)
    joint[0], joint[nearest] = 5.0, 10.0
    assert (0 in likeliest_peaks(z, joint, 2)) == a_peak


@pytest.mark.parametrize("starts", [1, 2, 3])
def test_however_many_starts_each_datum_gets_one_q_where_it_is(elsewhere, starts):
    model = LinearGaussian()
    with elsewhere():
        q = fit_posterior(model.loglik, model.x, steps=2, starts=starts)
    assert q.mu.shape == q.sigma.shape == (len(model.x), 2)
    assert q.mu.device == model.x.device and q.mu.dtype == model.x.dtype


def test_several_starts_find_the_posterior_of_one_peak_in_three_dimensions():
    model = LinearGaussian(d=3)
    q = fit_posterior(model.loglik, model.x, d=3, samples=50, starts=3)
    assert ((q.mu - model.posterior().mu) / model.posterior().sigma).abs().max() < 0.1
    assert (q.sigma / model.posterior().sigma - 1).abs().max() < 0.1


def test_one_start_is_the_default_and_begins_at_the_very_likeliest_draw():
    model = LinearGaussian()
    default, one, several = (
        fit_posterior(model.loglik, model.x, steps=2, **some)
        for some in ({}, {"starts": 1}, {"starts": 4})
    )
    assert torch.equal(default.mu, one.mu) and not torch.equal(one.mu, several.mu)
    torch.manual_seed(0)
    z = torch.randn(4096, 1, 2, dtype=torch.float64)
    likeliest = z[log_joint(model.loglik, model.x, z).argmax(0), 0]
    begun = fit_posterior(model.loglik, model.x, steps=1, lr=0.0)
    assert torch.equal(begun.mu, likeliest)


def test_fitting_leaves_the_network_and_its_gradients_alone():
    model = mlp_encoder(mlp_generator(2, (8,)), (8,))
    before = [p.clone() for p in model.parameters()]
    fit_posterior(model.f.loglik, torch.ones(3, 1, 28, 28), steps=5)
    for a, b in zip(before, model.parameters(), strict=True):
        assert torch.equal(a, b) and b.grad is None


def test_it_returns_the_type_of_an_encoder_and_takes_an_encoders_q_as_start():
    model, x = mlp_encoder(mlp_generator(2, (8,)), (8,)), torch.ones(3, 1, 28, 28)
    q = fit_posterior(model.f.loglik, x, steps=5, start=model(x))
    assert type(q) is type(model(x)) is DiagonalGaussian and not q.mu.requires_grad
    assert isinstance(model, GaussianEncoder)


def test_it_fits_the_same_where_gradients_are_switched_off():
    model, x = mlp_encoder(mlp_generator(2, (8,)), (8,)), torch.ones(3, 1, 28, 28)
    q = fit_posterior(model.f.loglik, x, steps=5, start=model(x))
    with torch.no_grad():
        assert torch.equal(fit_posterior(model.f.loglik, x, steps=5, start=model(x)).mu, q.mu)


def test_its_steps_shrink_linearly_to_nothing():
    start = DiagonalGaussian(torch.zeros(1, 1), torch.ones(1, 1))
    steep = 1e6  # Adam's steps are the learning rate where the gradient stays the same

    def loglik(x, z):
        return steep * z.sum(-1)

    for settings, (lr, steps) in (({"lr": 0.1, "steps": 10}, (0.1, 10)), ({}, (0.05, 300))):
        q = fit_posterior(loglik, torch.zeros(1, 1), d=1, start=start, **settings)
        expected = lr * sum(1 - step / steps for step in range(steps))
        assert q.mu.item() == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("settings, number", [({}, 10), ({"samples": 1}, 1)])
def test_each_step_draws_the_number_of_samples_that_is_asked_for(settings, number):
    model, drawn = LinearGaussian(), []

    def loglik(x, z):
        drawn.append(len(z))
        return model.loglik(x, z)

    fit_posterior(loglik, model.x, steps=3, start=model.posterior(), **settings)
    assert drawn == [number] * 3


@pytest.mark.slow
def test_a_fitted_q_beats_any_other_in_the_elbo():
    torch.manual_seed(0)
    generator = mlp_generator(2, (20,))
    with torch.no_grad():  # drawn from the model, so that z lies where the prior is
        x = sample_bernoulli(generator.logits(torch.randn(4, 2)))
    top = partial(half_loglik, generator, TOP)
    q = fit_posterior(top, x, steps=500)
    with torch.no_grad():
        fitted = quadrature(top, x, q).kl
        for mu, sigma in ((q.mu + 0.1, q.sigma), (q.mu, 1.2 * q.sigma), (q.mu, q.sigma / 1.2)):
            assert (quadrature(top, x, DiagonalGaussian(mu, sigma)).kl > fitted).all()


@pytest.mark.parametrize(
    "bad, said",
    [
        ({"samples": 0}, "samples >= 1 and steps >= 1, got 0"),
        ({"steps": 0}, "and 0"),
        ({"starts": 0}, "starts >= 1, and 1 with a start of your own, got 0"),
        ({"starts": 2, "start": LinearGaussian().posterior()}, "a start of your own, got 2"),
        ({"d": 3, "start": LinearGaussian().posterior()}, r"start of shape \(5, 3\)"),
        (
            {"start": DiagonalGaussian(torch.zeros(5, 2), torch.ones(2))},
            r"start of shape \(5, 2\), one q per image, got mu \(5, 2\) and sigma \(2,\)",
        ),
    ],
)
def test_bad_arguments_are_clear_errors(bad, said):
    model = LinearGaussian()
    with pytest.raises(ValueError, match=said):
        fit_posterior(model.loglik, model.x, **bad)


def test_grey_halves_and_wrong_sizes_are_clear_errors():
    generator = mlp_generator(2, (8,))
    grey, half = torch.full((1, 1, 28, 28), 0.4), torch.zeros(1, 1, 14, 28)
    for x, said in ((grey, "expected pixels 0 or 1, got 0.4"), (half, r"\(B, 1, 28, 28\)")):
        with pytest.raises(ValueError, match=said):
            fit_posterior(partial(half_loglik, generator, BOTTOM), x)
