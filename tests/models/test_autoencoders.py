"""The deterministic autoencoders: shapes, the sparsity penalty against scipy, and learning."""

import pytest
import torch
from scipy.special import rel_entr
from torch import nn

from probnn.data import load_mnist
from probnn.models import Autoencoder, add_noise, sparsity_penalty


@pytest.mark.parametrize("shape", [(5, 28, 28), (5, 1, 28, 28), (5, 784)])
def test_reconstructions_have_the_shape_of_the_images(shape):
    codes, reconstructions = Autoencoder(d=2)(torch.rand(shape))
    assert codes.shape == (5, 2) and reconstructions.shape == shape


def test_the_three_shapes_are_the_same_image():
    model, images = Autoencoder(), torch.rand(5, 28, 28)
    for shape in ((5, 1, 28, 28), (5, 784)):
        codes, reconstructions = model(images.reshape(shape))
        assert torch.equal(codes, model.encoder(images))
        assert torch.equal(reconstructions.reshape(5, 28, 28), model.decoder(codes))


@pytest.mark.parametrize(
    "shape", [(28, 28), (784,), (5, 28, 27), (5, 3, 28, 28), (5, 1, 784), (1, 5, 28, 28)]
)
def test_other_shapes_are_clear_errors(shape):
    wanted = r"expected images of shape \(N, 28, 28\), \(N, 1, 28, 28\) or \(N, 784\)"
    with pytest.raises(ValueError, match=rf"{wanted}, got \({shape[0]}"):
        Autoencoder()(torch.rand(shape))


def test_oslos_network_is_784_128_32_128_784_with_sigmoids():
    model = Autoencoder()
    linear = [m for m in model.modules() if isinstance(m, nn.Linear)]
    widths = [(m.in_features, m.out_features) for m in linear]
    assert widths == [(784, 128), (128, 32), (32, 128), (128, 784)]
    assert sum(isinstance(m, nn.Sigmoid) for m in model.modules()) == 4


def test_the_decoders_hidden_layers_are_the_encoders_in_reverse():
    model = Autoencoder(2, (30, 20, 10))
    linear = [m for m in model.decoder.modules() if isinstance(m, nn.Linear)]
    assert [m.in_features for m in linear] == [model.d, 10, 20, 30] and model.d == 2


def test_codes_are_unbounded_with_an_identity_and_pixels_never():
    torch.manual_seed(0)
    model = Autoencoder(d=2, activation=nn.ReLU, code_activation=nn.Identity)
    codes, images = model(100 * torch.rand(50, 784))
    assert codes.abs().max() > 1 and images.min() >= 0 and images.max() <= 1


def test_the_penalty_is_scipys_summed_over_units_and_not_over_images():
    codes = torch.rand(40, 3, dtype=torch.float64)
    mean, rho = codes.mean(0).numpy(), 0.05
    exact = (rel_entr(rho, mean) + rel_entr(1 - rho, 1 - mean)).sum()
    assert sparsity_penalty(codes, rho).item() == pytest.approx(exact, rel=1e-9)
    assert sparsity_penalty(codes.repeat(7, 1), rho).item() == pytest.approx(exact, rel=1e-9)
    assert sparsity_penalty(codes.repeat(1, 2), rho).item() == pytest.approx(2 * exact, rel=1e-9)


def test_the_penalty_pushes_every_mean_activation_towards_rho():
    codes = torch.rand(40, 3).requires_grad_()
    sparsity_penalty(codes, 0.01).backward()
    assert (codes.grad > 0).all()  # descending lowers all activations: they are above rho
    low = torch.full((40, 3), 1e-4).requires_grad_()
    sparsity_penalty(low, 0.01).backward()
    assert (low.grad < 0).all()


def test_saturated_units_give_a_finite_penalty():
    assert torch.isfinite(sparsity_penalty(torch.stack([torch.zeros(5), torch.ones(5)], 1)))


@pytest.mark.parametrize(
    "codes, rho, said",
    [
        (torch.rand(5, 3), 1.0, "rho between 0 and 1, got 1"),
        (torch.rand(5, 3), 0.0, "rho between 0 and 1, got 0"),
        (torch.full((5, 3), 1.1), 0.01, "activations between 0 and 1"),
        (torch.full((5, 3), -0.1), 0.01, "activations between 0 and 1"),
    ],
)
def test_bad_activations_are_clear_errors(codes, rho, said):
    with pytest.raises(ValueError, match=said):
        sparsity_penalty(codes, rho)


def test_the_penalty_is_where_the_codes_are(elsewhere):
    codes = torch.rand(5, 3)
    with elsewhere():
        penalty = sparsity_penalty(codes)
    assert penalty.device == codes.device and penalty.dtype == codes.dtype


def test_noise_has_mean_0_and_the_standard_deviation_asked_for_on_black_and_on_white():
    torch.manual_seed(0)
    images = torch.tensor([0.0, 1.0])[:, None].expand(2, 40_000)
    noise = add_noise(images, 0.3) - images
    # five standard errors
    assert (noise.mean(1).abs() < 5 * 0.3 / 200).all()
    assert ((noise.std(1) - 0.3).abs() < 5 * 0.3 / 80_000**0.5).all()
    noise = add_noise(images) - images  # Oslo's
    assert ((noise.std(1) - 0.2).abs() < 5 * 0.2 / 80_000**0.5).all()


def test_noise_is_fresh_at_every_call_and_leaves_the_images_alone():
    images = torch.rand(5, 1, 28, 28)
    before = images.clone()
    assert not torch.equal(add_noise(images), add_noise(images)) and torch.equal(images, before)
    assert torch.equal(add_noise(images, 0.0), images)


def test_noise_is_where_the_images_are(elsewhere):
    images = torch.rand(5, 28, 28, dtype=torch.float64)
    with elsewhere():
        noisy = add_noise(images)
    assert noisy.device == images.device and noisy.dtype == images.dtype


def test_it_learns_a_handful_of_images_by_heart():
    torch.manual_seed(0)
    images = load_mnist("test").images[:8]
    model = Autoencoder(d=8, hidden=(64,), activation=nn.Tanh, code_activation=nn.Identity)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(1500):
        loss = nn.functional.mse_loss(model(images)[1], images)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.002 < nn.functional.mse_loss(images.mean(0).expand_as(images), images)
