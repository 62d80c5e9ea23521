"""Halves of images: which rows they are; their likelihoods are those of the seen pixels alone."""

from functools import partial

import pytest
import torch
from torch import distributions as td

from probnn.models import BOTTOM, TOP, bottom_half, half_loglik, mlp_generator, top_half

# Every pixel differs: its top half is neither the left nor the bottom one.
IMAGE = torch.arange(28 * 28).reshape(1, 1, 28, 28)


def test_the_top_half_is_rows_0_to_13():
    assert torch.equal(top_half(IMAGE), torch.arange(14 * 28).reshape(1, 1, 14, 28))
    assert top_half(IMAGE[0, 0]).shape == (14, 28)


def test_the_halves_make_the_image():
    assert torch.equal(torch.cat([top_half(IMAGE), bottom_half(IMAGE)], -2), IMAGE)


@pytest.fixture
def generator():
    torch.manual_seed(0)
    return mlp_generator(2, (20,))


@pytest.fixture
def x():
    return (torch.rand(5, 1, 28, 28) < 0.4).float()


@pytest.mark.parametrize("rows", [TOP, BOTTOM, slice(3, 9)])
def test_the_likelihood_of_rows_is_that_of_independent_bernoullis(generator, x, rows):
    z = torch.randn(3, 5, 2)
    seen = td.Bernoulli(logits=generator.logits(z)[..., rows, :])
    exact = seen.log_prob(x[..., rows, :]).sum((-3, -2, -1))
    torch.testing.assert_close(half_loglik(generator, rows, x, z), exact)


def test_two_halves_add_to_the_whole(generator, x):
    z = torch.randn(7, 1, 2)  # shared by all images
    summed = half_loglik(generator, TOP, x, z) + half_loglik(generator, BOTTOM, x, z)
    torch.testing.assert_close(summed, generator.loglik(x, z))


def test_it_is_the_average_over_all_ways_to_fill_the_unseen_pixels(generator):
    seen, z = slice(0, 27), torch.randn(1, 1, 2)
    top = (torch.rand(1, 1, 28, 28) < 0.4).float()
    # the last row's first eight pixels; the others are certain
    fills = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 8)
    logits = generator.logits(z).detach().clone()
    logits[..., 27, 8:] = -100.0
    whole = top.repeat(256, 1, 1, 1)
    whole[:, 0, 27] = 0.0
    whole[:, 0, 27, :8] = fills
    summed = td.Bernoulli(logits=logits).log_prob(whole).sum((-3, -2, -1)).logsumexp(-1)
    torch.testing.assert_close(half_loglik(generator, seen, top, z)[0], summed)


def test_the_unseen_half_has_no_say(generator, x):
    z, other = torch.randn(5, 2), x.clone()
    other[..., BOTTOM, :] = 0.7  # not even its grey pixels matter
    assert torch.equal(half_loglik(generator, TOP, x, z), half_loglik(generator, TOP, other, z))


def test_it_is_a_loglik_for_codes_shared_by_all_images(generator, x):
    z = torch.randn(9, 1, 2)
    loglik = partial(half_loglik, generator, TOP)
    torch.testing.assert_close(loglik(x, z), loglik(x, z.expand(9, 5, 2)))


def test_images_of_another_size_are_clear_errors():
    for half in (top_half, bottom_half):
        with pytest.raises(
            ValueError, match=r"expected images of shape \(..., 28, 28\), got \(5, 784\)"
        ):
            half(torch.zeros(5, 784))


def test_a_grey_pixel_among_black_and_white_ones_is_the_one_that_is_told(generator):
    x = torch.zeros(1, 1, 28, 28)
    x[0, 0, 0, 1:3] = torch.tensor([1.0, 0.4])
    with pytest.raises(ValueError, match="expected pixels 0 or 1, got 0.4"):
        half_loglik(generator, TOP, x, torch.zeros(1, 2))
