"""Time per stroke of the drawing pad, for each of its three views, with the shipped weights.

    python benchmarks/bench_pad.py

A stroke is what happens when the pen is lifted: the drawing becomes an image, the view makes a
picture of it, and that a PNG. Printed is the median of 20 strokes, with lowest and highest.
"""

from __future__ import annotations

import statistics
import time

from torch import nn

from probnn import load, load_mnist, models
from probnn.display.pad import Pad


def main() -> None:
    """What the command does."""
    c = models.GaussianEncoder(models.BernoulliImageGenerator(d=4))
    f = models.ConditionalGaussianEncoder(models.ConditionalBernoulliImageGenerator(d=4))
    generator = models.mlp_generator(2, (500,), nn.Tanh)
    toronto = models.mlp_encoder(generator, (500,), nn.Tanh)
    c.load_state_dict(load("cambridge/c_autoencoder.pt")["model"])
    f.load_state_dict(load("cambridge/f_conditional.pt")["model"])
    toronto.load_state_dict(load("toronto/2_vae.pt")["model"])
    views = {
        "Cambridge (c): reconstruction": models.reconstruction(c),
        "Cambridge (f): every_label": models.every_label(f),
        "Toronto 4: expected_bottom": models.expected_bottom(generator),
    }
    example = load_mnist("test").images[:1]
    for name, view in views.items():
        ms = strokes(Pad(view, example, top_only="bottom" in name))
        print(f"| {name} | {statistics.median(ms):.0f} ({min(ms):.0f} to {max(ms):.0f}) |")


def strokes(pad: Pad, count: int = 20) -> list[float]:
    """Milliseconds of each stroke, after three to warm up."""
    ms = []
    for i in range(count + 3):
        pad.clear()
        pad._down(60, 60)
        pad._move(210, 60 + i)
        pad._move(130, 230)
        before = time.perf_counter()
        pad._up()
        ms.append(1000 * (time.perf_counter() - before))
    return ms[3:]


if __name__ == "__main__":
    main()
