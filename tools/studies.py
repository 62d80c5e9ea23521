"""Trains models from many random starts, for the pages that say how much the start matters.

    python -m tools.studies                 every study; an interrupted one goes on where it stopped
    python -m tools.studies starts          question (e)'s random starts (an hour on two cores)
    python -m tools.studies bounds          bounds on log p(x) from both sides (an hour)
    python -m tools.studies many_samples    question (h)'s trainings with many samples (an hour)
    python -m tools.studies many_samples 1  of that study, one seed (ten minutes)
    python -m tools.studies starts --ship   and replaces the shipped files of that study
    python -m tools.studies 20:3 4:1        only these: d=20 from start 3, d=4 from start 1
    python -m tools.studies scores 5000     5,000-sample log p(x) of all 54,000 images, model of (c)

The models are trained side by side on all cores, or on the Dask cluster that PROBNN_CLUSTER names
(its workers need this repository at the same path, for data and checkpoints). Each is trained on
one thread, so that the result depends neither on the number of cores nor on who computes it.

Weights and results go to runs/studies (or PROBNN_CHECKPOINTS). At the end is printed how long each
study took and how its results compare with the shipped ones.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from joblib.externals.loky import get_reusable_executor
from torch import Tensor

from probnn.data import load_mnist
from probnn.densities import kl_normal
from probnn.inference import MonteCarlo, log_marginal, mean_and_se, over_batches
from probnn.models import BernoulliImageGenerator, GaussianEncoder
from probnn.runtime import checkpoint_folder, run_all, tune_process
from probnn.training import load, save
from tools.bounds import SHIPPED, study_bounds, train
from tools.many_samples import study_many_samples
from tools.pages import ROOT

STARTS = {4: range(7), 20: range(5)}  # latent dimension: random starts


def checkpoint_of(d: int, start: int, folder: Path) -> Path:
    """Where a start is kept; start 0 of d=4 is the model of question (c), which is shipped."""
    if (d, start) == (4, 0):
        return ROOT / "checkpoints/cambridge/c_autoencoder.pt"
    return folder / f"cambridge/e_d{d}_start{start}.pt"


def train_image_model(d: int, start: int, folder: Path) -> GaussianEncoder:
    """The model of Cambridge (c) and (e), trained for 5 epochs from this start, as pages do it."""
    tune_process()
    torch.manual_seed(start)
    model = GaussianEncoder(BernoulliImageGenerator(d=d))
    train(model, checkpoint_of(d, start, folder))
    return model


@torch.no_grad()
def measure(model: GaussianEncoder) -> dict[str, Tensor]:
    """Bounds per image (grey, one sample), KL of each latent dimension, and of what use maps are.

    The last is how often each feature map of the generator is on.
    """
    torch.manual_seed(0)
    held_out, test = load_mnist("held_out").images, load_mnist("test").images
    q = over_batches(model, held_out)
    layers = {"maps_36": model.f.f[:6], "maps_4": model.f.f[:10]}
    on = {
        name: (over_batches(f, q.sample()[:1000]) > 0).float().mean((0, 2, 3))
        for name, f in layers.items()
    }
    return {
        "held_out": over_batches(model.loglik_lb, held_out),
        "test": over_batches(model.loglik_lb, test),
        "kl": kl_normal(*q).mean(0),
        **on,
    }


def study_starts(folder: Path) -> None:
    """Question (e): several starts for each d; stores all scores, and the weights of the best."""
    scores, wanted = {}, [(d, start, folder) for d in STARTS for start in STARTS[d]]
    trained = dict(zip(wanted, run_all(train_image_model, wanted), strict=True))
    for d in STARTS:
        models = [trained[d, start, folder] for start in STARTS[d]]
        for start, model in enumerate(models):
            scores[f"d{d}_start{start}"] = measure(model)
        best = max(STARTS[d], key=lambda start: scores[f"d{d}_start{start}"]["held_out"].mean())
        parts = load(checkpoint_of(d, best, folder))
        position = {
            name: parts["batches"][name]
            for name in ("epoch", "batch_num", "batches_per_epoch", "data", "finished")
        }
        save(
            folder / f"cambridge/e_d{d}.pt",
            model=models[best].state_dict(),
            history=parts["history"],
            batches=position,
        )
        print(
            f"d={d}: start {best} is the best, "
            f"{scores[f'd{d}_start{best}']['held_out'].mean():.2f} nats per "
            "held-out image",
            file=sys.stderr,
        )
    save(folder / "cambridge/e_starts.pt", **scores)


def score_part(first: int, samples: int) -> MonteCarlo:
    """Log likelihoods of a thousand of the 54,000 images, with random numbers of their own."""
    torch.manual_seed(first)
    model = GaussianEncoder(BernoulliImageGenerator(d=4))
    model.load_state_dict(load(ROOT / "checkpoints/cambridge/c_autoencoder.pt")["model"])
    return over_batches(
        lambda x: log_marginal(model.f.loglik, x, model(x), samples),
        load_mnist("fit").images[first : first + 1000],
    )


def study_scores(samples: int) -> None:
    """Question (d) with more samples than a notebook waits for; kept in runs/studies."""
    images = len(load_mnist("fit").images)
    parts = run_all(score_part, [(first, samples) for first in range(0, images, 1000)])
    scores = {
        name: torch.cat([getattr(part, name) for part in parts]) for name in MonteCarlo._fields
    }
    save(ROOT / f"runs/studies/d_scores_{samples}.pt", result=scores)
    print(
        "{} images, {} samples: log p(x) {:.3f} ± {:.3f}".format(
            images, samples, *mean_and_se(scores["estimate"])
        ),
        file=sys.stderr,
    )


# of each study: what it makes, the last file being that of its results, and what is compared
STUDIES = {
    "starts": (study_starts, ("e_d4.pt", "e_d20.pt", "e_starts.pt"), "held_out"),
    "bounds": (study_bounds, ("e_bounds.pt",), "lower"),
    "many_samples": (study_many_samples, ("h_runs.pt",), "lower"),
}


def compare(name: str, folder: Path) -> str:
    """A line for each result of a study: as it is now, as shipped, and by how much they differ."""
    _, files, part = STUDIES[name]
    now, shipped = (load(place / "cambridge" / files[-1]) for place in (folder, SHIPPED))
    lines = [f"{name}: {part}, nats per image", f"  {'':<28} {'now':>17} {'shipped':>17}"]
    for result in sorted(now.keys() & shipped.keys()):
        values = [of[result][part] for of in (now, shipped)]
        values = [v[: min(map(len, values))] for v in values]  # one seed has half the images
        told = ["{:8.2f} ± {:.2f}".format(*mean_and_se(v)).rjust(17) for v in values]
        difference = "{:+.3f} ± {:.3f}".format(*mean_and_se(values[0] - values[1]))
        lines.append(f"  {result:<28} {' '.join(told)}  {difference}")
    return "\n".join(lines)


def make(name: str, study: Callable[[Path], None], folder: Path) -> str:
    """Makes a study; returns how its results compare, and what it took."""
    begin = time.perf_counter()
    study(folder)
    minutes = (time.perf_counter() - begin) / 60
    return f"{compare(name, folder)}\n  {minutes:.1f} minutes{peak_of_workers()}"


def peak_of_workers() -> str:
    """The most memory that one of this machine's processes held, in words; "" if not known."""
    get_reusable_executor().shutdown(wait=True)  # of processes that are gone it is known
    try:
        import resource
    except ImportError:  # Windows
        return ""
    unit = 1 if sys.platform == "darwin" else 1024
    return (
        f", {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit / 1e9:.1f} GB a process"
    )


def main() -> None:
    """What the command does."""
    os.environ.setdefault("PROBNN_CHECKPOINTS", str(ROOT / "runs/studies"))  # for workers, too
    os.environ["PROBNN_HEADLESS"] = "1"
    folder = checkpoint_folder().resolve()
    print(tune_process(), file=sys.stderr)
    torch.set_num_threads(1)
    wanted = [name for name in sys.argv[1:] if name != "--ship"]
    if wanted[:1] == ["scores"]:
        study_scores(int(wanted[1]))
    elif sys.argv[1:] == ["many_samples", "1"]:
        print(make("many_samples", partial(study_many_samples, seeds=1), folder))
    elif not set(wanted) <= set(STUDIES):
        chosen = [tuple(map(int, name.split(":"))) for name in wanted]
        run_all(train_image_model, [(d, start, folder) for d, start in chosen])
    else:
        told = []
        for name in wanted or STUDIES:
            study, files, _ = STUDIES[name]
            told.append(make(name, study, folder))
            for file in files if "--ship" in sys.argv else ():
                shutil.copy(folder / "cambridge" / file, SHIPPED / "cambridge" / file)
        print(*told, sep="\n\n")


if __name__ == "__main__":
    main()
