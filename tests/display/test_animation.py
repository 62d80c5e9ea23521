"""Moving pictures."""

import torch

from probnn.display import animate


def test_an_animation_has_a_frame_for_every_snapshot(tmp_path):
    from PIL import Image

    snapshots = [torch.randn(20, 2) * k for k in (1, 2, 5)]
    path = animate(snapshots, torch.arange(20) % 10, tmp_path / "map.gif", every=10)
    with Image.open(path) as animation:
        assert animation.n_frames == 3 and animation.size == (320, 336)
    assert [p.name for p in tmp_path.iterdir()] == ["map.gif"]  # nothing half-written is left
