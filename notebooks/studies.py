"""Trains models from many random starts, for the notebooks that say how much the start matters.

    python notebooks/studies.py                 every study; an interrupted one goes on where it stopped
    python notebooks/studies.py 20:3 4:1        only these: d=20 from start 3, d=4 from start 1

Each model is trained on one thread, so that the result does not depend on the number of cores.

Weights go to runs/studies (or PROBNN_CHECKPOINTS); the scores that notebooks quote are then stored in checkpoints/.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault("PROBNN_CHECKPOINTS", str(ROOT / "runs/studies"))
os.environ["PROBNN_HEADLESS"] = "1"

import torch  # noqa: E402
from torch import Tensor, optim  # noqa: E402

from probnn import (  # noqa: E402
    BernoulliImageGenerator,
    GaussianEncoder,
    Interruptable,
    enumerate_cycle,
    kl_normal,
    load,
    load_mnist,
    over_batches,
    progress,
    resume,
    save,
)

STARTS = {4: range(7), 20: range(5)}  # latent dimension: random starts


def checkpoint_of(d: int, start: int) -> str | Path:
    """Where a start is kept; start 0 of d=4 is the model of question (c), which is shipped."""
    return ROOT / "checkpoints/cambridge/c_autoencoder.pt" if (d, start) == (4, 0) else f"cambridge/e_d{d}_start{start}.pt"


def train_image_model(d: int, start: int) -> GaussianEncoder:
    """The model of Cambridge (c) and (e), trained for 5 epochs from the given random start, as the notebooks do it."""
    torch.manual_seed(start)
    model = GaussianEncoder(BernoulliImageGenerator(d=d))
    optimizer = optim.Adam(model.parameters())
    batches = enumerate_cycle(load_mnist("fit"), batch_size=100, epochs=5)
    history = []
    path = checkpoint_of(d, start)
    print(path, resume(path, model=model, optimizer=optimizer, batches=batches, history=history), file=sys.stderr)
    with Interruptable() as check_interrupted:
        for _, (imgs, lbls) in progress(batches, history):
            check_interrupted()
            loglik_lb = model.loglik_lb(imgs).mean()
            optimizer.zero_grad()
            (-loglik_lb).backward()
            optimizer.step()
            history.append(loglik_lb.item())
    return model


@torch.no_grad()
def measure(model: GaussianEncoder) -> dict[str, Tensor]:
    """Bounds per image (grey, one sample), KL of each latent dimension, and how often each feature map of the generator is on."""
    torch.manual_seed(0)
    held_out, test = load_mnist("held_out").images, load_mnist("test").images
    q = over_batches(model, held_out)
    layers = {"maps_36": model.f.f[:6], "maps_4": model.f.f[:10]}
    on = {name: (over_batches(f, q.sample()[:1000]) > 0).float().mean((0, 2, 3)) for name, f in layers.items()}
    return {"held_out": over_batches(model.loglik_lb, held_out), "test": over_batches(model.loglik_lb, test), "kl": kl_normal(*q).mean(0), **on}


def study_starts() -> None:
    """Question (e): several starts for each latent dimension; the scores of all are stored, the weights of the best."""
    scores = {}
    for d in STARTS:
        models = [train_image_model(d, start) for start in STARTS[d]]
        for start, model in enumerate(models):
            scores[f"d{d}_start{start}"] = measure(model)
        best = max(STARTS[d], key=lambda start: scores[f"d{d}_start{start}"]["held_out"].mean())
        parts = load(checkpoint_of(d, best))
        position = {name: parts["batches"][name] for name in ("epoch", "batch_num", "batches_per_epoch", "data", "finished")}
        save(ROOT / f"checkpoints/cambridge/e_d{d}.pt", model=models[best].state_dict(), history=parts["history"], batches=position)
        print(f"d={d}: start {best} is the best, {scores[f'd{d}_start{best}']['held_out'].mean():.2f} nats per held-out image", file=sys.stderr)
    save(ROOT / "checkpoints/cambridge/e_starts.pt", **scores)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for d, start in (name.split(":") for name in sys.argv[1:]):
        train_image_model(int(d), int(start))
    if not sys.argv[1:]:
        study_starts()
