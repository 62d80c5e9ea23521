"""The image models against the coursework's own classes, and their shapes, stability and errors."""

import re

import pytest
import torch
from torch import nn

from probnn.inference import elbo
from probnn.models import BernoulliImageGenerator, GaussianEncoder, mlp_encoder, mlp_generator


class CourseworkGenerator(nn.Module):
    """As printed in the coursework: probabilities, and log likelihoods from their logarithms."""

    def __init__(self, d=4):
        super().__init__()
        self.d = d
        self.f = nn.Sequential(
            nn.Linear(d, 128),
            nn.LeakyReLU(),
            nn.Linear(128, 1728),
            nn.LeakyReLU(),
            nn.Unflatten(1, (12, 12, 12)),
            nn.Conv2d(12, 36, 3, 1),
            nn.LeakyReLU(),
            nn.Flatten(1),
            nn.Unflatten(1, (4, 30, 30)),
            nn.Conv2d(4, 4, 3, 1),
            nn.LeakyReLU(),
            nn.Conv2d(4, 1, 1, 1),
            nn.Sigmoid(),
        )

    def forward(self, z):
        return self.f(z)

    def loglik(self, x, z):
        xr = self(z)
        return (x * torch.log(xr) + (1 - x) * torch.log(1 - xr)).sum((1, 2, 3))


class CourseworkEncoder(nn.Module):
    def __init__(self, decoder):
        super().__init__()
        self.d = decoder.d
        self.f = decoder
        self.g = nn.Sequential(
            nn.Conv2d(1, 32, 3, 1),
            nn.LeakyReLU(),
            nn.Conv2d(32, 64, 3, 1),
            nn.MaxPool2d(2),
            nn.Flatten(1),
            nn.Linear(9216, 128),
            nn.LeakyReLU(),
            nn.Linear(128, self.d * 2),
        )

    def forward(self, x):
        muτ = self.g(x)
        μ, τ = muτ[:, : self.d], muτ[:, self.d :]
        return μ, torch.exp(τ / 2)

    def loglik_lb(self, x):
        μ, σ = self(x)
        kl = 0.5 * (μ**2 + σ**2 - torch.log(σ**2) - 1).sum(1)
        ε = torch.randn_like(σ)
        return self.f.loglik(x, z=μ + σ * ε) - kl


@pytest.fixture(scope="module", params=[4, 20])
def pair(request):
    torch.manual_seed(0)
    theirs = CourseworkEncoder(CourseworkGenerator(d=request.param))
    ours = GaussianEncoder(BernoulliImageGenerator(d=request.param))
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return ours, theirs


IMAGES = torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_the_courseworks_weights_give_the_courseworks_likelihood(pair):
    ours, theirs = pair
    z = torch.randn(6, ours.d)
    torch.testing.assert_close(
        ours.f.loglik(IMAGES, z), theirs.f.loglik(IMAGES, z), rtol=1e-4, atol=0
    )
    torch.testing.assert_close(ours.f(z), theirs.f(z))


def test_the_default_is_the_courseworks_dimension():
    BernoulliImageGenerator().load_state_dict(CourseworkGenerator().state_dict(), strict=True)


@torch.no_grad()
def test_the_courseworks_weights_give_the_courseworks_posterior_and_bound(pair):
    ours, theirs = pair
    for mine, other in zip(ours(IMAGES), theirs(IMAGES), strict=True):
        torch.testing.assert_close(mine, other)
    torch.manual_seed(1)
    mine = ours.loglik_lb(IMAGES)
    torch.manual_seed(1)
    torch.testing.assert_close(mine, theirs.loglik_lb(IMAGES), rtol=1e-4, atol=0)


def test_the_gradients_are_the_courseworks_and_come_back_in_the_layout_of_the_images(pair):
    ours, theirs = pair
    layouts = []

    def note(module, inputs, outputs):
        layouts.append(outputs[0].is_contiguous(memory_format=torch.channels_last))

    pooling = ours.g[3].register_full_backward_hook(note)
    for model in pair:
        torch.manual_seed(1)
        model.zero_grad()
        model.loglik_lb(IMAGES).sum().backward()
    pooling.remove()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        largest = other.grad.abs().max().item()
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-3, atol=1e-3 * largest)
    assert layouts == [True]


@torch.no_grad()
def test_the_likelihood_is_finite_where_the_courseworks_is_not(pair):
    ours, theirs = pair
    z = 1e4 * torch.randn(6, ours.d)
    black_and_white = (IMAGES > 0.5).float()
    assert not theirs.f.loglik(black_and_white, z).isfinite().all()
    cross_entropy = nn.BCEWithLogitsLoss(reduction="none")
    expected = -cross_entropy(ours.f.logits(z), black_and_white).sum((1, 2, 3))
    torch.testing.assert_close(ours.f.loglik(black_and_white, z), expected)


@torch.no_grad()
@pytest.mark.parametrize("d", [1, 2, 4, 20])
def test_shapes(d):
    model = GaussianEncoder(BernoulliImageGenerator(d=d))
    mu, sigma = q = model(IMAGES)
    assert mu.shape == sigma.shape == (6, d) and (sigma > 0).all()
    assert model.f(q.sample(3)).shape == (3, 6, 1, 28, 28)
    assert model.f.loglik(IMAGES, q.sample(3)).shape == (3, 6)
    assert model.f.loglik(IMAGES, q.sample()).shape == model.loglik_lb(IMAGES).shape == (6,)
    assert model.f.loglik(IMAGES, torch.randn(5, 1, d)).shape == (5, 6)  # one z for all images
    assert model.f(torch.randn(d)).shape == (1, 28, 28)


@torch.no_grad()
def test_leading_axes_of_z_are_evaluated_one_by_one(pair):
    model, _ = pair
    z = torch.randn(3, 6, model.d)
    together = model.f.loglik(IMAGES, z)
    for k in range(3):
        for b in range(6):
            alone = model.f.loglik(IMAGES[b : b + 1], z[k, b][None])[0]
            torch.testing.assert_close(together[k, b], alone)


@torch.no_grad()
def test_probabilities_are_the_sigmoid_of_the_logits(pair):
    model, _ = pair
    z = torch.randn(6, model.d)
    torch.testing.assert_close(model.f(z), model.f.f(z))


def test_the_bound_trains_generator_and_encoder():
    model = GaussianEncoder(BernoulliImageGenerator(d=4))
    model.loglik_lb(IMAGES).mean().backward()
    assert all(p.grad.abs().sum() > 0 for p in model.parameters())


@torch.no_grad()
def test_the_bound_is_the_elbo_with_the_encoders_q(pair):
    model, _ = pair
    torch.manual_seed(2)
    bound = model.loglik_lb(IMAGES, samples=3)
    torch.manual_seed(2)
    assert torch.equal(bound, elbo(model.f.loglik, IMAGES, model(IMAGES), samples=3))


class PyTorchExample(nn.Module):
    """The VAE of the PyTorch examples, as it is there, with its loss per image."""

    def __init__(self):
        super().__init__()
        self.fc1, self.fc21, self.fc22 = nn.Linear(784, 400), nn.Linear(400, 20), nn.Linear(400, 20)
        self.fc3, self.fc4 = nn.Linear(20, 400), nn.Linear(400, 784)

    def loss(self, x):
        h = torch.relu(self.fc1(x.view(-1, 784)))
        mu, logvar = self.fc21(h), self.fc22(h)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)
        recon = torch.sigmoid(self.fc4(torch.relu(self.fc3(z))))
        bce = nn.functional.binary_cross_entropy(recon, x.view(-1, 784), reduction="none").sum(1)
        return bce - 0.5 * (1 + logvar - mu.pow(2) - logvar.exp()).sum(1)


@torch.no_grad()
def test_the_fully_connected_model_is_that_of_the_pytorch_example():
    theirs, ours = PyTorchExample(), mlp_encoder(mlp_generator(20))
    weights = theirs.state_dict()
    ends = ("weight", "bias")
    for layer, name in ((ours.g[1], "fc1"), (ours.f.f[0], "fc3"), (ours.f.f[2], "fc4")):
        layer.load_state_dict({end: weights[f"{name}.{end}"] for end in ends})
    moments = {end: torch.cat([weights[f"fc21.{end}"], weights[f"fc22.{end}"]]) for end in ends}
    ours.g[3].load_state_dict(moments)
    torch.manual_seed(1)
    loss = theirs.loss(IMAGES)
    torch.manual_seed(1)
    torch.testing.assert_close(-ours.loglik_lb(IMAGES), loss, rtol=1e-5, atol=0)
    z = torch.randn(6, 20)
    torch.testing.assert_close(ours.f.f(z), ours.f(z))  # its network gives images


def test_the_last_bias_may_begin_at_the_pixels_means():
    means = torch.tensor([0.0, 0.25, 0.9995, 1.0]).repeat(196).view(1, 28, 28)
    torch.manual_seed(0)
    plain = mlp_generator(3, (5, 7))
    torch.manual_seed(0)
    begun = mlp_generator(3, (5, 7), pixel_means=means)
    bias = begun.f[4].bias
    assert isinstance(bias, nn.Parameter) and bias.requires_grad
    expected = torch.tensor([0.001, 0.25, 0.999, 0.999]).repeat(196)
    torch.testing.assert_close(bias.detach().sigmoid(), expected)
    pairs = zip(plain.named_parameters(), begun.named_parameters(), strict=True)
    assert all(torch.equal(a, b) or name == "f.4.bias" for (name, a), (_, b) in pairs)


@pytest.mark.parametrize("shape", [(28, 28), (6, 28, 28), (6, 3, 28, 28), (6, 784)])
def test_images_of_another_shape_are_a_clear_error(shape):
    model = GaussianEncoder(BernoulliImageGenerator(d=4))
    message = rf"expected images of shape \(B, 1, 28, 28\), got \({', '.join(map(str, shape))}\)"
    with pytest.raises(ValueError, match=message):
        model(torch.zeros(shape))
    with pytest.raises(ValueError, match=message):
        model.f.loglik(torch.zeros(shape), torch.zeros(6, 4))


@torch.no_grad()
def test_codes_shared_by_all_images_may_have_any_leading_axes(pair):
    model, _ = pair
    z = torch.randn(3, 1, 1, model.d)
    expected = model.f.loglik(IMAGES, z.expand(3, 1, 6, model.d))
    torch.testing.assert_close(model.f.loglik(IMAGES, z), expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("shape", [(4,), (5, 4), (6, 5, 4)])
def test_codes_that_are_not_one_for_each_image_are_a_clear_error(shape):
    said = r"z of shape \(..., 6, d\) or \(..., 1, d\) for 6 images, got "
    with pytest.raises(ValueError, match=said + re.escape(str(shape))):
        BernoulliImageGenerator(d=4).loglik(IMAGES, torch.zeros(shape))


def test_codes_of_another_dimension_are_a_clear_error():
    with pytest.raises(ValueError, match=r"z of shape \(..., 4\), got \(6, 5\)"):
        BernoulliImageGenerator(d=4)(torch.zeros(6, 5))


@pytest.mark.parametrize(
    "f, ending",
    [
        (nn.Sequential(nn.Linear(4, 784), nn.Tanh(), nn.Unflatten(1, (1, 28, 28))), "Unflatten"),
        (nn.Sequential(), "Sequential"),
        (nn.Linear(4, 784), "Linear"),
        (nn.Sigmoid(), "Sigmoid"),
    ],
    ids=["logits", "empty", "no sequence", "a sigmoid alone"],
)
def test_a_network_without_a_sigmoid_at_the_end_of_a_sequence_is_a_clear_error(f, ending):
    said = f"nn.Sequential whose last layer is nn.Sigmoid, got {ending} at the end"
    with pytest.raises(ValueError, match=said):
        BernoulliImageGenerator(d=4, f=f)
