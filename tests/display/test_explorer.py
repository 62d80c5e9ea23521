"""The latent explorer: sliders that drive the generator, and the picture in their place."""

import io

import matplotlib.pyplot as plt
import numpy as np
import torch

from probnn.display import explore
from probnn.display.explorer import sliders, traversal
from probnn.models import ConditionalBernoulliImageGenerator, mlp_generator


def shown(box):
    return plt.imread(io.BytesIO(box.children[0].value), format="png")[..., 0]


def test_the_image_follows_the_sliders():
    generator = mlp_generator(3, (8,))
    box = sliders(generator, d=3)
    bars = box.children[1].children
    assert len(bars) == 3
    bars[1].value = 1.5
    expected = 1 - generator(torch.tensor([[0.0, 1.5, 0.0]]))[0, 0].detach().numpy()  # ink is black
    np.testing.assert_allclose(shown(box), expected, atol=0.01)


def test_a_conditional_model_has_a_slider_for_the_label():
    generator = ConditionalBernoulliImageGenerator(d=4)
    box = sliders(generator, d=4, labels=10)
    label = box.children[1].children[0]
    label.value = 7
    expected = 1 - generator(torch.zeros(1, 4), torch.tensor([7]))[0, 0].detach().numpy()
    np.testing.assert_allclose(shown(box), expected, atol=0.01)


def test_the_picture_has_a_row_for_each_dimension_or_label():
    one, two = (
        traversal(mlp_generator(2), 2),
        traversal(ConditionalBernoulliImageGenerator(4), 4, labels=10),
    )
    assert one.axes[0].get_images()[0].get_array().shape == (2 * 29 - 1, 15 * 29 - 1)
    assert two.axes[0].get_images()[0].get_array().shape == (10 * 29 - 1, 15 * 29 - 1)
    plt.close("all")


def test_without_a_kernel_the_picture_is_displayed(capsys):
    explore(mlp_generator(2), d=2)
    assert "Figure" in capsys.readouterr().out
