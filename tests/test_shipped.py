"""Every shipped checkpoint loads, and gives a number that was recorded when it was made."""

import math
import re
from functools import partial
from pathlib import Path

import pytest
import torch
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

from probnn.data import load_mnist, load_surnames, load_xkcd, treat_pixels
from probnn.densities import DiagonalGaussian, kl_normal
from probnn.inference import (
    fit_posterior,
    importance_weighted,
    log_marginal,
    log_marginal_ais,
    log_marginal_quadrature,
    log_weights,
    mean_and_se,
    over_batches,
    quadrature,
)
from probnn.models import (
    TOP,
    Autoencoder,
    BernoulliImageGenerator,
    ConditionalBernoulliImageGenerator,
    ConditionalGaussianEncoder,
    GaussianEncoder,
    HWiggle,
    NameEncoder,
    NameGenerator,
    RWiggle,
    Starts,
    encode_names,
    half_loglik,
    mlp_encoder,
    mlp_generator,
)
from probnn.training import load
from probnn.tsne import TsneObjective, symmetric_gauss_neighbour_probability
from tools.many_samples import burda_model

SHIPPED = Path(__file__).parents[1] / "checkpoints"
PAGE = (SHIPPED / "README.md").read_text()
NAMES = ("plain_vae", "annealing", "word_dropout", "4_nats_free", "8_nats_free")
WEIGHTS = ("0.0001", "0.001", "0.01", "0.1")
BETAS = ("0.784", "1")
CHECKS = {}
pytestmark = pytest.mark.slow


def reproduces(*files):
    """Registers a check for files.

    It gets the file's name and returns triples (recomputed, recorded, tolerance).
    """

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
    mean, error = mean_and_se(values - recorded)
    return mean, 0.0, standard_errors * error


def same_values(values, recorded, tolerance):
    return (values - recorded).abs().max().item(), 0.0, tolerance


def recorded_in_the_page(file, pattern):
    row = next(line for line in PAGE.splitlines() if f"`{file}`" in line)
    return [float(number.replace(",", "")) for number in re.search(pattern, row).groups()]


def convolutional(d):
    return GaussianEncoder(BernoulliImageGenerator(d))


def fully_connected(d, hidden, activation=nn.ReLU):
    return mlp_encoder(mlp_generator(d, hidden, activation), hidden[::-1], activation)


MODELS = {
    "cambridge/c_autoencoder.pt": lambda: convolutional(4),
    "cambridge/e_d4.pt": lambda: convolutional(4),
    "cambridge/e_d20.pt": lambda: convolutional(20),
    "cambridge/e_pytorch.pt": lambda: mlp_encoder(mlp_generator(20)),
    "cambridge/f_conditional.pt": lambda: ConditionalGaussianEncoder(
        ConditionalBernoulliImageGenerator(4)
    ),
    "toronto/2_vae.pt": lambda: fully_connected(2, (500,), nn.Tanh),
}
MODELS |= {f"oslo/2_vae_beta_{beta}.pt": lambda: fully_connected(10, (64, 128)) for beta in BETAS}
MODELS |= {
    f"cambridge/g_{name}.pt": lambda: NameEncoder(NameGenerator(16)).eval() for name in NAMES
}


def model_of(file):
    return trained(MODELS[file](), file)


@reproduces("cambridge/a_rwiggle.pt", "cambridge/a_hwiggle.pt")
def regression(file):
    x, y = load_xkcd()
    model = trained(HWiggle() if "hwiggle" in file else RWiggle(), file)
    both = recorded_in_the_page(file, r"(-[\d.]+) and (-[\d.]+) nats per point \(the 31")
    return [(model(y, x).mean().item(), both["hwiggle" in file], 5.1e-4)]


@reproduces("cambridge/a_rwiggle_starts.pt", "cambridge/a_hwiggle_starts.pt")
def starts(file):
    x, y = load_xkcd()
    kind = HWiggle if "hwiggle" in file else RWiggle
    best = trained(Starts([kind() for _ in range(24)]), file)(y, x).mean((1, 2)).max().item()
    both = recorded_in_the_page(file, r"best (-[\d.]+) and (-[\d.]+)")
    return [(best, both["hwiggle" in file], 5.1e-3)]


FORKS = ("0.001", "0.0001", "1e-05")


@reproduces("cambridge/b_dip.pt", "cambridge/b_best.pt")
@reproduces(*(f"cambridge/b_fork_{rate}.pt" for rate in FORKS))
def replays(file):
    (x, y), rows = load_xkcd(), result(file)["rows"]
    stages = load(SHIPPED / "cambridge/a_hwiggle.pt")["stages"]
    begins = []
    for stage in stages.values():
        model = HWiggle()
        model.load_state_dict(stage["model"])
        begins.append((model.mu(x).flatten() - rows[0, 0]).abs().max().item())
    mu, sigma, loglik = rows.unbind(1)
    by_library = torch.distributions.Normal(mu, sigma).log_prob(y.flatten())
    return [(min(begins), 0.0, 1e-4), same_values(by_library, loglik, 0.2)]


@reproduces("cambridge/b_nudged.pt")
def nudged_replays(file):
    values = result(file)["values"]  # (20, steps, 31)
    (x, y), stages = load_xkcd(), load(SHIPPED / "cambridge/a_hwiggle.pt")["stages"]
    model = HWiggle()
    model.load_state_dict(stages[48_000]["model"])
    depths = values.mean(2).min(1).values
    recorded = recorded_in_the_page(file, r"between (-[\d.]+) and (-[\d.]+) nats")
    return [
        same_values(values[:, 0], model(y, x).flatten(), 1e-2),
        (depths.max().item(), recorded[0], 0.06),
        (depths.min().item(), recorded[1], 0.06),
    ]


@reproduces("cambridge/b_supremum.pt")
def suprema(file):
    through_all = result(file)["constant σ, through all points"]
    supremum = -0.5 * math.log(2 * math.pi) - math.log(through_all["sigma"])  # of that sigma
    recorded = recorded_in_the_page(file, r"after ([\d.,]+), ([\d.,]+) and ([\d.,]+) steps")
    steps = [len(run["history"]) for run in result(file).values()]
    return [
        (through_all["history"][-1].item(), supremum, 0.011),  # one step of 0.01 before
        *((got, said, 0) for got, said in zip(steps, recorded, strict=True)),
    ]


@reproduces("cambridge/c_autoencoder.pt", "cambridge/c_bounds.pt")
def bounds(_):
    model, x = model_of("cambridge/c_autoencoder.pt"), load_mnist("test").images[:500]
    recorded = result("cambridge/c_bounds.pt")["test"][:500]
    return [same_mean(over_batches(model.loglik_lb, x), recorded)]


@reproduces("cambridge/d_scores.pt")
def likely_images(file):
    model, x = model_of("cambridge/c_autoencoder.pt"), load_mnist("fit").images[:100]
    values = log_marginal(model.f.loglik, x, model(x)).estimate
    return [same_mean(values, result(file)["estimate"][:100])]


@reproduces(*(f"cambridge/e_{name}.pt" for name in ("d4", "d20", "pytorch")))
@reproduces(*(f"cambridge/e_{name}_scores.pt" for name in ("d4", "d20", "pytorch")))
def dimensions(file):
    model, x = model_of(file.replace("_scores", "")), load_mnist("test").images[:500]
    scores = result(file.removesuffix(".pt").removesuffix("_scores") + "_scores.pt")
    return [
        same_mean(over_batches(model.loglik_lb, x), scores["bound"][:500]),
        same_values(kl_normal(*over_batches(model, x)), scores["kl"][:500], 1e-2),
    ]


@reproduces("cambridge/e_starts.pt")
def best_starts(file):
    x, checks = load_mnist("held_out").images[:500], []
    for best, start in (("d4", "d4_start6"), ("d20", "d20_start4")):
        values = over_batches(model_of(f"cambridge/e_{best}.pt").loglik_lb, x)
        checks.append(same_mean(values, load(SHIPPED / file)[start]["held_out"][:500]))
    return checks


@reproduces("cambridge/e_bounds.pt")
def bounds_from_both_sides(file):
    """Other chains, fewer steps: never above by more than chance, and near; both bounds meet."""
    sides, checks = load(SHIPPED / file), []
    x, models = load_mnist("test").images[:20], ("e_d4", "e_d20", "e_pytorch")
    for name in models:
        model = model_of(f"cambridge/{name}.pt").requires_grad_(False)
        stored = sides[name.removeprefix("e_") + "_test"]
        q = fit_posterior(model.f.loglik, x, model.d, 100, 4, start=model(x))
        start = DiagonalGaussian(q.mu, 1.1 * q.sigma)
        annealed = log_marginal_ais(model.f.loglik, x, start, chains=4, temperatures=50)
        mean, error = mean_and_se(annealed.estimate - stored["lower"][:20])
        elbo = over_batches(lambda x, m=model: m.loglik_lb(x, samples=50), x)
        checks += [(max(mean, 0), 0.0, 5 * error), (mean, 0.0, 1.0)]
        checks += [same_mean(elbo, stored["curve"][:20, 0])]
    for name in ("c", "d4", "d20", "pytorch"):
        both = sides[f"{name}_simulated"]
        checks.append((mean_and_se(both["upper"] - both["lower"])[0], 0.0, 0.05))
    return checks


@reproduces("cambridge/h_runs.pt")
def runs_of_many_samples(file):
    """The stored orders of what must be ordered: the ELBO, K samples, log p(x)."""
    checks = []
    for run in load(SHIPPED / file).values():
        elbo, sampled, annealed = (run[name].mean() for name in ("elbo", "sampled", "lower"))
        checks.append((max((elbo - sampled).item(), 0.0), 0.0, 0.0))
        checks.append((max((sampled - annealed).item(), 0.0), 0.0, 0.05))
        if "simulated_upper" in run:
            gap = mean_and_se(run["simulated_upper"] - run["simulated_lower"])
            checks.append((gap[0], 0.0, 0.1 + 5 * gap[1]))
    return checks


@reproduces("cambridge/h_1.pt", "cambridge/h_50.pt")
def trained_with_many_samples(file):
    model = trained(burda_model(), file).requires_grad_(False)
    x = treat_pixels(load_mnist("train").images[:2000], "sampled")
    samples = 1 if file.endswith("h_1.pt") else 50
    values = over_batches(lambda x: importance_weighted(model.f.loglik, x, model(x), samples), x)
    last = torch.tensor(load(SHIPPED / file)["history"][-100:])  # the last 2,000 images' bounds
    return [(values.mean().item(), last.mean().item(), 3.0)]


@reproduces("cambridge/h_signal.pt")
def signal_to_noise(file):
    """That of the ELBO of one sample, computed again; and the order of the others."""
    signal = {name: value.item() for name, value in result(file).items()}
    model, x = trained(burda_model(), "cambridge/h_50.pt"), load_mnist("train").images[:20].round()
    slopes = []
    for _ in range(100):
        with torch.enable_grad():
            value = log_weights(model.f.loglik, x, model(x)).mean()
            slope = torch.autograd.grad(value, [*model.g.parameters()])
        slopes.append(torch.cat([g.flatten() for g in slope]))
    noise, mean = torch.stack(slopes).var(0), torch.stack(slopes).mean(0)
    again = ((mean**2 - noise / 100).sum() / noise.sum()).sqrt().item()
    falls = signal["importance 50 encoder"] - signal["importance 1 encoder"]
    saved = signal["importance 50 encoder"] - signal["doubly 50 encoder"]
    return [
        (again, signal["mean 1 encoder"], 0.1),
        (max(falls, 0.0), 0.0, 0.0),
        (max(saved, 0.0), 0.0, 0.0),
    ]


@reproduces("cambridge/f_conditional.pt")
def conditional(file):
    mean, error = recorded_in_the_page(file, r"\(x given y\) (-[\d.]+) ± ([\d.]+)")
    values = over_batches(model_of(file).loglik_lb, *load_mnist("held_out"))
    return [(values.mean().item(), mean, 0.4)]


@reproduces("cambridge/f_classified.pt")
def labels_in_codes(file):
    model = model_of("cambridge/f_conditional.pt")
    learn, judge = [part[:10_000] for part in load_mnist("fit")], load_mnist("held_out")
    z, z_judge = (over_batches(lambda x, y: model(x, y).sample(), *part) for part in (learn, judge))
    right = KNeighborsClassifier(15).fit(z, learn[1]).score(z_judge, judge[1])
    recorded = result(file)["conditional (f), KNeighborsClassifier"].item() / 6000
    return [(right, recorded, 5 * math.sqrt(2 * right * (1 - right) / 6000))]


@reproduces("cambridge/g_language_model.pt", "cambridge/g_language_model_scores.pt")
def language_model(_):
    x = encode_names(load_surnames("test").names[:500])
    model = trained(NameGenerator(0), "cambridge/g_language_model.pt")
    recorded = result("cambridge/g_language_model_scores.pt")["estimate"][:500]
    return [same_values(model.loglik(x, torch.zeros(500, 0)), recorded, 1e-3)]


@reproduces(*(f"cambridge/g_{name}.pt" for name in NAMES))
@reproduces(*(f"cambridge/g_{name}_scores.pt" for name in NAMES))
def names(file):
    stem = file.removesuffix(".pt").removesuffix("_scores")
    model, x = model_of(stem + ".pt"), encode_names(load_surnames("test").names[:500])
    scores = result(stem + "_scores.pt")
    q = over_batches(model, x)
    values = log_marginal(model.f.loglik, x, q, samples=100, max_rows=20_000).estimate
    return [
        same_values(q.kl_from_prior(), scores["kl"][:500], 1e-3),
        same_mean(values, scores["estimate"][:500]),
    ]


@reproduces(*(f"cambridge/g_{NAMES[k]}_curve.pt" for k in (0, 3, 4)))
def curves(file):
    scores = result(file.replace("_curve", "_scores"))
    hundred = result(file)["estimates"][2]  # samples, other ones
    return [same_mean(hundred, scores["estimate"][:1000])]


@reproduces("cambridge/g_known_from_z.pt")
def known_from_names(file):
    model = model_of("cambridge/g_4_nats_free.pt")
    learn, judge = (load_surnames(part).names for part in ("held_out", "test"))
    z, z_judge = (over_batches(model, encode_names(part)).sample() for part in (learn, judge))
    share = LinearRegression().fit(z, [len(name) for name in learn])
    score = share.score(z_judge, [len(name) for name in judge])
    recorded = result(file)["4 nats free"]["length, share of variance"].item()
    return [(score, recorded, 0.05)]


@reproduces("toronto/1_hundred_images.pt")
def hundred_images(file):
    model = trained(fully_connected(2, (500,), nn.Tanh), file)
    (recorded,) = recorded_in_the_page(file, r"ELBO (-[\d.]+) ±")
    x = load_mnist("first", "thresholded").images[:100]
    values = torch.stack([model.loglik_lb(x).mean() for _ in range(50)])
    return [(values.mean().item(), recorded, 5 * mean_and_se(values)[1])]


@reproduces("toronto/2_vae.pt", "toronto/2_exact.pt")
def exact(_):
    model, x = model_of("toronto/2_vae.pt"), load_mnist("second", "thresholded").images[:20]
    recorded = result("toronto/2_exact.pt")["test"]["log_marginal"][:20]
    return [same_values(log_marginal_quadrature(model.f.loglik, x), recorded, 1e-2)]


@reproduces("toronto/2_finer.pt")
def finer(file):
    model, x = model_of("toronto/2_vae.pt"), load_mnist("second", "thresholded").images[:20]
    stored = result(file)
    coarse = log_marginal_quadrature(model.f.loglik, x, spacing=1 / 16)
    exact = result("toronto/2_exact.pt")["test"]
    return [
        same_values(coarse, stored["finer"]["1/16"][:20], 1e-3),
        same_values((exact["log_marginal"] - exact["kl"])[:20], stored["elbo"][:20], 1e-2),
    ]


@reproduces("toronto/2_sampled.pt")
def sampled(file):
    exact = result("toronto/2_exact.pt")["test"]["log_marginal"][:1000]
    short = [(exact - values[0]).mean().item() for values in result(file).values()]
    pattern = r"short by ([\d.]+) ± \S+ ([\d.]+) ± \S+ ([\d.]+) ± \S+ and ([\d.]+)"
    recorded = recorded_in_the_page(file, pattern)
    return [(fall, said, 5.1e-3) for fall, said in zip(short, recorded, strict=True)]


@reproduces("toronto/2_fitted.pt")
def fitted(file):
    model, x = model_of("toronto/2_vae.pt"), load_mnist("second", "thresholded").images[:20]
    stored = result(file)["test"]["best"][:20]  # mu, sigma, KL
    q = DiagonalGaussian(stored[:, :2], stored[:, 2:4])
    return [same_values(quadrature(model.f.loglik, x, q).kl, stored[:, 4], 1e-3)]


@reproduces("toronto/4_five.pt")
def five_halves(file):
    model = model_of("toronto/2_vae.pt")
    x = load_mnist("first", "thresholded").images[[1, 27, 93, 84, 43]]
    top, q = partial(half_loglik, model.f, TOP), DiagonalGaussian(**result(file))
    recorded = recorded_in_the_page(file, r"([\d.]+), ([\d.]+), ([\d.]+), ([\d.]+) and ([\d.]+)")
    kl = quadrature(top, x, q).kl
    again = quadrature(top, x, fit_posterior(top, x, starts=8)).kl
    return [same_values(kl, torch.tensor(recorded), 6e-4), same_values(again, kl, 0.02)]


@reproduces("toronto/4_starts.pt")
def halves_from_several_starts(file):
    model, x = model_of("toronto/2_vae.pt"), load_mnist("second", "thresholded").images[:100]
    top, stored = partial(half_loglik, model.f, TOP), result(file)
    peaks = torch.stack([stored[f"exact peak {n}"]["kl"] for n in (1, 2, 3)]).amin(0)
    kls = (stored["one start"]["kl"], stored["eight starts"]["kl"], peaks)
    mean_error = r"([\d.]+) ± ([\d.]+)"
    pattern = f"posterior {mean_error} from one start, {mean_error} from eight, {mean_error}"
    numbers = [number for kl in kls for number in mean_and_se(kl)]
    recorded = recorded_in_the_page(file, pattern)
    checks = [(a, b, 6e-4) for a, b in zip(numbers, recorded, strict=True)]
    missed = (kls[0] - kls[1]).topk(3).indices  # by one start, and not by eight
    for q in stored.values():
        few = DiagonalGaussian(q["mu"][missed], q["sigma"][missed])
        checks.append(same_values(quadrature(top, x[missed], few).kl, q["kl"][missed], 1e-3))
    return checks


def reconstruction_error(file, noise=0.0):
    plain = "2d" in file
    model = Autoencoder(2, (256, 128), nn.ReLU, nn.Identity) if plain else Autoencoder()
    trained(model, file)

    def error(x):
        return (model(x + noise * torch.randn_like(x))[1] - x).square().mean((1, 2, 3))

    torch.manual_seed(0)
    return over_batches(error, load_mnist("test").images).mean().item()


@reproduces("oslo/1_1_compression.pt", "oslo/1_2_denoising.pt", "autoencoder-2d/plain.pt")
def reconstructions(file):
    (recorded,) = recorded_in_the_page(file, r"test MSE ([\d.]+)")
    return [(reconstruction_error(file, noise=0.2 * ("denoising" in file)), recorded, 2e-5)]


@reproduces("oslo/1_1_starts.pt")
def oslo_starts(file):
    recorded = recorded_in_the_page(file, r"test MSE ([\d.]+), ([\d.]+), ([\d.]+) and ([\d.]+)")
    pairs = zip(result(file).values(), recorded, strict=True)
    return [(value["test"], mse, 6e-6) for value, mse in pairs]


@reproduces(*(f"oslo/1_3_sparse_{weight}.pt" for weight in WEIGHTS))
def sparse(file):
    recorded = recorded_in_the_page(file, r"test MSE ([\d.]+), ([\d.]+), ([\d.]+), ([\d.]+)")
    weight = file.removeprefix("oslo/1_3_sparse_").removesuffix(".pt")
    return [(reconstruction_error(file), recorded[WEIGHTS.index(weight)], 1e-5)]


@reproduces(*(f"oslo/2_vae_beta_{beta}.pt" for beta in BETAS))
@reproduces(*(f"oslo/2_scores_beta_{beta}.pt" for beta in BETAS))
def oslo_vae(file):
    model, x = model_of(file.replace("scores", "vae")), load_mnist("test").images[:500]
    scores = result(file.replace("vae", "scores"))
    return [
        same_values(over_batches(model, x).kl_from_prior(), scores["kl"][:500], 1e-2),
        same_mean(over_batches(model.loglik_lb, x), scores["elbo"][:500]),
    ]


@reproduces("oslo/2_judged.pt")
def judged(file):
    (x, y), test = load_mnist("train"), load_mnist("test")
    learner = LogisticRegression(max_iter=200).fit(x[:10_000].flatten(1), y[:10_000])
    right = learner.score(test.images.flatten(1), test.labels)
    recorded = result(file)["right"]["test images"].mean().item()
    return [(right, recorded, 2e-3)]


@reproduces("autoencoder-2d/vae.pt")
def latent_plane(file):
    model = trained(fully_connected(2, (128, 256)), file)
    (recorded,) = recorded_in_the_page(file, r"test ELBO (-[\d.]+)")
    torch.manual_seed(0)
    values = over_batches(model.loglik_lb, load_mnist("test").images)
    return [(values.mean().item(), recorded, 0.4)]


@reproduces("autoencoder-2d/classifier.pt")
def classifier(file):
    layers = nn.Flatten(1), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)
    model, (x, y) = trained(nn.Sequential(*layers), file), load_mnist("test")
    (percent,) = recorded_in_the_page(file, r"right on ([\d.]+) %")
    return [((model(x).argmax(1) == y).float().mean().item(), percent / 100, 6e-4)]


@reproduces(*(f"oslo/3_1_tsne_{what}.pt" for what in ("sigma10", "sigma210", "perplexity30")))
@reproduces("oslo/3_2_adam_sigma10.pt", "oslo/3_2_gradient_descent.pt", "oslo/3_2_adam.pt")
@reproduces("oslo/3_2_momentum_and_gains.pt")
def maps(file):
    content, x = load(SHIPPED / file), load_mnist("train").images[:1000].flatten(1)
    sigma = 10.0 if "sigma10" in file else 10.0**0.5 if "sigma210" in file else None
    P = symmetric_gauss_neighbour_probability(x, sigma=sigma, wanted=None if sigma else 30.0)
    return [(TsneObjective(P).kl(content["points"]["0"]), content["history"][-1], 1e-4)]


@reproduces("oslo/3_1_starts.pt", "oslo/3_2_starts.pt")
def maps_of_eight_starts(file):
    x = load_mnist("train").images[:1000].flatten(1)
    objective = TsneObjective(symmetric_gauss_neighbour_probability(x, wanted=30.0))
    ends = result(file)["perplexity 30" if "3_1" in file else "Adam"]
    mean, se = mean_and_se(torch.tensor([objective.kl(y) for y in ends]))
    recorded = recorded_in_the_page(file, r"KL ([\d.]+) ± ([\d.]+) nats")
    return [(mean, recorded[0], 6e-4), (se, recorded[1], 6e-4)]


@reproduces("oslo/3_2_scikit_learn.pt", "oslo/3_2_eight_more.pt")
def compared_maps(file):
    x = load_mnist("train").images[:1000].flatten(1)
    objective = TsneObjective(symmetric_gauss_neighbour_probability(x, wanted=30.0))
    kls = torch.tensor([[objective.kl(y) for y in pair] for pair in result(file)["maps"]])
    (recorded,) = recorded_in_the_page(file, r"KL ([\d.]+) ± \S+ times")
    return [(mean_and_se(kls[:, 0] / kls[:, 1])[0], recorded, 6e-5)]


def test_the_page_says_with_which_torch_each_was_made():
    for path in SHIPPED.glob("*/*.pt"):
        version = torch.load(path, weights_only=True)["torch"].split("+")[0]
        row = next(line for line in PAGE.splitlines() if f"`{path.relative_to(SHIPPED)}`" in line)
        assert f"| {version} |" in row


FILES = sorted(str(path.relative_to(SHIPPED)) for path in SHIPPED.glob("*/*.pt"))


@pytest.mark.parametrize("file", FILES)
def test_it_gives_the_recorded_number(file):
    with torch.no_grad():
        checks = CHECKS[file](file)
    assert checks
    for recomputed, recorded, tolerance in checks:
        assert abs(recomputed - recorded) <= tolerance, (recomputed, recorded, tolerance)
