"""Makes the map of all 70,000 MNIST images that Oslo 3.2 shows, with openTSNE.

It needs `pip install openTSNE`.

    python -m tools.embed_all        writes notebooks/oslo/all_70000.npy

Perplexity 30, PCA start, 250 steps of exaggeration and 500 more, seed 0; half precision. Five
minutes on two cores.
"""

import numpy as np
import torch
from openTSNE import TSNE

from probnn.data import load_mnist
from tools.pages import NOTEBOOKS


def main() -> None:
    """What the command does."""
    parts = [load_mnist(part).images for part in ("train", "test")]
    images = torch.cat(parts).flatten(1).numpy()  # training images, then test images
    tsne = TSNE(perplexity=30, initialization="pca", n_jobs=-1, random_state=0, verbose=True)
    np.save(NOTEBOOKS / "oslo/all_70000.npy", np.asarray(tsne.fit(images), dtype=np.float16))


if __name__ == "__main__":
    main()
