"""Moving pictures."""

import numpy as np
import torch
from matplotlib.colors import to_rgb
from PIL import Image

from probnn.display import animate
from probnn.display.plots import DIGIT_COLOURS


def test_an_animation_has_a_frame_for_every_snapshot(tmp_path):
    snapshots = [torch.randn(20, 2) * k for k in (1, 2, 5)]
    path = animate(snapshots, torch.arange(20) % 10, tmp_path / "map.gif", every=10)
    with Image.open(path) as animation:
        assert animation.n_frames == 3 and animation.size == (400, 360)
    assert [p.name for p in tmp_path.iterdir()] == ["map.gif"]  # nothing half-written is left


def test_every_frame_has_a_key_with_the_colour_of_each_digit(tmp_path):
    path = animate([torch.randn(1, 2), torch.randn(1, 2)], torch.tensor([3]), tmp_path / "map.gif")
    with Image.open(path) as animation:
        for k in range(animation.n_frames):
            animation.seek(k)
            key = np.asarray(animation.convert("RGB"))[:, -45:].reshape(-1, 3)
            for colour in DIGIT_COLOURS:
                distance = np.abs(key - 255 * np.array(to_rgb(colour))).max(1)
                assert (distance < 8).sum() > 10, colour
