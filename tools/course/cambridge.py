"""Cambridge: what coursework 3 and the exercise before it ask for. The points are ours."""

from __future__ import annotations

from tools.course.tables import Course, Question, Task, Training

A, B, C, D, E, F, G = (
    f"cambridge/{name}"
    for name in (
        "a_regression",
        "b_dips",
        "c_autoencoder",
        "d_likely_images",
        "e_latent_dimension",
        "f_style",
        "g_names",
    )
)
CONDITIONAL = "probnn.models.conditional.Conditional"

TASKS = (
    Task("probnn.models.regression.GaussianRegression.forward", A, "(a)", 1),
    Task("probnn.models.regression.RWiggle.sigma", A, "(a)", 1),
    Task("probnn.models.regression.HWiggle.sigma", A, "(a)", 1),
    Task("probnn.models.networks.convolutional_generator", C, "(c)", 1),
    Task("probnn.densities.log_bernoulli", C, "(c)", 1),
    Task("probnn.models.pixels.log_bernoulli_images", C, "(c)", 1),
    Task("probnn.models.images.BernoulliImageGenerator.loglik", C, "(c)", 1),
    Task("probnn.models.networks.convolutional_encoder", C, "(c)", 1),
    Task("probnn.models.images.GaussianEncoder.forward", C, "(c)", 1),
    Task("probnn.models.encoder.Encoder.loglik_lb", C, "(c)", 1, shown="GaussianEncoder.loglik_lb"),
    Task("probnn.inference.likelihood.elbo", C, "(c)", 3),
    Task("probnn.inference.likelihood.log_weights", D, "(d)", 2),
    Task("probnn.inference.likelihood.log_marginal", D, "(d)", 4),
    Task("probnn.models.conditional.one_hot", F, "(f)", 1),
    Task(f"{CONDITIONAL}BernoulliImageGenerator.logits", F, "(f)", 2),
    Task(f"{CONDITIONAL}BernoulliImageGenerator.loglik", F, "(f)", 1),
    Task(f"{CONDITIONAL}GaussianEncoder.forward", F, "(f)", 1),
)

STEP = "Each step raises the mean log likelihood, or its bound, of one batch by its gradient."

TRAININGS = (
    Training(A, "(a)", 2, STEP + " Both models run for 50,000 steps."),
    Training(C, "(c)", 2, STEP + " The training runs for five epochs."),
    Training(F, "(f)", 2, STEP + " The bound is given the labels, and runs for five epochs."),
)

QUESTIONS = (
    Question(
        A,
        "(a)",
        4,
        "How well do the two models fit, and how much does the random start matter?",
        "what the log likelihood per point of either means; where the lead of one comes from; "
        "whether it would hold for new points; the spread over starts",
    ),
    Question(
        B,
        "(b)",
        6,
        "What is the supremum of the likelihood of each model, and why does its curve dip?",
        "whether it is finite, and attained; what a narrow σ at a point does to that point; the "
        "very points that make a dip; what happens to σ there",
    ),
    Question(
        C,
        "(c)",
        6,
        "What do reconstructions, random images and interpolations show about what the model has "
        "learned?",
        "what of an image survives and what does not; what happens to noise; where random codes "
        "fall; codes against pixels between two images; the bound, with its unit and data set",
    ),
    Question(
        D,
        "(d)",
        6,
        "Which images are likely, which unlikely, and which features make them so?",
        "a measured feature, not an impression; one other explanation and what speaks against it; "
        "how far the estimates themselves can be trusted",
    ),
    Question(
        E,
        "(e)",
        6,
        "Which of the models is best, and on what grounds?",
        "which data are scored; bound or log p(x), and what the difference may be; an error that "
        "suits the comparison; whether the start could explain it",
    ),
    Question(
        F,
        "(f)",
        6,
        "Does Z capture style and not label? From which distribution should Z be drawn, given an "
        "image and its label?",
        "rows that share Z; a measure of what Z still says of the label; the distribution, and "
        "what the encoder's stands for; where that fails",
    ),
    Question(
        G,
        "(g)",
        6,
        "How would you implement an autoencoder for random sequences, such as the letters of a "
        "name?",
        "how lengths that differ are handled; the factorisation of p(name | z); what the encoder "
        "reads; why z may be ignored and what helps; how the result would be scored",
    ),
)

COURSE = Course(
    name="cambridge",
    title="Cambridge, probabilistic neural networks",
    own_points=True,
    tasks=TASKS,
    trainings=TRAININGS,
    questions=QUESTIONS,
    # with one temperature importance sampling
    withheld=("probnn.inference.annealing.log_marginal_ais", "probnn.inference.annealing._Path"),
    rewritten={
        "probnn.inference.adaptive._log_weights": (
            "from types import SimpleNamespace\n\n"
            "from probnn.inference.likelihood import log_weights\n\n"
            "drawn = SimpleNamespace(sample=lambda samples: z, log_density=q.log_density)\n"
            "return log_weights(loglik, x, drawn, len(z))"
        )
    },
    reworded={
        "(B,) log-mean-exp of the K log weights.": "(B,) from K weights.",
        "(B,) log-mean-exp of the weights of K chains;": "(B,) from K chains;",
        # (b)
        "As a function of μ, the log likelihood of a point has the curvature $-1/\\sigma^2$: a "
        "step that is harmless at a large σ overshoots at a small one. If so, shorter steps "
        "should stay on the point. Go on": "What do shorter steps do? Go on",
        "As long as the curve stays on a point, a small σ(x) pays. So the best steps should come "
        "before dips. Call": "Call",
        # (d)
        "For the least likely, 300 of them, annealed": "For the least likely, annealed",
        "Ones are ahead of the other digits by 80 nats. Most of them": "Most 1s",
        # (e)
        "Seven starts of $d = 4$ and five of $d = 20$ were": "Several starts of each were",
        "The PyTorch example, fully connected and also of twenty dimensions, has the better ELBO. "
        "But an ELBO ranks a model *and* its encoder: it is log p(x) minus what the encoder loses. "
        "To take the encoder out, log p(x)": "Log p(x)",
        ", and they meet. Here is the call, in a short version on 20 images, and how many nats it "
        "falls short of the long one": "",
        '"the encoder loses"': '"difference"',
        # (f)
        '"In the style of this image" means $z$ drawn from the posterior, '
        "$p(z \\mid x, y) \\propto p(x \\mid z, y)\\, p(z)$. The encoder's $q$ was trained to be "
        "near it on average. Is it near enough for one image? Give": "For one image, give",
        ": were $q$ the posterior, all would be equal. `adapt`": ". `adapt`",
        '"KL(q || posterior), nats"': '"KL of q, nats"',
    },
    # the three lines that the page shows, and what it says of them
    places={
        D: {
            "cell05": (
                "probnn.inference.likelihood.log_weights",
                "probnn.inference.likelihood.log_marginal",
            )
        }
    },
    without={D: ("cell06", "cell34"), E: ("cell03",)},  # of E, what to score
    questions_only=(G,),
)
