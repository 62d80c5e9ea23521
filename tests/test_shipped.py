"""Every shipped checkpoint loads, and the weights in it give a number that was recorded when it was made."""

import re
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

import probnn
from probnn.data import load_mnist, load_surnames, load_xkcd
from probnn.densities import kl_normal
from probnn.inference import log_marginal_quadrature, over_batches, quadrature
from probnn.models import (
    TOP,
    Autoencoder,
    HWiggle,
    NameEncoder,
    NameGenerator,
    RWiggle,
    Starts,
    encode_names,
    half_loglik,
)
from probnn.training import load
from probnn.tsne import symmetric_gauss_neighbour_probability

SHIPPED = Path(__file__).parents[1] / "checkpoints"
PAGE = (SHIPPED / "README.md").read_text()
CHECKS = {}
pytestmark = pytest.mark.slow


def reproduces(*files):
    """Registers a check for files; it gets the file's name and returns pairs (recomputed, recorded, tolerance)."""

    def register(check):
        for file in files:
            assert file not in CHECKS
            CHECKS[file] = check
        return check

    return register


def result(file):
    return load(SHIPPED / file)["result"]


def trained(model, file):
    model.load_state_dict(load(SHIPPED / file)["model"])
    return model


def same_mean(values, recorded, standard_errors=5):
    """Other samples of z, the same images: paired, the means must agree."""
    mean, error = probnn.mean_and_se(values - recorded)
    return mean, 0.0, standard_errors * error


def recorded_in_the_page(file, pattern):
    row = next(line for line in PAGE.splitlines() if f"`{file}`" in line)
    return [float(number) for number in re.search(pattern, row).groups()]


MODELS = {
    "cambridge/c_autoencoder.pt": lambda: probnn.GaussianEncoder(probnn.BernoulliImageGenerator(4)),
    "cambridge/e_d4.pt": lambda: probnn.GaussianEncoder(probnn.BernoulliImageGenerator(4)),
    "cambridge/e_d20.pt": lambda: probnn.GaussianEncoder(probnn.BernoulliImageGenerator(20)),
    "cambridge/e_pytorch.pt": lambda: probnn.mlp_encoder(probnn.mlp_generator(20)),
    "cambridge/f_conditional.pt": lambda: probnn.ConditionalGaussianEncoder(
        probnn.ConditionalBernoulliImageGenerator(4)
    ),
    "toronto/2_vae.pt": lambda: probnn.mlp_encoder(
        probnn.mlp_generator(2, (500,), nn.Tanh), (500,), nn.Tanh
    ),
    **{
        f"oslo/2_vae_beta_{beta}.pt": lambda: probnn.mlp_encoder(
            probnn.mlp_generator(10, (64, 128)), (128, 64)
        )
        for beta in ("0.784", "1")
    },
}
NAMES = ("plain_vae", "annealing", "word_dropout", "4_nats_free", "8_nats_free")
MODELS |= {
    f"cambridge/g_{name}.pt": lambda: NameEncoder(NameGenerator(16)).eval() for name in NAMES
}


def model_of(file):
    return trained(MODELS[file](), file)


@reproduces("cambridge/a_rwiggle.pt", "cambridge/a_hwiggle.pt")
def regression(file):
    x, y = load_xkcd()
    both = recorded_in_the_page(file, r"(-[\d.]+) and (-[\d.]+) nats per point \(the 31")
    return [
        (
            trained(HWiggle() if "hwiggle" in file else RWiggle(), file)(y, x).mean().item(),
            both["hwiggle" in file],
            5.1e-4,
        )
    ]


@reproduces("cambridge/a_rwiggle_starts.pt", "cambridge/a_hwiggle_starts.pt")
def starts(file):
    x, y = load_xkcd()
    model = trained(
        Starts([HWiggle() if "hwiggle" in file else RWiggle() for _ in range(24)]), file
    )
    return [
        (
            model(y, x).mean((1, 2)).max().item(),
            recorded_in_the_page(file, r"best (-[\d.]+) and (-[\d.]+)")["hwiggle" in file],
            5.1e-3,
        )
    ]


@reproduces("cambridge/c_autoencoder.pt", "cambridge/c_bounds.pt")
def bounds(_):
    values = over_batches(
        model_of("cambridge/c_autoencoder.pt").loglik_lb, load_mnist("test").images[:500]
    )
    return [same_mean(values, result("cambridge/c_bounds.pt")["test"][:500])]


@reproduces("cambridge/d_scores.pt")
def likely_images(file):
    model, x = model_of("cambridge/c_autoencoder.pt"), load_mnist("fit").images[:100]
    return [
        same_mean(
            probnn.log_marginal(model.f.loglik, x, model(x)).estimate,
            result(file)["estimate"][:100],
        )
    ]


@reproduces(
    *(
        f"cambridge/e_{name}{what}.pt"
        for name in ("d4", "d20", "pytorch")
        for what in ("", "_scores")
    )
)
def dimensions(file):
    model, x = model_of(file.replace("_scores", "")), load_mnist("test").images[:500]
    scores = result(file.removesuffix(".pt").removesuffix("_scores") + "_scores.pt")
    q = over_batches(model, x)
    return [
        same_mean(over_batches(model.loglik_lb, x), scores["bound"][:500]),
        ((kl_normal(*q) - scores["kl"][:500]).abs().max().item(), 0.0, 1e-2),
    ]


@reproduces("cambridge/e_starts.pt")
def best_starts(file):
    x = load_mnist("held_out").images[:500]
    best = {"cambridge/e_d4.pt": "d4_start6", "cambridge/e_d20.pt": "d20_start4"}
    return [
        same_mean(
            over_batches(model_of(model).loglik_lb, x),
            load(SHIPPED / file)[start]["held_out"][:500],
        )
        for model, start in best.items()
    ]


@reproduces("cambridge/f_conditional.pt")
def conditional(file):
    mean, error = recorded_in_the_page(file, r"\(x given y\) (-[\d.]+) ± ([\d.]+)")
    return [
        (over_batches(model_of(file).loglik_lb, *load_mnist("held_out")).mean().item(), mean, 0.4)
    ]


@reproduces("cambridge/g_language_model.pt", "cambridge/g_language_model_scores.pt")
def language_model(_):
    x = encode_names(load_surnames("test").names[:500])
    exact = trained(NameGenerator(0), "cambridge/g_language_model.pt").loglik(
        x, torch.zeros(500, 0)
    )
    return [
        (
            (exact - result("cambridge/g_language_model_scores.pt")["estimate"][:500])
            .abs()
            .max()
            .item(),
            0.0,
            1e-3,
        )
    ]


@reproduces(*(f"cambridge/g_{name}{what}.pt" for name in NAMES for what in ("", "_scores")))
def names(file):
    stem = file.removesuffix(".pt").removesuffix("_scores")
    model, x = model_of(stem + ".pt"), encode_names(load_surnames("test").names[:500])
    scores = result(stem + "_scores.pt")
    q = over_batches(model, x)
    values = probnn.log_marginal(model.f.loglik, x, q, samples=100, max_rows=20_000).estimate
    return [
        ((q.kl_from_prior() - scores["kl"][:500]).abs().max().item(), 0.0, 1e-3),
        same_mean(values, scores["estimate"][:500]),
    ]


@reproduces(
    *(f"cambridge/g_{name}_curve.pt" for name in ("plain_vae", "4_nats_free", "8_nats_free"))
)
def curves(file):
    scores = result(file.replace("_curve", "_scores"))
    return [
        same_mean(result(file)["estimates"][2], scores["estimate"][:1000])
    ]  # 100 samples, other ones


@reproduces("toronto/2_vae.pt", "toronto/2_exact.pt")
def exact(_):
    model, x = model_of("toronto/2_vae.pt"), load_mnist("second", "thresholded").images[:20]
    stored = result("toronto/2_exact.pt")["whole"]["test"]
    return [
        (
            (log_marginal_quadrature(model.f.loglik, x) - stored["log_marginal"][:20])
            .abs()
            .max()
            .item(),
            0.0,
            1e-2,
        )
    ]


@reproduces("toronto/2_sampled.pt")
def sampled(file):
    exact = result("toronto/2_exact.pt")["whole"]["test"]["log_marginal"][:1000]
    short = {k: (exact - values[0]).mean().item() for k, values in result(file).items()}
    return [
        (short[k], fall, 5.1e-3)
        for k, fall in zip(
            short,
            recorded_in_the_page(
                file, r"short by ([\d.]+) ± \S+ ([\d.]+) ± \S+ ([\d.]+) ± \S+ and ([\d.]+)"
            ),
        )
    ]


@reproduces("toronto/2_fitted.pt")
def fitted(file):
    model, x = model_of("toronto/2_vae.pt"), load_mnist("second", "thresholded").images[:20]
    stored = result(file)["test"]["best"][:20]  # mu, sigma, KL
    q = probnn.DiagonalGaussian(stored[:, :2], stored[:, 2:4])
    return [((quadrature(model.f.loglik, x, q).kl - stored[:, 4]).abs().max().item(), 0.0, 1e-3)]


@reproduces("toronto/4_halves.pt")
def halves(file):
    model, x = model_of("toronto/2_vae.pt"), load_mnist("first", "thresholded").images[:20]
    stored = result(file)
    q = probnn.DiagonalGaussian(stored["mu"][0, :20], stored["sigma"][0, :20])
    kl = quadrature(partial(half_loglik, model.f, TOP), x, q).kl
    return [((kl - stored["kl"][0, :20]).abs().max().item(), 0.0, 1e-3)]


def reconstruction_error(file, noise=0.0):
    model = trained(
        Autoencoder(2, (256, 128), nn.ReLU, nn.Identity) if "2d" in file else Autoencoder(), file
    )
    torch.manual_seed(0)
    x = load_mnist("test").images
    return (
        over_batches(
            lambda x: (model(x + noise * torch.randn_like(x))[1] - x).square().mean((1, 2, 3)), x
        )
        .mean()
        .item()
    )


@reproduces("oslo/1_1_compression.pt", "oslo/1_2_denoising.pt", "autoencoder-2d/plain.pt")
def reconstructions(file):
    return [
        (
            reconstruction_error(file, noise=0.2 * ("denoising" in file)),
            recorded_in_the_page(file, r"test MSE ([\d.]+)")[0],
            2e-5,
        )
    ]


@reproduces("oslo/1_1_starts.pt")
def oslo_starts(file):
    recorded = recorded_in_the_page(file, r"test MSE ([\d.]+), ([\d.]+), ([\d.]+) and ([\d.]+)")
    return [(value["test"], mse, 6e-6) for value, mse in zip(result(file).values(), recorded)]


@reproduces(*(f"oslo/1_3_sparse_{weight}.pt" for weight in ("0.0001", "0.001", "0.01", "0.1")))
def sparse(file):
    weight = ("0.0001", "0.001", "0.01", "0.1").index(
        file.removeprefix("oslo/1_3_sparse_").removesuffix(".pt")
    )
    return [
        (
            reconstruction_error(file),
            recorded_in_the_page(file, r"test MSE ([\d.]+), ([\d.]+), ([\d.]+), ([\d.]+)")[weight],
            1e-5,
        )
    ]


@reproduces(
    *(f"oslo/2_{what}_beta_{beta}.pt" for what in ("vae", "scores") for beta in ("0.784", "1"))
)
def oslo_vae(file):
    model, x = model_of(file.replace("scores", "vae")), load_mnist("test").images[:500]
    scores = result(file.replace("vae", "scores"))
    return [
        (
            (over_batches(model, x).kl_from_prior() - scores["kl"][:500]).abs().max().item(),
            0.0,
            1e-2,
        ),
        same_mean(over_batches(model.loglik_lb, x), scores["elbo"][:500]),
    ]


@reproduces("autoencoder-2d/vae.pt")
def latent_plane(file):
    model = trained(probnn.mlp_encoder(probnn.mlp_generator(2, (128, 256)), (256, 128)), file)
    torch.manual_seed(0)
    return [
        (
            over_batches(model.loglik_lb, load_mnist("test").images).mean().item(),
            recorded_in_the_page(file, r"test ELBO (-[\d.]+)")[0],
            0.4,
        )
    ]


@reproduces("autoencoder-2d/classifier.pt")
def classifier(file):
    model, (x, y) = (
        trained(
            nn.Sequential(nn.Flatten(1), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)), file
        ),
        load_mnist("test"),
    )
    return [
        (
            (model(x).argmax(1) == y).float().mean().item(),
            recorded_in_the_page(file, r"right on ([\d.]+) %")[0] / 100,
            6e-4,
        )
    ]


@reproduces(
    *(
        f"oslo/{name}.pt"
        for name in (
            "3_1_tsne_sigma10",
            "3_1_tsne_sigma210",
            "3_1_tsne_perplexity30",
            "3_2_adam_sigma10",
            "3_2_gradient_descent",
            "3_2_adam",
            "3_2_momentum_and_gains",
        )
    )
)
def maps(file):
    content = load(SHIPPED / file)
    sigma = 10.0 if "sigma10" in file else 10.0**0.5 if "sigma210" in file else None
    P = symmetric_gauss_neighbour_probability(
        load_mnist("train").images[:1000].flatten(1), sigma=sigma, wanted=None if sigma else 30.0
    )
    return [(probnn.TsneObjective(P).kl(content["points"]["0"]), content["history"][-1], 1e-4)]


@reproduces("oslo/3_2_scikit_learn.pt")
def compared_maps(file):
    P = symmetric_gauss_neighbour_probability(
        load_mnist("train").images[:1000].flatten(1), wanted=30.0
    )
    kls = torch.tensor(
        [[probnn.TsneObjective(P).kl(y) for y in pair] for pair in result(file)["maps"]]
    )
    return [
        (
            probnn.mean_and_se(kls[:, 0] / kls[:, 1])[0],
            recorded_in_the_page(file, r"KL ([\d.]+) ± \S+ times")[0],
            6e-5,
        )
    ]


def test_the_page_says_with_which_torch_each_was_made():
    for path in SHIPPED.glob("*/*.pt"):
        version = torch.load(path, weights_only=True)["torch"].split("+")[0]
        row = next(line for line in PAGE.splitlines() if f"`{path.relative_to(SHIPPED)}`" in line)
        assert f"| {version} |" in row


@pytest.mark.parametrize(
    "file", sorted(str(path.relative_to(SHIPPED)) for path in SHIPPED.glob("*/*.pt"))
)
def test_it_gives_the_recorded_number(file):
    with torch.no_grad():
        checks = CHECKS[file](file)
    assert checks
    for recomputed, recorded, tolerance in checks:
        assert abs(recomputed - recorded) <= tolerance, (recomputed, recorded, tolerance)
