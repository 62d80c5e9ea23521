"""Toronto: what assignment 3 of STA414 and CSC412 asks for, with its 48 points."""

from __future__ import annotations

from tools.course.tables import Course, Question, Task, Training

ONE, TWO, THREE, FOUR = (
    f"toronto/{name}" for name in ("1_model", "2_training", "3_exploring", "4_inpainting")
)

TASKS = (
    Task("probnn.densities.log_normal", ONE, "1 (a)", 0.5),
    Task("log_prior", ONE, "1 (a)", 0.5),
    Task("probnn.models.networks.mlp", ONE, "1 (b)", 1),
    Task("probnn.models.images.mlp_generator", ONE, "1 (b)", 1),
    Task("probnn.densities.log_bernoulli", ONE, "1 (c)", 0.25),
    Task("probnn.models.pixels.log_bernoulli_images", ONE, "1 (c)", 0.25),
    Task("probnn.models.images.BernoulliImageGenerator.loglik", ONE, "1 (c)", 0.5),
    Task("probnn.inference.likelihood.log_joint", ONE, "1 (d)", 1),
    Task("probnn.models.images.mlp_encoder", TWO, "2 (a)", 1),
    Task("probnn.models.images.GaussianEncoder.forward", TWO, "2 (a)", 1),
    Task("probnn.densities.DiagonalGaussian.log_density", TWO, "2 (b)", 1),
    Task("probnn.densities.sample_normal", TWO, "2 (c)", 1),
    Task("probnn.inference.likelihood.elbo", TWO, "2 (c)", 3),
    Task("probnn.densities.DiagonalGaussian.kl_from_prior", TWO, "2 (c)", 0.5),
    Task("probnn.densities.kl_normal", TWO, "2 (c)", 0.5),
    Task("loss", TWO, "2 (d)", 2),
    Task("probnn.densities.sample_bernoulli", THREE, "3 (a)", 2),
    Task("interpolate", THREE, "3 (c)", 2),
    Task("probnn.models.halves.top_half", FOUR, "4 (a)", 2),
    Task("probnn.models.halves.half_loglik", FOUR, "4 (a)", 3),
    Task("probnn.inference.svi.fit_posterior", FOUR, "4 (b)", 3, step=True),
)

TRAININGS = (
    Training(
        TWO,
        "2 (e)",
        3,
        "The step lowers the loss of one batch by its gradient for both networks; the training "
        "runs for 100 epochs; the final ELBO on the test set is reported, in nats per image.",
    ),
)

QUESTIONS = (
    Question(
        THREE,
        "3 (a)",
        3,
        "How do samples differ from the means above them, and why?",
        "where a sample differs from its means; what the likelihood assumes of the pixels given z; "
        "what two numbers leave open",
    ),
    Question(
        THREE,
        "3 (b)",
        5,
        "What does the latent plane show of the training set?",
        "which digits form groups of their own and which lie on each other; that no label was "
        "seen; how wide a single code is beside the groups; how the codes lie beside the prior",
    ),
    Question(
        THREE,
        "3 (c)",
        3,
        "What lies on the lines between the three pairs?",
        "which digits are passed; how it differs from mixing the pixels of the two images; what "
        "the ends look like beside the images themselves",
    ),
    Question(
        FOUR,
        "4 (b)",
        2,
        "How well does q fit p(z | top half), and what does it make of the bottom half?",
        "contours of both in one plot; a case that a Gaussian cannot fit and why; a completion "
        "beside its original",
    ),
    Question(
        FOUR,
        "4 (c)",
        5,
        "True or false? (a) Given z, p(bottom half | z) factorises over the pixels. (b) Given the "
        "top half, p(bottom half | top half) does. (c) If the ELBO increases in joint training, "
        "KL(q(z|x) || p(z|x)) has necessarily become smaller. (d) A normal density can be below "
        "0. (e) It can be above 1.",
        "five words; no work need be shown. One point each",
    ),
)

COURSE = Course(
    name="toronto",
    title="Toronto, STA414 and CSC412, assignment 3: variational autoencoders",
    own_points=False,
    tasks=TASKS,
    trainings=TRAININGS,
    questions=QUESTIONS,
    # the mean of the log weights is the ELBO
    withheld=(
        "probnn.inference.likelihood.log_weights",
        "probnn.inference.likelihood.log_marginal",
    ),
    rewritten={"probnn.models.halves.bottom_half": "return top_half(images.flip(-2)).flip(-2)"},
    reworded={
        "Now all 10,000 images of each kind: other numbers than the figure's. For": "For",
        "pixel means over the 10,000 training images": "pixel means over the training images",
        '\nassert largest["at one z"] < 0.1 and narrow.min() >= 0 and narrow.max() > 1': "",
    },
    without={
        ONE: ("t1-38",),  # a check that writes the densities out
        # what is true and what false
        FOUR: ("2e831c94", "be064032", "22d83561", "f198c770", "26bc3a8b", "1f1e72fb"),
    },
)
