"""Oslo: what the exercise of week 12 asks for. The points are ours."""

from __future__ import annotations

from tools.course.tables import Course, Question, Task, Training

ONE_1, ONE_2, ONE_3, TWO, THREE_1, THREE_2 = (
    f"oslo/{name}"
    for name in (
        "1_1_compression",
        "1_2_denoising",
        "1_3_sparse",
        "2_vae",
        "3_1_tsne",
        "3_2_optimisers",
    )
)

TASKS = (
    Task("probnn.models.networks.mlp", ONE_1, "1.1", 1),
    Task("probnn.models.autoencoders.Autoencoder.__init__", ONE_1, "1.1", 2),
    Task("probnn.models.autoencoders.Autoencoder.forward", ONE_1, "1.1", 1),
    Task("probnn.models.autoencoders.add_noise", ONE_2, "1.2", 1),
    Task("probnn.models.autoencoders.sparsity_penalty", ONE_3, "1.3", 3),
    Task("probnn.densities.kl_bernoulli", ONE_3, "1.3", 1),
    Task("probnn.models.images.mlp_encoder", TWO, "2", 1),
    Task("probnn.models.images.GaussianEncoder.forward", TWO, "2", 1),
    Task("probnn.densities.sample_normal", TWO, "2", 1),
    Task("probnn.models.images.mlp_generator", TWO, "2", 1),
    Task("probnn.densities.log_bernoulli", TWO, "2", 1),
    Task("probnn.densities.DiagonalGaussian.kl_from_prior", TWO, "2", 1),
    Task("probnn.densities.kl_normal", TWO, "2", 1),
    Task("probnn.tsne.neighbours.neighbour_probability", THREE_1, "3.1", 2),
    Task("probnn.tsne.neighbours.symmetric_gauss_neighbour_probability", THREE_1, "3.1", 2),
    Task("probnn.tsne.maps.symmetric_student_t_neighbour_probability", THREE_1, "3.1", 2),
    Task("probnn.tsne.neighbours.squared_distances", THREE_1, "3.1", 1),
    Task("probnn.tsne.maps.kl_divergence", THREE_1, "3.1", 1),
    Task("probnn.tsne.updates.gradient_descent_step", THREE_1, "3.1", 2),
    Task("probnn.tsne.updates.adam_step", THREE_2, "3.2", 2),
)

STEP = "Each step lowers the loss of one batch by its gradient, as the task has it."

TRAININGS = (
    Training(ONE_1, "1.1", 1, STEP),
    Training(ONE_2, "1.2", 1, STEP + " The target is the clean image."),
    Training(ONE_3, "1.3", 1, STEP),
    Training(TWO, "2", 1, STEP),
)

QUESTIONS = (
    Question(
        ONE_1,
        "1.1",
        3,
        "How good do the reconstructions become, and how quickly?",
        "an error on unseen images with its unit; a yardstick, as PCA with as many numbers; what "
        "is lost; when most of the progress is made",
    ),
    Question(
        ONE_2,
        "1.2",
        3,
        "How much of the noise is removed, and does training with noise help?",
        "errors against the clean image, before and after; several noise levels; the network that "
        "never saw noise, beside it",
    ),
    Question(
        ONE_3,
        "1.3",
        3,
        "What do the units respond to, and what does sparsity cost?",
        "mean activations with and without the penalty; what units are selective for; the price "
        "in reconstruction as the weight grows",
    ),
    Question(
        TWO,
        "2",
        3,
        "What do reconstructions, new examples and interpolations show?",
        "how the prescribed loss weighs its two parts; what that does to samples from the prior; "
        "what lies between two codes",
    ),
    Question(
        THREE_1,
        "3.1",
        3,
        "What does the map show, and what does σ = 10 do to it?",
        "how many neighbours each image effectively has; whether the map has converged; what a "
        "smaller σ changes",
    ),
    Question(
        THREE_2,
        "3.2",
        3,
        "What does Adam change?",
        "the divergence against the step for both; how the maps differ; by what they are compared",
    ),
)

# of three points, so that it takes no time: after it, the gradient in closed form
BY_YOURS = """from probnn.tsne.updates import gradient_descent_step

points = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]], requires_grad=True)
pairs = torch.tensor([[0.0, 0.1, 0.3], [0.1, 0.0, 0.1], [0.3, 0.1, 0.0]])
with torch.enable_grad():
    kl = float(gradient_descent_step(points, pairs, 2.0))
there = torch.tensor([[-0.754, 0.591], [1.749, 0.01], [0.005, 1.399]])
if not (abs(kl - 0.3693) < 1e-3 and torch.allclose(points.detach(), there, atol=1e-2)):
    raise NotImplementedError("gradient_descent_step, whose steps these are, is not right yet")
"""

COURSE = Course(
    name="oslo",
    title="Oslo, IN5400, week 12: unsupervised learning",
    own_points=True,
    tasks=TASKS,
    trainings=TRAININGS,
    questions=QUESTIONS,
    reworded={
        # what the task says of the training, without what we chose
        "50 epochs of the 60,000 training images, grey pixels": "50 epochs, grey pixels",
        "With $\\beta < 1$ the KL is cheaper, so more of it should be bought: a higher KL, a "
        "better reconstruction. By the ELBO, the network trained with $\\beta = 1$ should win.": (
            "The same network is trained with $\\beta = 1$, too."
        ),
    },
    without={TWO: ("c02",)},  # how the loss weighs its two parts
    guarded={"probnn.tsne.maps.TsneObjective._blocks": BY_YOURS},
)
