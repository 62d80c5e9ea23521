"""The 2-D autoencoder: what its text asks for. The points are ours."""

from __future__ import annotations

from tools.course.tables import Course, Question, Task, Training

PAGE = "autoencoder-2d/autoencoder_2d"

COURSE = Course(
    name="autoencoder-2d",
    title="A plain autoencoder with a two-dimensional code",
    own_points=True,
    tasks=(
        Task("probnn.models.networks.mlp", PAGE, "the module", 1),
        Task("probnn.models.autoencoders.Autoencoder.__init__", PAGE, "the module", 2),
        Task("probnn.models.autoencoders.Autoencoder.forward", PAGE, "the module", 1),
        Task("probnn.data.mnist.sample_train", PAGE, "the data", 2),
        Task("probnn.display.reconstructions.plot", PAGE, "the plot", 2),
    ),
    trainings=(
        Training(
            PAGE,
            "the loop",
            2,
            "Each of 50,000 steps draws 200 images and lowers their mean squared error by Adam.",
        ),
    ),
    questions=(
        Question(
            PAGE,
            "the codes",
            5,
            "Which code gives a 4? Why do random codes fail, and what does a variational "
            "autoencoder change?",
            "the code and how it was chosen; where codes lie and how far random ones fall from "
            "them; what the variational loss does to where they lie",
        ),
    ),
)
