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
from torch import optim  # noqa: E402

from probnn import BernoulliImageGenerator, GaussianEncoder, Interruptable, enumerate_cycle, load_mnist, progress, resume  # noqa: E402


def train_image_model(d: int, start: int) -> GaussianEncoder:
    """The model of Cambridge (c) and (e), trained for 5 epochs from the given random start, as the notebooks do it."""
    torch.manual_seed(start)
    model = GaussianEncoder(BernoulliImageGenerator(d=d))
    optimizer = optim.Adam(model.parameters())
    batches = enumerate_cycle(load_mnist("fit"), batch_size=100, epochs=5)
    history = []
    print(f"d={d}, start {start}:", resume(f"cambridge/e_d{d}_start{start}.pt", model=model, optimizer=optimizer, batches=batches, history=history))
    with Interruptable() as check_interrupted:
        for _, (imgs, lbls) in progress(batches, history):
            check_interrupted()
            loglik_lb = model.loglik_lb(imgs).mean()
            optimizer.zero_grad()
            (-loglik_lb).backward()
            optimizer.step()
            history.append(loglik_lb.item())
    return model


if __name__ == "__main__":
    torch.set_num_threads(1)
    every = [f"{d}:{start}" for start in range(5) for d in (20, 4) if (d, start) != (4, 0)]  # start 0 of d=4 is question (c)'s
    for d, start in (name.split(":") for name in sys.argv[1:] or every):
        train_image_model(int(d), int(start))
