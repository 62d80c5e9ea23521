"""Bounds on log p(x) from both sides, for the image models of the pages: what `stored` they are.

For each model, of 500 images that were simulated from it: both bounds; of 500 test images: the
lower one. Beside them the K-sample estimates up to 5,000 samples, and how many samples carry them.
Batches are kept as they are done, so an interrupted study goes on where it was.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, optim

from probnn.data import load_mnist
from probnn.densities import DiagonalGaussian
from probnn.display import progress
from probnn.inference import (
    fit_posterior,
    log_marginal_ais,
    log_weights,
    mean_and_se,
    sandwich,
)
from probnn.models import BernoulliImageGenerator, GaussianEncoder, mlp_encoder, mlp_generator
from probnn.runtime import run_all, tune_process
from probnn.training import Interruptable, enumerate_cycle, load, resume, save
from tools.pages import ROOT

__all__ = [
    "COUNTS",
    "SHIPPED",
    "Settings",
    "bound_images",
    "k_sample_bounds",
    "least_likely",
    "study_bounds",
    "train",
]

SHIPPED = ROOT / "checkpoints"
# other random starts than the shipped ones, 4 of d=20 and 0 of the PyTorch example
STARTS = {"d20": (0, 1), "pytorch": (1, 2, 3, 4)}
COUNTS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2500, 5000]


class Settings(NamedTuple):
    """How closely to bound: what `log_marginal_ais` calls so."""

    chains: int = 8
    temperatures: int = 300
    leapfrogs: int = 3


def k_sample_bounds(model: GaussianEncoder, x: Tensor) -> tuple[Tensor, Tensor]:
    """K-sample estimates of log p(x) and their effective sample sizes, for every K of COUNTS.

    Each is a mean over disjoint groups of 5,000 samples, so that of K=1 is the ELBO.

    Args:
        model: encoder and generator.
        x: (B, 1, 28, 28).

    Returns:
        Two tensors (B, 12), nats and samples.
    """
    q = model(x)
    log_w = torch.cat([log_weights(model.f.loglik, x, q, 20) for _ in range(250)])  # -> (5000, B)
    bounds, sizes = [], []
    for k in COUNTS:
        log_sum = log_w.reshape(-1, k, len(x)).logsumexp(1)
        log_sum_of_squares = (2 * log_w).reshape(-1, k, len(x)).logsumexp(1)
        bounds.append((log_sum - torch.tensor(float(k)).log()).mean(0))
        sizes.append((2 * log_sum - log_sum_of_squares).exp().mean(0))
    return torch.stack(bounds, 1), torch.stack(sizes, 1)


def bound_images(
    model: GaussianEncoder, x: Tensor, z: Tensor | None, how: Settings, path: Path
) -> dict[str, Tensor]:
    """The bounds of some images, and their K-sample estimates. Goes on from its file, if any.

    Args:
        model: encoder and generator.
        x: (N, 1, 28, 28).
        z: (N, d) that x was simulated from, for both bounds; None for given images.
        how: to anneal.
        path: of the file that is kept up to date.

    Returns:
        "lower", and if there is z "upper": the bounds; "lower_error", "lower_chains" and
        "lower_accepted": their standard errors, effective chains and acceptance; "fitted": the ELBO
        of a q fitted to each image, from which the chains start; all (N,). "curve" and "effective"
        (N, 12), see `k_sample_bounds`.
    """
    tune_process()
    model.requires_grad_(False)
    torch.manual_seed(0)
    data = [part for part in (x, z) if part is not None]
    batches = enumerate_cycle(tuple(data), shuffle=False, epochs=1, batch_size=20)
    rows: list[dict[str, Tensor]] = []
    print(path, resume(path, batches=batches, rows=rows), file=sys.stderr)
    loglik, counts = model.f.loglik, how._asdict()
    with Interruptable() as check_interrupted, torch.no_grad():
        for _, (images, *known) in progress(batches):
            check_interrupted()
            fitted = fit_posterior(loglik, images, model.d, 150, 4, start=model(images))
            start = DiagonalGaussian(fitted.mu, 1.1 * fitted.sigma)
            row = {"fitted": log_weights(loglik, images, fitted, 100).mean(0)}
            if known:
                both = sandwich(loglik, images, known[0], start, **counts)
                row |= {"lower": torch.stack(both.lower, 1), "upper": torch.stack(both.upper, 1)}
            else:
                row["lower"] = torch.stack(log_marginal_ais(loglik, images, start, **counts), 1)
            row["curve"], row["effective"] = k_sample_bounds(model, images)
            rows.append(row)
    found = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
    for side in {"lower", "upper"} & set(found):
        columns = found.pop(side).T
        found |= {side: columns[0], f"{side}_error": columns[1]}
        found |= {f"{side}_chains": columns[2], f"{side}_accepted": columns[-1]}
    return found


def untrained(name: str) -> GaussianEncoder:
    """The network of a name: "c", "d4", "d20", "pytorch", "beta_1"; a start may follow."""
    if name.startswith("pytorch"):
        return mlp_encoder(mlp_generator(20))
    if name.startswith("beta"):
        return mlp_encoder(mlp_generator(10, (64, 128)), (128, 64))
    return GaussianEncoder(BernoulliImageGenerator(20 if name.startswith("d20") else 4))


def trained(name: str, folder: Path) -> GaussianEncoder:
    """The model of a name with its shipped weights, or as it was trained from another start."""
    places = {
        "c": SHIPPED / "cambridge/c_autoencoder.pt",
        "beta_0.784": SHIPPED / "oslo/2_vae_beta_0.784.pt",
        "beta_1": SHIPPED / "oslo/2_vae_beta_1.pt",
    }
    shipped = SHIPPED / f"cambridge/e_{name}.pt"
    other = shipped if shipped.exists() else folder / f"cambridge/e_{name}.pt"
    model = untrained(name)
    model.load_state_dict(load(places.get(name, other))["model"])
    return model


def train(model: GaussianEncoder, path: Path, batch_size: int = 100, epochs: int = 5) -> None:
    """Trains on the 54,000 images by Adam, as the pages do it, and goes on from its file."""
    optimizer = optim.Adam(model.parameters(), fused=True)
    batches = enumerate_cycle(load_mnist("fit"), batch_size=batch_size, epochs=epochs)
    history: list[float] = []
    said = resume(path, model=model, optimizer=optimizer, batches=batches, history=history)
    print(path, said, file=sys.stderr)
    with Interruptable() as check_interrupted:
        for _, (imgs, _) in progress(batches, history):
            check_interrupted()
            loglik_lb = model.loglik_lb(imgs).mean()
            optimizer.zero_grad()
            (-loglik_lb).backward()
            optimizer.step()
            history.append(loglik_lb.item())


def train_start(name: str, folder: Path) -> None:
    """A model of Cambridge (e) from another start, trained as that page does it."""
    tune_process()
    torch.manual_seed(int(name.split("start")[1]))
    how = (128, 10) if name.startswith("pytorch") else (100, 5)
    train(untrained(name), folder / f"cambridge/e_{name}.pt", *how)


def least_likely(number: int = 300) -> tuple[Tensor, Tensor]:
    """The images that are least likely by Cambridge (d)'s 100 samples, and which they are."""
    scores = load(SHIPPED / "cambridge/d_scores.pt")["result"]["estimate"]
    which = (-scores).topk(number).indices
    images = torch.cat([load_mnist(part).images for part in ("fit", "held_out")])
    return images[which], which


def bound_part(name: str, part: str, folder: Path) -> dict[str, Tensor]:
    """The bounds of one part of the images by the model of this name.

    Args:
        name: as `trained` knows it.
        part: "simulated", 500 images; "test", the first 500, of models from other starts 200; or
            "least", those of `least_likely`.
        folder: of the weights and of what was done so far.
    """
    model, z = trained(name, folder), None
    how = Settings(temperatures=300 if model.d > 4 else 200)
    if part == "least":
        x = least_likely()[0]
    elif part == "simulated":
        torch.manual_seed(1)
        z = torch.randn(500, model.d)
        with torch.no_grad():
            x = torch.bernoulli(model.f(z))
    else:
        x = load_mnist("test").images[: 200 if "start" in name else 500]
    return bound_images(model, x, z, how, folder / f"bounds/{name}_{part}.pt")


def study_bounds(folder: Path) -> None:
    """Trains what is bounded, bounds it, and stores it for Cambridge (d), (e) and Oslo 2."""
    starts = [f"{name}_start{n}" for name, all_n in STARTS.items() for n in all_n]
    run_all(train_start, [(name, folder) for name in starts])
    models = ["c", "d4", "d20", "pytorch", "beta_0.784", "beta_1"]
    parts = [(name, part) for name in models for part in ("simulated", "test")]
    parts += [(name, "test") for name in starts] + [("c", "least")]
    found = run_all(bound_part, [(*part, folder) for part in parts])
    for (name, part), result in zip(parts, found, strict=True):
        lower = mean_and_se(result["lower"])
        print(f"{name}, {part}: at least {lower[0]:.2f} ± {lower[1]:.2f}", file=sys.stderr)
    sides = {"_".join(part): result for part, result in zip(parts, found, strict=True)}
    which = least_likely()[1]
    sampled = load(SHIPPED / "cambridge/d_scores.pt")["result"]["estimate"][which]
    sides["c_least"] |= {"which": which, "sampled": sampled}  # and (d)'s 100-sample estimates
    save(folder / "cambridge/e_bounds.pt", **sides)
