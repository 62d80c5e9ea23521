"""Images beside their reconstructions."""

import matplotlib.pyplot as plt
import numpy as np
import torch

from probnn.display import plot
from probnn.models import Autoencoder


def test_the_plot_shows_the_image_beside_its_reconstruction():
    model, image = Autoencoder(), torch.rand(1, 28, 28)
    canvas = plot(model, image).axes[0].get_images()[0].get_array()
    np.testing.assert_allclose(canvas[:, :28], image[0])
    np.testing.assert_allclose(canvas[:, 29:], model(image)[1][0].detach())
    plt.close("all")
