"""Makes the map of all 70,000 MNIST images that question Oslo 3.2 shows, with openTSNE (pip install openTSNE).

    python notebooks/embed_all.py        writes notebooks/oslo/all_70000.npy

Perplexity 30, PCA start, 250 steps of exaggeration and 500 more, seed 0; half precision. five minutes on two cores.
"""

from pathlib import Path

import numpy as np
import torch
from openTSNE import TSNE

from probnn import load_mnist

if __name__ == "__main__":
    images = torch.cat([load_mnist("train").images, load_mnist("test").images]).flatten(1).numpy()  # training images, then test images
    embedding = TSNE(perplexity=30, initialization="pca", n_jobs=-1, random_state=0, verbose=True).fit(images)
    np.save(Path(__file__).parent / "oslo/all_70000.npy", np.asarray(embedding, dtype=np.float16))
